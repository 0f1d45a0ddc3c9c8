#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
unhooked.py QEMU_BUILD

Build the emulator once more, from the same objects but those whose sources the patches for TCG
touch: these are compiled without the patches. What it runs it runs as QEMU would without us, so
it tells what the hooks cost (tests/nested/benchmarks/hooks.py). Its path is printed.
"""

import os
import pathlib
import subprocess
import sys

import variant

TOP = pathlib.Path(__file__).resolve().parent.parent
EMULATOR = 'qemu-system-x86_64'
PATCHES = ['0001-ultracall-instruction.patch', '0002-nested-guest.patch',
           '0003-port-accesses.patch', '0008-busy-tss.patch', '0015-private-vcpus.patch',
           '0016-private-memory.patch', '0017-private-events.patch',
           '0018-nested-tables.patch']
# A declaration, which all of target/i386 sees
HARMLESS = {'target/i386/helper.h'}


def patched_files(patch):
    return {line.split()[1].removeprefix('b/') for line in patch.read_text().splitlines()
            if line.startswith('+++ ')}


def copy_without(patches, source, to):
    """The files in a folder, as they are without the patches; an unchanged one is left alone."""
    files = set().union(*map(patched_files, patches))
    new = to / 'new'
    for file in files:
        (new / file).parent.mkdir(parents=True, exist_ok=True)
        (new / file).write_bytes((source / file).read_bytes())
    for patch in reversed(patches):
        done = subprocess.run(['patch', '-d', new, '-p1', '-R', '--force', '--fuzz=0',
                               '--no-backup-if-mismatch', '-i', patch], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit(f'shadow: error: {patch.name} cannot be taken out:\n{done.stdout}')
    for file in files - HARMLESS:
        text, path = (new / file).read_bytes(), to / file
        if not path.exists() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
    return files - HARMLESS


def build(folder):
    source = pathlib.Path(os.environ['QEMU_SOURCE'])
    made = variant.Variant(variant.Build(folder, source), 'unhooked')
    files = copy_without([TOP / 'patches' / name for name in PATCHES], source,
                         pathlib.Path(made.path('source')))
    objects = {}
    for obj, file in made.build.objects(EMULATOR).items():
        if file in files:
            objects[obj] = made.compile(obj, source=made.path('source', file),
                                        flags=['-iquote', str((source / file).parent)])
    assert len(objects) == len(files), objects
    program = made.link(EMULATOR, objects)
    made.make()
    return program


if __name__ == '__main__':
    print(build(sys.argv[1]))
