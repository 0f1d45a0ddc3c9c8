#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
fuzz.py QEMU_BUILD [SECONDS] [TARGET...]

Build the libFuzzer targets of tests/fuzz with clang, and run each for SECONDS (60); say how many
inputs were run and what was found. What a target has learned is in build/fuzz/TARGET/corpus.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import sanitize
import variant

TOP = pathlib.Path(__file__).resolve().parent.parent
SOURCES = TOP / 'tests' / 'fuzz'

EMULATOR = sanitize.EMULATOR
SEAL = 'shadow/tests/unit/test-shadow-seal'

# Target: the program whose objects it takes, the source of that program's main(), its own sources
TARGETS = {
    'open': (SEAL, 'shadow/tests/unit/test-shadow-seal.c', ['fuzz-open.c']),
    'load': (EMULATOR, 'system/main.c', ['fuzz-load.c', 'fuzz-machine.c']),
    'ultracall': (EMULATOR, 'system/main.c', ['fuzz-ultracall.c', 'fuzz-guests.c',
                                              'fuzz-memory.c', 'fuzz-claims.c',
                                              'fuzz-machine.c']),
    'pages': (EMULATOR, 'system/main.c', ['fuzz-pages.c', 'fuzz-pages-arrive.c',
                                          'fuzz-pages-leave.c', 'fuzz-pages-vm.c',
                                          'fuzz-machine.c']),
    'door': (EMULATOR, 'system/main.c', ['fuzz-door.c', 'fuzz-machine.c']),
    'vcpu': (EMULATOR, 'system/main.c', ['fuzz-vcpu.c', 'fuzz-machine.c']),
}
# These know the processor: they are compiled as this is.
TARGET_SOURCES = {'fuzz-vcpu.c': 'shadow/target/i386/shadow-vcpu-view.c'}

CHECKS = ['-fsanitize=address,undefined', '-fno-sanitize=function',
          '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer',
          '-Wno-unknown-warning-option']
OURS = ['-O2', '-fsanitize=fuzzer-no-link', *CHECKS]
# What QEMU's sources compare tells less than it costs.
QEMUS = [*OURS, '-fno-sanitize-coverage=trace-cmp']
LINK = ['-fsanitize=fuzzer', *CHECKS]
# see tests/fuzz/fuzz-machine.h
QUIET = '-Wl,--wrap=error_report'

# Longer inputs only take longer: a state of the fuzzed guest has some 500 bytes.
MAX_LEN = 1024
# After so many seconds an input hangs; on an idle machine it takes a millisecond.
HANGS = 300
OUTPUT_SHOWN = 6000
OPTIONS = {
    # what QEMU has allocated at its end is no leak
    'ASAN_OPTIONS': 'detect_leaks=0:quarantine_size_mb=1:malloc_context_size=4',
    'UBSAN_OPTIONS': 'print_stacktrace=1',
}

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
    likes = {source: obj for obj, source in objects.items()}
    own = [made.compile(likes.get(TARGET_SOURCES.get(source), like), source=str(SOURCES / source), flags=OURS, compiler='clang',
                        name=f'fuzz.p/{source}.o') for source in sources]
    flags = LINK + [QUIET] * (program == EMULATOR)
    return made.link(program, new, flags=flags, compiler='clang', name=f'fuzz-{name}', extra=own)


def build(folder, names):
    made = variant.Variant(variant.Build(folder, os.environ['QEMU_SOURCE']), 'fuzz')
    programs = {name: add_target(made, name) for name in names}
    made.make()
    return programs


def run(name, program, seconds):
    """Run a target; say what it did."""
    home = pathlib.Path(os.environ['SHADOW_BUILD'], 'fuzz', name)
    corpus, found = home / 'corpus', home / 'found'
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    log = home / 'log'
    before = set(found.iterdir())
    command = [program, str(corpus), str(SOURCES / 'seeds' / name), f'-max_total_time={seconds}',
               f'-max_len={MAX_LEN}', f'-artifact_prefix={found}/', f'-timeout={HANGS}',
               '-detect_leaks=0']
    with open(log, 'w', encoding='utf-8') as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, env=os.environ | OPTIONS,
                                check=False).returncode
    output = log.read_text(encoding='utf-8', errors='replace')
    done = DONE.search(output)
    if status or not done:
        again = [f'again: {shlex.join([program, str(path)])}'
                 for path in set(found.iterdir()) - before]
        raise Finding('\n'.join([output[-OUTPUT_SHOWN:], f'all of it: {log}', *again]))
    runs, took = done.groups()
    return f'{runs} inputs in {took} s, {COVERAGE.findall(output)[-1]} places covered'


def main():
    args = sys.argv[2:]
    seconds = int(args.pop(0)) if args and args[0].isdigit() else 60
    unknown = set(args) - set(TARGETS)
    if unknown:
        sys.exit(f'shadow: error: there is no fuzz target {" ".join(sorted(unknown))}\n'
                 f'  targets: {" ".join(TARGETS)}')
    found = False
    for name, program in build(sys.argv[1], args or TARGETS).items():
        print(f'{name}: running for {seconds} s', flush=True)
        try:
            print(f'{name}: {run(name, program, seconds)}', flush=True)
        except Finding as finding:
            print(f'{finding}\n{name}: found something, see above', flush=True)
            found = True
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
