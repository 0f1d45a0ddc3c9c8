# SPDX-License-Identifier: GPL-2.0-or-later
"""shadow-console built in another way, beside the one of build/client, and its tests."""

import os
import pathlib
import re
import subprocess
import sys

import variant

TOP = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = 'shadow-console'
TESTS = TOP / 'tests' / 'client' / 'run.py'


def folder():
    return os.path.join(os.environ['SHADOW_BUILD'], 'client')


def make(name, flags=(), texts=(), into=''):
    """Build it with @flags, and other @texts of some sources, named from the top of the tree.
    Its path; or None where it has nothing of these sources"""
    made = variant.Variant(variant.Build(folder(), TOP), name)
    changed = made.path(into) if texts else None
    including = set()
    for source, text in dict(texts).items():
        path = pathlib.Path(changed, source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
        if source.endswith('.h'):
            including |= made.build.including(source)
    objects = {}
    for obj, source in made.build.objects(PROGRAM).items():
        if flags or source in texts or obj in including:
            objects[obj] = made.compile(
                obj, flags=flags, into=into, headers=changed and f'{changed}/client',
                source=f'{changed}/{source}' if source in texts else None)
    if texts and not objects:
        return None
    program = made.link(PROGRAM, objects, flags=flags, into=into)
    made.make()
    return program


def run(program, pattern, env, log, hangs):
    """Names of the tests that failed with that program; @env: of the tests, as meson has it"""
    log.parent.mkdir(parents=True, exist_ok=True)
    env = env | {'SHADOW_CONSOLE': program, 'SHADOW_HANGS': hangs}
    with open(log, 'w', encoding='utf-8') as file:
        status = subprocess.run([sys.executable, TESTS, pattern], stdout=file,
                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                env=os.environ | env, check=False).returncode
    output = log.read_text(encoding='utf-8', errors='replace')
    failed = re.findall(r'(?m)^not ok \d+ (\S+)', output)
    if bool(status) != bool(failed) or not re.search(r'(?m)^(not )?ok ', output):
        sys.exit(f'shadow: error: {pattern} could not be run, see {log}')
    return failed
