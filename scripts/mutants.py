#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
mutants.py QEMU_BUILD [MUTANT...]
mutants.py --read

Weaken our code on purpose, in one way after the other, and see that the tests notice. A mutant is
a file tests/mutants/NAME:

    # what is weakened; lines before the first "file:" that start so are remarks
    tests: PROGRAM... | nested TEST... | client TEST... | web TEST
    file: SOURCE
    <<<<
    text that the source has exactly once
    ====
    text to put in its place
    >>>>

The tests are tried in their order until one fails. First all of them have to pass with a build
that is made in the same way from what is there. With --read, only see that each mutant still is one
of the sources as they are.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys

import check
import client
import sanitize
import variant

TOP = pathlib.Path(__file__).resolve().parent.parent
MUTANTS = TOP / 'tests' / 'mutants'
NESTED = 'nested '
CLIENT = 'client '        # tests/client, with shadow-console
WEB = 'web '              # a program of tests/web for node, with the page's modules
ELSEWHERE = (CLIENT, WEB)   # what no emulator runs
# Sources of what runs in the cloud VM, in the inner QEMU or as a plug-in of Debian's
AGENT = ('shadow/hw/misc/shadow-agent', 'shadow/contrib/plugin/')
# and in Xen's control domain
XEN = 'shadow/contrib/xen/'
# Tests of domains of Xen's whose device model is our QEMU, with the agent
MODEL = f'{NESTED}test_xen_agent.'

# Seconds: what a mutant has broken may never come
HANGS, NESTED_HANGS, CLIENT_HANGS = '30', '60', '5'

CHANGE = re.compile(r'^<<<<\n(.*?)^====\n(.*?)^>>>>\n', re.MULTILINE | re.DOTALL)
ASSERTION = re.compile(r'(?:Bail out! )?ERROR:[^:]*:\d+:(\w+: .*)')


@dataclasses.dataclass
class Mutant:
    name: str
    remark: str = 'nothing is weakened'
    tests: list = dataclasses.field(default_factory=list)
    texts: dict = dataclasses.field(default_factory=dict)   # by source


def refuse(name, why):
    sys.exit(f'shadow: error: tests/mutants/{name}: {why}\n'
             '  the source has changed: change the mutant, so that it weakens it again')


def read_mutant(name):
    text = (MUTANTS / name).read_text(encoding='utf-8')
    head, *files = re.split('(?m)^file: ', text)
    mutant = Mutant(name, ' '.join(re.findall('(?m)^# (?!SPDX)(.*)', head)))
    mutant.tests = [test for line in re.findall('(?m)^tests: (.*)', head)
                    for test in ([line] if line.startswith((NESTED, *ELSEWHERE)) else line.split())]
    for part in files:
        source, rest = part.split('\n', 1)
        changed = (TOP / source).read_text(encoding='utf-8')
        for old, new in CHANGE.findall(rest):
            if changed.count(old) != 1:
                refuse(name, f'{source} has this {changed.count(old)} times, not once:\n{old}')
            changed = changed.replace(old, new)
        if CHANGE.sub('', rest).strip() or changed == (TOP / source).read_text(encoding='utf-8'):
            refuse(name, 'not understood')
        mutant.texts[f'shadow/{source}'] = changed
    if not mutant.tests or not mutant.texts:
        refuse(name, 'it names no tests, or no file')
    return mutant


def programs_of(mutant, tests):
    """The programs to link: a unit test is one itself, all others run the emulator."""
    for name in mutant.tests:
        if name.startswith(ELSEWHERE):
            continue
        if name.startswith(NESTED) or 'QTEST_QEMU_BINARY' in tests[name]['env']:
            yield sanitize.EMULATOR
        else:
            yield os.path.relpath(tests[name]['cmd'][0])


def is_model(mutant):
    """Whether what it weakens runs in a device model of Xen's domains"""
    return bool(mutant.texts) and any(test.startswith(MODEL) for test in mutant.tests)


def is_agent(mutant):
    """Whether what it weakens runs in the cloud VM, with KVM"""
    return not is_model(mutant) and any(source.startswith(AGENT) for source in mutant.texts)


def is_xen(mutant):
    """Whether what it weakens runs in Xen's control domain"""
    return any(source.startswith(XEN) for source in mutant.texts)


def make_client(mutant):
    """A shadow-console that has what it weakens; the path"""
    texts = {source.removeprefix('shadow/'): text for source, text in mutant.texts.items()}
    program = client.make('mutants', texts=texts, into=mutant.name)
    if not program:
        refuse(mutant.name, 'shadow-console has nothing of what it changes')
    return program


def try_web(mutant, name, log):
    """What fails of a program for node, with a copy of the page's modules that has what it weakens"""
    page = pathlib.Path(os.environ['SHADOW_BUILD'], 'mutants-web', mutant.name)
    shutil.rmtree(page, ignore_errors=True)
    shutil.copytree(TOP / 'web', page)
    for source, text in mutant.texts.items():
        (page / pathlib.Path(source).relative_to('shadow/web')).write_text(text, encoding='utf-8')
    done = subprocess.run([TOP / 'scripts' / 'web.sh', '--run', f'{name}.test.mjs'], check=False,
                          env=os.environ | {'SHADOW_WEB_SOURCE': str(page)}, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr, encoding='utf-8')
    failed = re.findall(r'(?m)^not ok \d+ - (.+)', done.stdout)
    if bool(done.returncode) != bool(failed) or not re.search(r'(?m)^(not )?ok ', done.stdout):
        sys.exit(f'shadow: error: {name} could not be run, see {log}')
    return failed


def add_programs(made, mutant, programs, needed):
    """The programs with what is weakened; needed: each of them has to have some of it."""
    for source, text in mutant.texts.items():
        path = pathlib.Path(made.path(mutant.name, source))
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding='utf-8') != text:
            path.write_text(text, encoding='utf-8')
    folder = made.path(mutant.name)
    including = set().union(*(made.build.including(source) for source in mutant.texts
                              if source.endswith('.h')))
    for program in programs:
        objects = {obj: made.compile(obj, headers=folder, into=mutant.name,
                                     source=f'{folder}/{source}' if source in mutant.texts else None)
                   for obj, source in made.build.objects(program).items()
                   if source in mutant.texts or obj in including}
        if needed and not objects:
            refuse(mutant.name, f'{program} has nothing of what it changes')
        made.link(program, objects, into=mutant.name, flags=['-Wl,--strip-debug'])


def add_mutant(made, mutant, tests):
    add_programs(made, mutant, set(programs_of(mutant, tests)), needed=mutant.texts and
                 not (is_agent(mutant) or is_xen(mutant) or is_model(mutant)))
    if is_agent(mutant):
        subprocess.run([TOP / 'scripts' / 'plugin.sh', '--host', '--variant',
                        made.path(mutant.name)], check=True)
    if is_xen(mutant):
        subprocess.run([TOP / 'scripts' / 'xen.sh', '--variant', made.path(mutant.name)], check=True)


def make_models(made, mutants):
    """The device models of Xen's domains that have what is weakened"""
    if not mutants:
        return
    subprocess.run([TOP / 'scripts' / 'xen.sh'], check=True)
    models = variant.Variant(variant.Build(f'{os.environ["SHADOW_BUILD"]}/xen/qemu',
                                           os.environ['QEMU_SOURCE']), 'mutants')
    for mutant in mutants:
        add_programs(models, mutant, [sanitize.EMULATOR], needed=True)
    models.make()
    for mutant in mutants:
        folder = made.path(mutant.name, 'xen')
        os.makedirs(folder, exist_ok=True)
        shutil.copy(models.path(mutant.name, sanitize.EMULATOR), f'{folder}/device-model')


def try_nested(pattern, emulator, log, agent, xen):
    """Names of the nested tests that failed; agent: the folder with the plug-in to be used, and
    the emulator is the inner one too; xen: that with programs for Xen's control domain."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'w', encoding='utf-8') as file:
        inner = ['--inner', emulator] if agent else []
        status = subprocess.run([sys.executable, check.NESTED, '--qemu', emulator, *inner, pattern],
                                stdout=file, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, check=False,
                                env=os.environ | {'SHADOW_HANGS': NESTED_HANGS} |
                                ({'SHADOW_PLUGIN': agent} if agent else {}) |
                                ({'SHADOW_XEN': xen} if xen else {})).returncode
    output = log.read_text(encoding='utf-8', errors='replace')
    failed = re.findall(r'(?m)^not ok \d+ (\S+)', output)
    if bool(status) != bool(failed) or not re.search(r'(?m)^(not )?ok ', output):
        sys.exit(f'shadow: error: {pattern} could not be run, see {log}')
    return failed


def try_test(made, mutant, name, tests):
    """What fails of one test program, or of the nested or the client's tests."""
    log = pathlib.Path(os.environ['SHADOW_BUILD'], 'log', 'mutants', mutant.name)
    if name.startswith(CLIENT):
        pattern = name.removeprefix(CLIENT)
        [test] = check.tests_of(client.folder(), 'client')
        return client.run(make_client(mutant), pattern, test['env'], log / pattern, CLIENT_HANGS)
    if name.startswith(WEB):
        name = name.removeprefix(WEB)
        return try_web(mutant, name, log / name)
    emulator = made.path(mutant.name, sanitize.EMULATOR)
    if name.startswith(NESTED):
        name = name.removeprefix(NESTED)
        return try_nested(name, emulator, log / name,
                          made.path(mutant.name) if is_agent(mutant) else None,
                          made.path(mutant.name, 'xen') if is_xen(mutant) or is_model(mutant)
                          else None)
    test = tests[name]
    if 'QTEST_QEMU_BINARY' in test['env']:
        test = test | {'env': test['env'] | {'QTEST_QEMU_BINARY': emulator}}
    else:
        test = test | {'cmd': [made.path(mutant.name, name), *test['cmd'][1:]]}
    test = test | {'env': test['env'] | {'SHADOW_HANGS': HANGS}}
    tally, output = check.try_program(made.build.folder, test, [], log / name)
    # a program that ends at the first failure does not name the test, but the assertion its function
    said = [match[1] for match in map(ASSERTION.match, output) if match]
    return [f'{failed}: {said[0]}' if said else failed for failed in tally.failed]


def run_mutant(made, mutant, tests):
    """What catches it: the failures of the first test that fails."""
    print(f'{mutant.name}: {mutant.remark}', flush=True)
    for name in mutant.tests:
        print(f'    {name}: ', end='', flush=True)
        failed = try_test(made, mutant, name, tests)
        print(f'{len(failed)} failed' if failed else 'passed', flush=True)
        if failed:
            return failed
    return []


def baseline(mutants):
    names = {test: None for mutant in mutants for test in mutant.tests}
    return Mutant('none', tests=list(names))


def make(folder, mutants, tests):
    made = variant.Variant(variant.Build(folder, os.environ['QEMU_SOURCE']), 'mutants')
    for mutant in mutants:
        add_mutant(made, mutant, tests)
    made.make()
    make_models(made, [mutant for mutant in mutants if is_model(mutant)])
    return made


def read_all(names, tests):
    known = sorted(path.name for path in MUTANTS.iterdir())
    for name in names:
        if name not in known:
            sys.exit(f'shadow: error: there is no mutant {name}\n  mutants: {" ".join(known)}')
    mutants = [read_mutant(name) for name in names or known]
    for mutant in mutants:
        for name in mutant.tests:
            if name not in tests and not name.startswith((NESTED, *ELSEWHERE)):
                refuse(mutant.name, f'there is no test {name}')
    return mutants


def read_each():
    """All that have to be changed are named."""
    wrong = []
    for path in sorted(MUTANTS.iterdir()):
        try:
            read_mutant(path.name)
        except SystemExit as refused:
            wrong.append(str(refused))
    return '\n'.join(wrong) or 0


def main():
    if sys.argv[1:] == ['--read']:
        return read_each()
    folder, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    os.chdir(folder)
    tests = {check.name_of(test): test for layer in ('unit', 'qtest')
             for test in check.tests_of(folder, layer)}
    mutants = read_all(names, tests)
    none = baseline(mutants)
    made = make(folder, [none, *mutants], tests)
    failed = run_mutant(made, none, tests)
    if failed:
        print('not all tests pass without a mutant', *failed, sep='\n  ')
        return 1
    caught = {mutant.name: run_mutant(made, mutant, tests) for mutant in mutants}
    missed = [name for name, failed in caught.items() if not failed]
    print('==')
    for name, failed in caught.items():
        print(f'{name:25} ' + (f'caught by {failed[0]}' if failed else 'NOT CAUGHT'))
    print(f'{len(mutants) - len(missed)} mutants caught, {len(missed)} not')
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
