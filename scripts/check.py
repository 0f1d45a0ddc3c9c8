#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
check.py [--targets | --long] QEMU_BUILD LAYER...

Run the tests of each layer (style, unit, client, web, qtest, sanitize, fuzz, qemu, nested), and say what came of
them: a line for each layer, how long each took, and "N passed, N failed[, N skipped]" as the last line. With
--targets, only print what ninja must build first; with --long, run also the nested tests that take long.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import fuzz
import sanitize

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
NESTED = os.path.join(TOP, 'tests', 'nested', 'run.py')

sys.path.insert(0, os.path.dirname(NESTED))
from lab.patience import Patience    # noqa: E402

# QEMU's own tests that what we add to it could break, the longest first
QEMU_TESTS = ['migration-test', 'qom-test', 'device-introspect-test', 'test-hmp', 'boot-serial-test']

# Layers that need what others' tests run
ALSO = {'sanitize': ['unit', 'qtest'], 'fuzz': ['unit', 'qtest']}
# A test of this suite says nothing of a program that is built in another way.
AS_BUILT = 'as-built'

FUZZ_SECONDS = 30
# As wide as the documentation of a QAPI schema may be
SCHEMA_WIDTH = 70
VERSION = re.compile(r'SHADOW_QEMU_AT_LEAST|QEMU_VERSION_M')

# Time limits are multiplied by this, and by how slow and how busy this machine is: they are meant
# for an idle one.
SLOWER = 3

TAP = re.compile(r'(not ok|ok)\b *(\d+)? *(?:- )?([^#]*?) *(?:# *(SKIP|TODO)?\b *(.*))?$', re.IGNORECASE)
TOTALS = re.compile(r'(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$')


class Tally:
    """What came of some tests."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def add_tap(self, program, line):
        """Count a line of a program's output; say whether it was a test's result."""
        match = TAP.match(line)
        if not match:
            return False
        result, number, name, directive, reason = match.groups()
        name = f'{program}: {name or number}'
        if directive:
            self.skipped.append(f'{name}: {reason or "no reason given"}')
        elif result.lower() == 'ok':
            self.passed += 1
        else:
            self.failed.append(name)
        return True

    def __str__(self):
        skipped = f', {len(self.skipped)} skipped' if self.skipped else ''
        return f'{self.passed} passed, {len(self.failed)} failed{skipped}'


def info(build, kind):
    with open(os.path.join(build, 'meson-info', f'intro-{kind}.json'), encoding='utf-8') as file:
        return json.load(file)


def tests_of(build, layer):
    """The layer's tests, as meson knows them."""
    if layer == 'qemu':
        wanted = [f'qtest-x86_64/{name}' for name in QEMU_TESTS]
        return sorted((test for test in info(build, 'tests') if test['name'] in wanted),
                      key=lambda test: wanted.index(test['name']))

    def suites(test):
        return {suite.split(':')[-1] for suite in test['suite']}
    return [test for test in info(build, 'tests')
            if 'shadow' in suites(test) and suites(test) & set(ALSO.get(layer, [layer]))
            and not (layer in ALSO and AS_BUILT in suites(test))]


def print_targets(build, layers):
    layers = [layer for layer in layers if layer not in ('client', 'web')]   # built by scripts of their own
    files = {target['id']: target['filename'] for target in info(build, 'targets')}
    needed = set()
    for layer in layers:
        for test in tests_of(build, layer):
            for target in test['depends']:
                needed.update(files[target])
    build = os.path.abspath(build)
    for path in sorted(needed):
        path = os.path.relpath(os.path.join(build, path), build)
        if not path.startswith('..'):
            print(path)


def without_kvm(build):
    """A command prefix that hides KVM: QEMU's own tests take it where there is one, and their
    outcome would depend on the machine."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return []
    empty = os.path.join(build, 'no-kvm')
    with open(empty, 'w', encoding='utf-8'):
        pass
    prefix = ['unshare', '--mount'] + (['--map-root-user'] if os.geteuid() else [])
    prefix += ['sh', '-c', 'mount --bind "$0" /dev/kvm && mount -o remount,bind,ro /dev/kvm && '
               'exec "$@"', empty]
    tried = subprocess.run([*prefix, 'true'], stderr=subprocess.DEVNULL, check=False)
    return [] if tried.returncode else prefix


def name_of(test):
    return test['name'].split('/')[-1]


def try_program(build, test, prefix, log):
    """Run a test program and count its results; what it printed goes to the log, and is returned."""
    tally = Tally()
    # Where there is a /dev/kvm, QEMU lengthens its migration test by ten times.
    command = prefix + [arg for arg in test['cmd'] if arg != '--full']
    name = name_of(test)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'w', encoding='utf-8') as file:
        program = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, cwd=test['workdir'] or build,
                                   env=os.environ | test['env'], start_new_session=True)
        try:
            status = wait_for(program, SLOWER * test['timeout'], log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
    output = log.read_text(encoding='utf-8', errors='replace').splitlines()
    tally.failed = [f'{name}: {line}' for line in output if sanitize.REPORT.search(line)]
    tap = [tally.add_tap(name, line) for line in output]
    if test['protocol'] == 'exitcode' and status == 0:
        tally.passed = 1
    elif status == 77 or status == 0 and not any(tap):
        reason = ''.join(re.sub('.*SKIP *', '', line) for line in output if line.startswith('1..0'))
        tally.skipped.append(f'{name}: {reason or "no reason given"}')
    elif status != 0 and not tally.failed:
        tally.failed.append(f'{name}: ' + (status if isinstance(status, str) else f'exit {status}'))
    return tally, output


def wait_for(program, seconds, log):
    """Its exit status, or what to say of it if it takes too long here."""
    patience = Patience(seconds)
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return program.wait(1)
        if patience.over(log.stat().st_size):
            return f'not done after {patience.waited():.0f} s, nothing printed for ' \
                   f'{patience.still():.0f} s'


def run_program(build, test, prefix, log):
    """Run a test program, and say what came of it."""
    started = time.monotonic()
    tally, output = try_program(build, test, prefix, log)
    text = f'{name_of(test)}: {tally} ({time.monotonic() - started:.1f} s)'
    if tally.failed:
        rest = [line for line in output if not line.startswith('ok ')]
        text = '\n    | '.join([text, *rest[-30:], f'all of it: {log}'])
    print(text, flush=True)
    return tally


def run_programs(build, layer, logs):
    total = Tally()
    tests = tests_of(build, layer)
    prefix = []
    if layer == 'qemu':
        names = {test['name'] for test in tests}
        total.failed = [f'{name}: not in this build' for name in QEMU_TESTS
                        if f'qtest-x86_64/{name}' not in names]
        prefix = without_kvm(build)
    elif layer == 'sanitize':
        tests = sanitize.adapt_client(
            tests_of(os.path.join(os.environ['SHADOW_BUILD'], 'client'), 'client')) + \
            sanitize.make(build, tests)
    with concurrent.futures.ThreadPoolExecutor(int(os.environ['JOBS'])) as pool:
        for tally in pool.map(lambda test: run_program(
                build, test, prefix, logs / layer / name_of(test)), tests):
            total.add(tally)
    return total


def run_web(logs):
    """The page for consoles: its modules in node, and all of it in a browser."""
    total = Tally()
    programs = sorted(path.name for path in pathlib.Path(TOP, 'tests', 'web').glob('*.test.mjs'))
    for name in [*programs, 'browser']:
        test = {'name': name.removesuffix('.test.mjs'), 'cmd': [os.path.join(HERE, 'web.sh'), '--run', name],
                'workdir': TOP, 'env': {}, 'protocol': 'tap', 'timeout': 120}
        total.add(run_program(TOP, test, [], logs / 'web' / test['name']))
    return total


def run_script(name, *args):
    """One of our scripts that looks at something and finds no fault"""
    tally = Tally()
    run = subprocess.run([os.path.join(HERE, name), *args], capture_output=True, text=True, check=False)
    if run.returncode:
        print(run.stdout + run.stderr, end='', flush=True)
        tally.failed.append(' '.join([name, *args]))
    else:
        tally.passed = 1
    return tally


def find_lines(wrong, message, paths):
    """No file has a line that is wrong."""
    tally = Tally()
    found = [f'{path.relative_to(TOP)}:{number}: {message}' for path in sorted(paths)
             for number, line in enumerate(path.read_text().splitlines(), 1) if wrong(line)]
    if found:
        print('\n'.join(found), flush=True)
        tally.failed.append(message)
    else:
        tally.passed = 1
    return tally


def run_series():
    """What only other series of QEMU than the one that is built here would stumble over."""
    tally = find_lines(lambda line: line.startswith('#') and len(line) > SCHEMA_WIDTH,
                       f'over {SCHEMA_WIDTH} characters, which qapi-gen of QEMU 10.2 refuses',
                       pathlib.Path(TOP, 'qapi').glob('*.json'))
    sources = {path for path in pathlib.Path(TOP).glob('[!b.]*/**/*.[ch]')
               if not path.match('include/compat*.h')}
    tally.add(find_lines(VERSION.search, "only include/compat*.h know QEMU's versions", sources))
    return tally


def run_style():
    """QEMU's own checkpatch.pl on each of our C files; what other series refuse; the mutants, which must fit;
    the documentation; the files for libvirt."""
    tally = Tally()
    checkpatch = os.path.join(os.environ['QEMU_SOURCE'], 'scripts', 'checkpatch.pl')
    for path in sorted(pathlib.Path(TOP).glob('[!b.]*/**/*.[ch]')):
        name = str(path.relative_to(TOP))
        checked = subprocess.run(['perl', checkpatch, '--no-tree', '--terse', '-f', name],
                                 cwd=TOP, capture_output=True, text=True, check=False)
        if checked.returncode:
            print(checked.stdout + checked.stderr, end='', flush=True)
            tally.failed.append(f'checkpatch: {name}')
        else:
            tally.passed += 1
    tally.add(run_series())
    tally.add(run_script('mutants.py', '--read'))
    tally.add(run_script('docs.sh'))
    tally.add(run_script('libvirt.sh', '--check'))
    return tally


def run_target(name, program):
    tally = Tally()
    try:
        print(f'fuzz-{name}: {fuzz.run(name, program, FUZZ_SECONDS)}', flush=True)
        tally.passed = 1
    except fuzz.Finding as finding:
        print(finding, flush=True)
        tally.failed.append(f'fuzz-{name}: found something, see above')
    return tally


def run_fuzz(build):
    """Each target for a while; a target counts as one test."""
    total = Tally()
    programs = fuzz.build(build, fuzz.TARGETS)
    with concurrent.futures.ThreadPoolExecutor(int(os.environ['JOBS'])) as pool:
        for tally in pool.map(run_target, programs, programs.values()):
            total.add(tally)
    return total


def run_nested(options):
    """Run our own runner: it prints TAP, or else its totals at the end."""
    tally = Tally()
    totals = None
    with subprocess.Popen([sys.executable, NESTED, *options], stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True) as runner:
        for line in runner.stdout:
            line = line.rstrip()
            if TOTALS.match(line):
                totals = TOTALS.match(line)
                continue
            print(line, flush=True)
            tally.add_tap('nested', line)
    if totals and not (tally.passed or tally.failed or tally.skipped):
        tally.passed = int(totals[1])
        tally.failed = ['nested: see above'] * int(totals[2])
        tally.skipped = ['nested: see above'] * int(totals[3] or 0)
    if runner.returncode and not tally.failed:
        tally.failed.append(f'nested: run.py exited with {runner.returncode}')
    return tally


def main():
    args = sys.argv[1:]
    if args[0] == '--targets':
        print_targets(args[1], args[2:])
        return 0
    long = [arg for arg in args[:1] if arg == '--long']
    build, *layers = args[len(long):]
    logs = pathlib.Path(os.environ['SHADOW_BUILD'], 'log')
    total = Tally()
    summary, times = [], []
    for layer in layers:
        started = time.monotonic()
        print(f'== {layer}', flush=True)
        if layer == 'style':
            tally = run_style()
        elif layer == 'nested':
            tally = run_nested(long)
        elif layer == 'fuzz':
            tally = run_fuzz(build)
        elif layer == 'web':
            tally = run_web(logs)
        elif layer == 'client':
            tally = run_programs(os.path.join(os.environ['SHADOW_BUILD'], 'client'), layer, logs)
        else:
            tally = run_programs(build, layer, logs)
        if not (tally.passed or tally.failed):
            tally.failed.append(f'{layer}: no test was run')
        summary.append(f'{layer}: {tally}')
        times.append(f'{layer} {time.monotonic() - started:.0f} s')
        print(summary[-1], flush=True)
        total.add(tally)
    print('==', *summary, f'time: {", ".join(times)}', sep='\n')
    for name in total.skipped:
        print(f'skipped: {name}')
    for name in total.failed:
        print(f'failed: {name}')
    print(total)
    return 1 if total.failed else 0


if __name__ == '__main__':
    sys.exit(main())
