# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM with private memory and registers, beside an ordinary one in the same cloud VM: both
with a shadow console, the same kernel, as much memory, and a virtio disk"""

import re

from lab.private import MEMORY, PrivateVm, disk
from lab.uservm import UserVm

from . import Goal
from ._own import Own
from ._wire import console_wire

NAME = 'private'
TITLE = 'private memory'
UNIT = 'ns'
PRIVATE, ORDINARY = 'private', 'an ordinary user VM'
GOALS = [
    Goal(PRIVATE, ORDINARY, at_most=1.02, figure='loop', title='a step of a loop in L2'),
    Goal(PRIVATE, ORDINARY, at_most=1.3, figure='exit', title='an exit to L1 (CPUID)'),
    Goal(PRIVATE, ORDINARY, at_most=1.1, figure='port',
         title='an access to a port of the shadow console'),
    Goal(PRIVATE, ORDINARY, at_most=1.5, figure='read', title='a KiB from a virtio disk'),
]
# What one round asks of each
MEASURE = {'loop': 'loop 25000000', 'exit': 'cpuid 10000', 'port': 'access 0x3ff 1000000',
           'read': 'read /dev/vda'}
ROUNDS = 7
DISK = 16           # MiB
RATE = re.compile(r'([\d.]+)$')


class Bench(Own):
    def start(self, stack):
        self.env.say('starting a cloud host')
        host = stack.enter_context(self.env.fresh_host(name='private', memory=1280))
        host.run(f'dd if=/dev/zero of=/tmp/disk bs=1M count={DISK}', check=True)
        self.env.say('starting two user VMs')
        self.vms = {name: stack.enter_context(kind(
            host, guest, user='root', chardev=True, memory=MEMORY,
            extra=disk('/tmp/disk', 'format=raw,read-only=on')))
            for name, kind, guest in ((PRIVATE, PrivateVm, 'vm1'), (ORDINARY, UserVm, 'vm2'))}
        for vm in self.vms.values():
            vm.login()
            assert vm.console.command('l2-load')[0] == 0

    @staticmethod
    def measure(vm):
        figures = {}
        with console_wire(vm.console) as wire:
            for name, what in MEASURE.items():
                wire.run(f'measure {what}', b' ns')
                figures[name] = float(RATE.search(wire.before.decode())[1])
        return figures
