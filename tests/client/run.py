#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the tests of shadow-console: every function test_* of the files test_*.py, or those
whose module.name the patterns match. Each gets a folder of its own."""

import glob
import importlib
import os
import re
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))


def find(patterns):
    for path in sorted(glob.glob(f'{HERE}/test_*.py')):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, test in vars(module).items():
            full = f'{module.__name__}.{name}'
            if name.startswith('test_') and (
                    not patterns or any(re.search(p, full) for p in patterns)):
                yield full, test


def main():
    sys.path.insert(0, HERE)
    tests, failed = list(find(sys.argv[1:])), 0
    print(f'1..{len(tests)}', flush=True)
    for number, (name, test) in enumerate(tests, 1):
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix='shadow-') as folder:
            try:
                test(folder)
                word = 'ok'
            except Exception:       # whatever it is, the others are run too
                failed += 1
                word = 'not ok'
                print(re.sub('(?m)^', '# ', traceback.format_exc()))
        print(f'{word} {number} {name} # {time.monotonic() - started:.1f} s', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
