# SPDX-License-Identifier: GPL-2.0-or-later
"""An exit of an ordinary user VM to the cloud VM's KVM, whose console is a shadow; and of one that has
an isa-serial, with an outer QEMU that was built without the hooks"""

import copy
import re

from lab.plain import PlainVm
from lab.uservm import UserVm

from . import PLAIN_PORT, Env, Goal
from ._own import Own
from ._wire import console_wire
from .hooks import SHADOW, WITHOUT, unhooked

NAME = 'exits'
TITLE = 'an exit of an ordinary user VM (CPUID)'
UNIT = 'ns'
GOALS = [Goal(SHADOW, WITHOUT, at_most=1.02)]
ROUNDS = 7
ALONE = True
COUNT = 20000
RATE = re.compile(r'([\d.]+)$')


class Bench(Own):
    def start(self, stack):
        env = self.env
        env.say('building an emulator without hooks')
        config = copy.copy(env.config)
        config.qemu = unhooked(env)
        env.say('starting two cloud hosts')
        host = stack.enter_context(env.fresh_host(name='shadow'))
        other = stack.enter_context(Env(config, env.say).fresh_host(name='without',
                                                                    serial=[PLAIN_PORT]))
        env.say('starting a user VM on each')
        self.vms = {SHADOW: stack.enter_context(UserVm(host, user='root', chardev=True)),
                    WITHOUT: stack.enter_context(
                        PlainVm(other, serial=f'/dev/{PLAIN_PORT}',
                                address=f'{other.dir}/{PLAIN_PORT}'))}
        for vm in self.vms.values():
            env._login(vm)

    @staticmethod
    def measure(vm):
        with console_wire(vm.console) as wire:
            wire.run(f'measure cpuid {COUNT}', b' ns')
            return float(RATE.search(wire.before.decode())[1])
