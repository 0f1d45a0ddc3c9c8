# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration in all: a user VM with private memory, and the same with ordinary memory. Both move
to and fro between the same two cloud hosts, idle, with 48 MiB in their memory."""

from lab.pair import Pair
from lab.private import MEMORY, fill

from . import Goal
from ._moving import MovingVm
from ._own import Own
from .private import ORDINARY, PRIVATE

NAME = 'private_migration'
TITLE = 'a migration in all'
UNIT = 'ms'
GOALS = [Goal(PRIVATE, ORDINARY, at_most=1.3)]
ALONE = True
FILLED = 48         # MiB of the user VM's memory


class Bench(Own):
    def start(self, stack):
        self.env.say('starting two cloud hosts')
        pair = stack.enter_context(Pair(self.env.config, memory=1280))
        self.env.say('starting two user VMs')
        self.vms = {name: MovingVm(pair, guest, private=private, memory=MEMORY)
                    for name, private, guest in ((PRIVATE, True, 'vm1'),
                                                 (ORDINARY, False, 'vm2'))}
        for vm in self.vms.values():
            fill(vm.console, FILLED)
            vm.console.close()

    @staticmethod
    def measure(vm):
        return vm.move()['total-time']
