# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM with Debian's own QEMU, and our package for it, as a user has it who may use KVM."""

import contextlib
import functools
import glob
import os
import re
import subprocess
import tempfile

from . import ROOT
from .kvmhost import files_under
from .pair import Pair
from .patience import scaled

USER = 'libvirt-qemu'
PLUGIN = 'usr/lib/x86_64-linux-gnu/qemu/shadow-agent.so'
QEMU = 'usr/bin/qemu-system-x86_64'
LAUNCH = 'usr/share/qemu/shadow-launch.bin'
TREE = f'{ROOT}/build/plugin/debian'
# A folder with a plug-in and a shadow-run that take the place of the package's
VARIANT = os.environ.get('SHADOW_PLUGIN')
LIBRARIES = 'lib/x86_64-linux-gnu'
ACCOUNTS = {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n'
                  f'{USER}:x:64055:109::/tmp:/bin/sh\n',
    'etc/group': f'root:x:0:\nkvm:x:109:{USER}\nuser:x:1000:\n',
    'bin/as-qemu': f'#!/bin/sh\nexec su -s /bin/sh -c \'exec "$0" "$@"\' -- {USER} "$@"\n',
}


def needed(file):
    text = subprocess.run(['objdump', '-p', file], capture_output=True, text=True, check=True)
    return re.findall(r'(?m)^  NEEDED +(\S+)', text.stdout)


@functools.cache
def programs(folder, *paths):
    """Programs of an unpacked Debian release, and all libraries that they need, where L1's own
    programs find them too: the newer ones serve both."""
    entries, todo = {}, []
    for path in paths:
        entries[path] = f'{folder}/{path}'
        todo.append(entries[path])
    while todo:
        for name in needed(todo.pop()):
            source = f'{folder}/usr/{LIBRARIES}/{name}'
            path = f'lib64/{name}' if name.startswith('ld-linux') else f'{LIBRARIES}/{name}'
            if path not in entries:
                entries[path] = source
                todo.append(source)
    return tuple(entries.items())


def package(name):
    """Our Debian package, of which there is one"""
    found = glob.glob(f'{ROOT}/build/debs/{name}_*.deb')
    if len(found) != 1:
        raise FileNotFoundError(f'no package {name} in build/debs: run ./shadow deb')
    return found[0]


def load(plugin, *options):
    """Debian's QEMU on this machine, without a machine of its own, and the plug-in:
    (exit status, what it said)"""
    libraries = f'{TREE}/usr/{LIBRARIES}'
    command = [f'{libraries}/ld-linux-x86-64.so.2', '--library-path', libraries,
               f'{TREE}/{QEMU}', '-nodefaults', '-no-user-config', '-display', 'none',
               '-M', 'none', '-plugin', f'file={VARIANT or f"{ROOT}/build/plugin"}/{plugin}',
               *options]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=scaled(60))
    return said.returncode, said.stdout


class DebianHost:
    """What such a cloud VM has besides those of all tests; folder: our package, unpacked"""

    def __init__(self, folder):
        if not os.path.exists(f'{TREE}/usr/sbin/setcap'):
            raise FileNotFoundError(f'{TREE} is missing: run scripts/plugin.sh --host')
        subprocess.run(['dpkg-deb', '-R', package('qemu-shadow-agent'), folder], check=True)
        for path, text in ACCOUNTS.items():
            os.makedirs(os.path.dirname(f'{folder}/{path}'), exist_ok=True)
            with open(f'{folder}/{path}', 'w', encoding='utf-8') as file:
                file.write(text)
            os.chmod(f'{folder}/{path}', 0o755)
        self.files = [*programs(TREE, QEMU, 'usr/sbin/setcap'), *files_under(folder)]
        if VARIANT:
            self.files += [(PLUGIN, f'{VARIANT}/shadow-agent.so'),
                           ('usr/bin/shadow-run', f'{VARIANT}/shadow-run')]


def install(host):
    """What dpkg does after it has unpacked the package, and udev by its rule"""
    host.run('PATH=$PATH:/usr/sbin sh /DEBIAN/postinst configure', check=True)
    host.run('chgrp kvm /dev/kvm /dev/uio0 && chmod 0660 /dev/kvm /dev/uio0', check=True)


class DebianPair(Pair):
    """As a Pair, with Debian's QEMU and the plug-in, of no rights but to use KVM and the
    ultracall device; its machine has an ordinary serial port with a null backend too."""

    def __init__(self, config, **options):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='shadow-debian-'))
            super().__init__(config, files=DebianHost(folder).files, **options)
            self._files = stack.pop_all()

    def __enter__(self):
        super().__enter__()
        self._files.close()
        for host in self.hosts:
            install(host)
        return self

    def boot(self, guest='vm1', client=True, **options):
        return super().boot(guest, client, emulator='/bin/as-qemu /usr/bin/qemu-shadow-agent',
                            serial='null', launch=f'/{LAUNCH}', **options)

    def start_plain(self, **options):
        return super().start_plain(emulator=f'/bin/as-qemu /{QEMU}', **options)
