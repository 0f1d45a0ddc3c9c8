#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
fuzz.py [SECONDS] [TARGET...]

Build the libFuzzer targets of tests/fuzz with clang and run each for SECONDS (60), or all of them;
say how many inputs were run, and what was found.
"""

import os
import pathlib
import re
import subprocess
import sys

import sanitize
import variant

TOP = pathlib.Path(__file__).resolve().parent.parent
SOURCES = TOP / 'tests' / 'fuzz'

EMULATOR = 'qemu-system-x86_64'
SEAL = 'shadow/tests/unit/test-shadow-seal'

# Target: the program whose objects it takes, the source of that program's main(), its own sources
TARGETS = {
    'open': (SEAL, 'shadow/tests/unit/test-shadow-seal.c', ['fuzz-open.c']),
    'load': (EMULATOR, 'system/main.c', ['fuzz-load.c', 'fuzz-machine.c']),
    'ultracall': (EMULATOR, 'system/main.c', ['fuzz-ultracall.c', 'fuzz-guests.c',
                                              'fuzz-memory.c', 'fuzz-machine.c']),
}

CHECKS = ['-fsanitize=address,undefined', '-fno-sanitize=function',
          '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer', '-Wno-unknown-warning-option']
OURS = ['-O2', '-fsanitize=fuzzer-no-link', *CHECKS]
# What QEMU's sources compare tells less than it costs.
QEMUS = [*OURS, '-fno-sanitize-coverage=trace-cmp']
LINK = ['-fsanitize=fuzzer', *CHECKS]
# What a refused state makes QEMU print would be most of the work.
QUIET = '-Wl,--wrap=error_report'

# Longer inputs only take longer: a state of the fuzzed guest has some 500 bytes.
MAX_LEN = 1024

DONE = re.compile(r'^Done (\d+) runs in (\d+) second', re.MULTILINE)
COVERAGE = re.compile(r'\bcov: (\d+)')


class Finding(Exception):
    """An input that broke a promise."""


def add_target(made, name):
    program, main, sources = TARGETS[name]
    objects = made.build.objects(program)
    new = {}
    for obj, source in objects.items():
        if source == main:
            like, new[obj] = obj, None
        elif variant.is_ours(source):
            new[obj] = made.compile(obj, flags=OURS, compiler='clang')
        elif source in sanitize.QEMU_SOURCES:
            new[obj] = made.compile(obj, flags=QEMUS, compiler='clang')
    own = [made.compile(like, source=str(SOURCES / source), flags=OURS, compiler='clang',
                        name=f'fuzz.p/{source}.o') for source in sources]
    flags = LINK + [QUIET] * (program == EMULATOR)
    return made.link(program, new, flags=flags, compiler='clang', name=f'fuzz-{name}', extra=own)


def build(names):
    made = variant.Variant(variant.Build(os.environ['QEMU_BUILD'], os.environ['QEMU_SOURCE']),
                           'fuzz')
    programs = {name: add_target(made, name) for name in names}
    made.make()
    return programs


def run(name, program, seconds, say):
    """Run a target; its grown corpus stays for the next time."""
    home = pathlib.Path(os.environ['SHADOW_BUILD'], 'fuzz', name)
    corpus, found = home / 'corpus', home / 'found'
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    seeds = SOURCES / 'seeds' / name
    log = home / 'log'
    before = set(found.iterdir())
    command = [program, str(corpus), str(seeds), f'-max_total_time={seconds}',
               f'-artifact_prefix={found}/', '-timeout=20', '-print_final_stats=1',
               f'-max_len={MAX_LEN}']
    env = os.environ | {'ASAN_OPTIONS': 'detect_leaks=0:quarantine_size_mb=1:malloc_context_size=4',
                        'UBSAN_OPTIONS': 'print_stacktrace=1'}
    with open(log, 'w', encoding='utf-8') as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=env,
                                stdin=subprocess.DEVNULL, check=False).returncode
    output = log.read_text(encoding='utf-8', errors='replace')
    artifacts = sorted(set(found.iterdir()) - before)
    if status or artifacts:
        say(output[-6000:])
        again = ''.join(f'\n  again: {program} {path}' for path in artifacts)
        raise Finding(f'{name}: exit {status}, all of it: {log}{again}')
    runs, took = DONE.search(output).groups()
    return f'{name}: {runs} inputs in {took} s, {COVERAGE.findall(output)[-1]} places covered'


def main():
    args = sys.argv[1:]
    seconds = int(args.pop(0)) if args and args[0].isdigit() else 60
    unknown = set(args) - set(TARGETS)
    if unknown:
        sys.exit(f'shadow: error: there is no fuzz target {" ".join(unknown)}; '
                 f'there are {" ".join(TARGETS)}')
    failed = 0
    for name, program in build(args or TARGETS).items():
        try:
            print(run(name, program, seconds, print), flush=True)
        except Finding as finding:
            print(finding, flush=True)
            failed += 1
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
