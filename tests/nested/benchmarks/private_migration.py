# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration in all: a user VM with private memory, and the same with ordinary memory. Both move
to and fro between the same two cloud hosts, idle, with 48 MiB in their memory."""

import contextlib

from lab.pair import Pair
from lab.private import MEMORY, fill

from . import Goal
from ._moving import MovingVm
from .private import ORDINARY, PRIVATE

NAME = 'private_migration'
TITLE = 'a migration in all'
UNIT = 'ms'
GOALS = [Goal(PRIVATE, ORDINARY, at_most=1.3)]
ALONE = True
FILLED = 48         # MiB of the user VM's memory


class Bench:
    def __init__(self, env):
        self.env = env

    def __enter__(self):
        self.env.say('starting two cloud hosts')
        with contextlib.ExitStack() as stack:
            pair = stack.enter_context(Pair(self.env.config, memory=1280))
            self.env.say('starting two user VMs')
            self.vms = {name: MovingVm(pair, guest, private=private, memory=MEMORY)
                        for name, private, guest in ((PRIVATE, True, 'vm1'),
                                                     (ORDINARY, False, 'vm2'))}
            for vm in self.vms.values():
                fill(vm.console, FILLED)
                vm.console.close()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def series(self):
        return {name: lambda vm=vm: vm.move()['total-time'] for name, vm in self.vms.items()}
