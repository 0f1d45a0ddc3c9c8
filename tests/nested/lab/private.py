# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM whose memory and registers are private."""

import re

from . import LONG
from .uservm import UserVm

MEMORY = 256                # MiB
SHARED_DEVICE = 'iommu_platform=on,disable-legacy=on'      # of a virtio device
DISK = 64                   # MiB, a file of the cloud VM


def disk(path, options='format=raw'):
    """Of the inner QEMU's command line: a file of the cloud VM as a disk"""
    return f'-drive id=disk,if=none,file={path},{options} ' \
           f'-device virtio-blk-pci,drive=disk,{SHARED_DEVICE}'


DEVICES = (f'{disk("/tmp/disk")} -netdev user,id=net '
           f'-device virtio-net-pci,netdev=net,romfile=,{SHARED_DEVICE} '
           f'-device virtio-balloon-pci,id=balloon,{SHARED_DEVICE} '
           '-machine hpet=on')
STRANGE = re.compile(r'WARNING|BUG|Oops|Call Trace|I/O error|corrupt|stuck|Out of memory')


def add_memory(host, config, guest='vm1', append='console=ttyS0 quiet', memory=MEMORY,
               kernel='vmlinuz', initrd=None):
    """As the operator of L0 gives it, and what starts in it"""
    host.qmp.cmd('device_add', driver='shadow-memory', id=f'{guest}-ram', guest=guest,
                 size=memory << 20, kernel=f'{config.images}/{kernel}',
                 initrd=initrd or f'{config.images}/l2.cpio.gz', append=append)


def add_imported(host, guest='vm1', memory=MEMORY, **options):
    """The same without a kernel: the cloud VM starts something"""
    host.qmp.cmd('device_add', driver='shadow-memory', id=f'{guest}-ram', guest=guest,
                 size=memory << 20, **options)


def remove_memory(host, guest='vm1'):
    since = host.qmp.mark()
    host.qmp.cmd('device_del', id=f'{guest}-ram')
    host.qmp.wait_event('DEVICE_DELETED', since, device=f'{guest}-ram')


def fill(console, size):
    """So many MiB of the user VM's memory are not zeros from now on, and are left alone."""
    pages = size << 8
    console.command(f'(measure write {pages} {pages * 100} >/dev/null 2>&1 &)')
    console.command('sleep 5; killall -STOP measure')


class MemoryWork:
    """A program of the user VM that writes to its memory, verifies that, and writes anew,
    as long as it is right"""

    def __init__(self, console):
        self.console = console
        console.command('cat /bin/busybox /bin/busybox /bin/busybox >/tmp/a; '
                        'sum=$(md5sum </tmp/a)')
        console.command('(while cp /tmp/a /tmp/b && [ "$(md5sum </tmp/b)" = "$sum" ]; do '
                        'echo >>/tmp/rounds; done; echo >/tmp/wrong) >/dev/null 2>&1 & :')

    def check(self):
        """It was right each time, and goes on."""
        run = self.console.command
        assert run('test -e /tmp/wrong')[0] == 1
        rounds = int(run('wc -l </tmp/rounds')[1])
        assert run(f'while [ $(wc -l </tmp/rounds) -le {rounds} ]; do sleep 0.1; done')[0] == 0


class PrivateVm(UserVm):
    """launch: what add_memory() is told"""

    def __init__(self, host, guest='vm1', memory=MEMORY, user='root', launch=(), **options):
        super().__init__(host, guest, user=user, private=True, memory=memory, **options)
        self.launch = {'memory': memory, **dict(launch)}

    def give(self):
        super().give()
        add_memory(self.host, self.host.config, self.guest, **self.launch)

    def remove(self):
        remove_memory(self.host, self.guest)
        super().remove()


class ImportedVm(UserVm):
    """One that L1 starts; its memory is private from when its kernel asks for that"""

    def __init__(self, host, guest='vm1', memory=MEMORY, user='root', required=None, **options):
        super().__init__(host, guest, user=user, memory=memory, **options)
        self.memory = {'memory': memory}
        if required is not None:
            self.memory['required'] = required

    def give(self):
        super().give()
        add_imported(self.host, self.guest, **self.memory)

    def remove(self):
        remove_memory(self.host, self.guest)
        super().remove()


def check_nothing_strange(vm):
    """What its kernel has said, and what L0 has refused"""
    said = vm.console.command('dmesg', 2 * LONG)[1]
    bad = [line for line in said.splitlines() if STRANGE.search(line)]
    assert not bad and 'AMD SEV' in said, bad or said
    memory = vm.state()['memory']
    assert memory['refused'] == 0 and vm.state()['protection'] == 'private', vm.state()
