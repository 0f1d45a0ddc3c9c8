#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
test-vmstate.py QEMU CHECKER DUMP...
test-vmstate.py --write QEMU DUMP

Compare the descriptions of our devices' states with those of released versions (DUMP, oldest first),
by QEMU's vmstate-static-checker.py: what an old version saved loads in this one, and what this one
saves is what the newest dump says. Prints TAP. With --write, make a dump: that of a new release is
added to tests/golden, and none there ever changes.
"""

import copy
import json
import os
import subprocess
import sys
import tempfile

SECTIONS = ['shadow-agent', 'shadow-debugcon', 'shadow-serial']


def dump(qemu):
    """The sections of our devices, as QEMU's -dump-vmstate writes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'dump')
        subprocess.run([qemu, '-machine', 'none', '-nodefaults', '-display', 'none', '-dump-vmstate', path],
                       stdin=subprocess.DEVNULL, check=True)
        with open(path, encoding='utf-8') as file:
            everything = json.load(file)
    return {section: everything[section] for section in SECTIONS}


def compare(checker, src, dest):
    """What keeps a state of src from being loaded in dest."""
    with tempfile.TemporaryDirectory() as folder:
        args = []
        for option, data in (('-s', src), ('-d', dest)):
            path = os.path.join(folder, option[1:])
            with open(path, 'w', encoding='utf-8') as file:
                json.dump(data, file)
            args += [option, path]
        checked = subprocess.run([sys.executable, checker, *args], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, check=False)
    if checked.returncode and not checked.stdout:
        return f'{checker} exited with {checked.returncode}'
    return checked.stdout


def broken(data):
    """The same with a field of the console's state left out."""
    data = copy.deepcopy(data)
    fields = data['shadow-serial']['Description']['Fields']
    console = next(field for field in fields if field['field'] == 'console')
    del console['Description']['Fields'][2]
    return data


def tests(qemu, checker, paths):
    now = dump(qemu)
    dumps = []
    for path in paths:
        with open(path, encoding='utf-8') as file:
            dumps.append((os.path.basename(path), json.load(file)))
    for name, old in dumps:
        yield f'{name}/loads-here', compare(checker, old, now)
    name, newest = dumps[-1]
    yield f'{name}/is-what-is-saved', compare(checker, now, newest)
    noticed = compare(checker, newest, broken(now))
    yield 'a-missing-field-is-noticed', '' if 'sent' in noticed else f'it said: {noticed}'


def main():
    if sys.argv[1] == '--write':
        with open(sys.argv[3], 'w', encoding='utf-8') as file:
            json.dump(dump(sys.argv[2]), file, indent=1)
            file.write('\n')
        return 0
    failed = number = 0
    for number, (name, wrong) in enumerate(tests(sys.argv[1], sys.argv[2], sys.argv[3:]), 1):
        print(f'{"not ok" if wrong else "ok"} {number} {name}')
        for line in wrong.splitlines():
            print(f'# {line}')
        failed += bool(wrong)
    print(f'1..{number}')
    return 1 if failed else 0


sys.exit(main())
