# SPDX-License-Identifier: GPL-2.0-or-later
"""What a shadow console adds to a migration: its part of each, against all the rest of it

The user VM moves between two cloud hosts. Times of two migrations differ by far more than the
console takes, so its part is told from the rest of the same one: bytes by what goes over the
wire, the time in the downtime by the traces of both inner QEMUs.
"""

import contextlib
import re

import lab
from lab.chardev import ChardevClient
from lab.pair import Pair
from lab.relay import Relay, part_of

from . import Goal
from ._calls import HISTORY

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


class MovingVm:
    """An idle user VM, that starts at the first host, with a full history; nobody is connected."""

    def __init__(self, pair):
        self.hosts = list(pair.hosts)
        self.options = {'append': 'quiet', 'extra': TRACE}
        pair.add_guest(VM)
        console = ChardevClient().connect(self.hosts[0], VM)
        self.inner = self.hosts[0].start_inner(VM, **self.options)
        console.login('root', lab.PASSWORD)
        console.command(f'measure output {HISTORY + 4096}')
        console.close()

    def move(self):
        source, target = self.hosts
        calls = self._calls()
        new = target.start_inner(VM, incoming=True, **self.options)
        with Relay(new.listen()) as relay:
            self.inner.migrate_start(relay.uri)
            info = self.inner.migrate_wait()
            if info['status'] != 'completed':
                raise RuntimeError(f'the migration has {info["status"]}: {info}')
            took = self._downtime(source, 'save') + self._downtime(target, 'load')
            self.inner.stop()
            stream = relay.finish()
        self.inner = new
        self.hosts.reverse()
        size = sum(part_of(stream, name) for name in SECTIONS)
        return {CONSOLE: {'bytes': size, 'calls': self._calls() - calls, 'downtime': took},
                REST: {'bytes': len(stream) + relay.answered - size,
                       'downtime': info['downtime'] - took}}

    def _calls(self):
        return sum(host.guest(VM)['calls'] for host in self.hosts)

    @staticmethod
    def _downtime(host, what):
        """Of the console, at one side, in ms"""
        log = host.run(f'cat /tmp/{VM}.log', check=True)[1]
        return int(re.findall(rf'vmstate_downtime_{what} type=non-iterable '
                              rf'idstr=shadow-agent instance_id=0 downtime=(\d+)',
                              log)[-1]) / 1000


class Bench:
    def __init__(self, env):
        self.env = env
        self.waiting = {}

    def __enter__(self):
        self.env.say('starting two cloud hosts')
        with contextlib.ExitStack() as stack:
            pair = stack.enter_context(Pair(self.env.config))
            self.env.say('starting a user VM')
            self.vm = MovingVm(pair)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def series(self):
        return {name: lambda name=name: self.take(name) for name in (CONSOLE, REST)}

    def take(self, name):
        """One migration gives both."""
        if name not in self.waiting:
            self.waiting = self.vm.move()
        return self.waiting.pop(name)
