# SPDX-License-Identifier: GPL-2.0-or-later
"""
The unit tests, and the emulator for the qtests, with AddressSanitizer and
UndefinedBehaviorSanitizer: in our own sources, and in those of QEMU that handle what we hand them.
"""

import os
import re
import subprocess

import client
import variant

EMULATOR = 'qemu-system-x86_64'

QEMU_SOURCES = {
    'chardev/char-fe.c', 'chardev/char-io.c', 'chardev/char-socket.c', 'chardev/char.c',
    'hw/char/serial.c', 'io/channel-buffer.c', 'migration/qemu-file.c',
    'migration/vmstate-types.c', 'migration/vmstate.c', 'util/coroutine-ucontext.c',
    'util/fifo8.c', 'util/iov.c', 'util/qht.c',
}

FLAGS = ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined',
         '-fno-omit-frame-pointer']

OPTIONS = 'abort_on_error=1:halt_on_error=1'
UBSAN = {'UBSAN_OPTIONS': OPTIONS + ':print_stacktrace=1'}

# What a sanitizer prints, whatever became of the process
REPORT = re.compile(r'ERROR: (Address|Leak)Sanitizer|: runtime error: ')


def instrument(made, target):
    objects = {obj: made.compile(obj, flags=FLAGS)
               for obj, source in made.build.objects(target).items()
               if variant.is_ours(source) or source in QEMU_SOURCES}
    return made.link(target, objects, flags=FLAGS)


def may_look_for_leaks(test):
    """LeakSanitizer traces the process that it is in, which not every container allows."""
    tried = subprocess.run([test['cmd'][0], '-l'], env=os.environ | test['env'], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return 'LeakSanitizer has encountered a fatal error' not in tried.stdout


def adapt(test, made, emulator):
    """The test, run with what was made. QEMU leaves much to the end of its process, but a unit
    test is a small program and has to free what it took."""
    command = [emulator if arg == f'./{EMULATOR}' else arg for arg in test['cmd']]
    if 'QTEST_QEMU_BINARY' in test['env'] or command != test['cmd']:
        env = {'QTEST_QEMU_BINARY': emulator, 'ASAN_OPTIONS': OPTIONS + ':detect_leaks=0'}
        return test | {'cmd': command, 'env': test['env'] | UBSAN | env}
    program = os.path.relpath(test['cmd'][0], made.build.folder)
    env = {'ASAN_OPTIONS': OPTIONS + ':detect_leaks=1'}
    return test | {'cmd': [instrument(made, program), *test['cmd'][1:]],
                   'env': test['env'] | UBSAN | env}


def adapt_client(tests):
    """Those of shadow-console, run with what is built here; it leaves much to its end. An sshd
    that runs it passes no environment on."""
    program = client.make('sanitize', FLAGS)
    script = f'{program}.sh'
    with open(script, 'w', encoding='utf-8') as file:
        file.write(f'#!/bin/sh\nexport ASAN_OPTIONS={OPTIONS}:detect_leaks=0 '
                   f'UBSAN_OPTIONS={UBSAN["UBSAN_OPTIONS"]}\nexec {program} "$@"\n')
    os.chmod(script, 0o755)
    return [test | {'env': test['env'] | {'SHADOW_CONSOLE': script}} for test in tests]


def make(folder, tests):
    """Build what the tests run; return the tests, changed so that they run it."""
    made = variant.Variant(variant.Build(folder, os.environ['QEMU_SOURCE']), 'sanitize')
    emulator = instrument(made, EMULATOR)
    tests = [adapt(test, made, emulator) for test in tests]
    made.make()
    leaks = [test for test in tests if 'detect_leaks=1' in test['env']['ASAN_OPTIONS']]
    if leaks and not may_look_for_leaks(leaks[0]):
        print('this system does not let LeakSanitizer trace: leaks are not looked for', flush=True)
        for test in leaks:
            test['env']['ASAN_OPTIONS'] = OPTIONS + ':detect_leaks=0'
    return tests
