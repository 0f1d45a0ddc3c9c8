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
from ._own import Own
from ._together import together

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


class Bench(Own):
    def start(self, stack):
        self.env.say('starting two cloud hosts')
        pair = stack.enter_context(Pair(self.env.config))
        self.env.say('starting a user VM')
        self.vm = MovingConsole(pair)

    def series(self):
        """One migration gives both."""
        return together((CONSOLE, REST), self.vm.measure)
