# SPDX-License-Identifier: GPL-2.0-or-later
"""What a shadow console adds to a migration: its part of each, against all the rest of it

The user VM moves between two cloud hosts. Times of two migrations differ by far more than the
console takes, so its part is told from the rest of the same one: bytes by what goes over the
wire, the time in the downtime by the traces of both inner QEMUs.
"""

import contextlib
import re

from lab.pair import Pair
from lab.relay import Relay, part_of

from . import Goal
from ._calls import HISTORY
from ._moving import MovingVm

NAME = 'migration'
TITLE = 'migration'
UNIT = 'bytes'
CONSOLE, REST = 'its console', 'all the rest'
GOALS = [
    Goal(CONSOLE, REST, at_most=1 / 100, figure='bytes', title='bytes of a migration'),
    Goal(CONSOLE, limit=30, figure='calls', title='ultracalls of a migration, at both hosts',
         unit='calls'),
    Goal(CONSOLE, REST, at_most=1 / 100, figure='downtime', title='downtime of a migration',
         unit='ms'),
]
SECTIONS = ['shadow-agent-history', 'shadow-agent']
# How long the inner QEMU is occupied with each part of a machine's state, in the downtime
TRACE = "-trace 'vmstate_downtime_*'"
VM = 'vm1'


class MovingConsole(MovingVm):
    """An idle user VM, that starts at the first host, with a full history; nobody is connected."""

    def __init__(self, pair):
        super().__init__(pair, VM, extra=TRACE)
        self.console.command(f'measure output {HISTORY + 4096}')
        self.console.close()

    def measure(self):
        source, target = self.hosts
        calls = self._calls()
        with contextlib.ExitStack() as stack:
            relays = []

            def through(uri):
                relays.append(stack.enter_context(Relay(uri)))
                return relays[0].uri
            info = self.move(through)
            relay, = relays
            stream = relay.finish()
        took = self._downtime(source, 'save') + self._downtime(target, 'load')
        size = sum(part_of(stream, name) for name in SECTIONS)
        return {CONSOLE: {'bytes': size, 'calls': self._calls() - calls, 'downtime': took},
                REST: {'bytes': len(stream) + relay.answered - size,
                       'downtime': info['downtime'] - took}}

    def _calls(self):
        return sum(host.guest(VM)['calls'] for host in self.hosts)

    def _downtime(self, host, what):
        """Of the console, at one side, in ms"""
        return int(re.findall(rf'vmstate_downtime_{what} type=non-iterable '
                              rf'idstr=shadow-agent instance_id=0 downtime=(\d+)',
                              self.log(host))[-1]) / 1000


class Bench:
    def __init__(self, env):
        self.env = env
        self.waiting = {}

    def __enter__(self):
        self.env.say('starting two cloud hosts')
        with contextlib.ExitStack() as stack:
            pair = stack.enter_context(Pair(self.env.config))
            self.env.say('starting a user VM')
            self.vm = MovingConsole(pair)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def series(self):
        return {name: lambda name=name: self.take(name) for name in (CONSOLE, REST)}

    def take(self, name):
        """One migration gives both."""
        if name not in self.waiting:
            self.waiting = self.vm.measure()
        return self.waiting.pop(name)
