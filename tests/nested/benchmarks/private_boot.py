# SPDX-License-Identifier: GPL-2.0-or-later
"""From the start of the inner QEMU to the login prompt: a user VM with private memory, and an
ordinary one, one after the other in the same cloud VM"""

import time

from lab.private import MEMORY, PrivateVm
from lab.usage import cpu_seconds
from lab.uservm import UserVm

from . import Goal
from ._own import Own
from .private import ORDINARY, PRIVATE

NAME = 'private_boot'
TITLE = 'a boot to the login prompt'
UNIT = 's'
GOALS = [Goal(PRIVATE, ORDINARY, at_most=1, figure='time'),
         Goal(PRIVATE, ORDINARY, at_most=1, figure='cpu',
              title="the outer QEMU's CPU time for it")]


class Bench(Own):
    def start(self, stack):
        self.env.say('starting a cloud host')
        self.host = stack.enter_context(self.env.fresh_host(name='private', memory=1280))

    def series(self):
        return {PRIVATE: lambda: self.measure(PrivateVm), ORDINARY: lambda: self.measure(UserVm)}

    def measure(self, kind):
        started, before = time.monotonic(), cpu_seconds(self.host)
        with kind(self.host, user='root', chardev=True, memory=MEMORY) as vm:
            vm.console.expect('login: ')
            return {'time': time.monotonic() - started, 'cpu': cpu_seconds(self.host) - before}
