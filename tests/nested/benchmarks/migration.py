# SPDX-License-Identifier: GPL-2.0-or-later
"""The same user VM moved between two cloud hosts, with a shadow console and with an isa-serial"""

import contextlib
import re

from lab.console import ConsoleClient
from lab.pair import Pair

from . import Goal

NAME = 'migration'
TITLE = 'migration'
UNIT = 'ms'
SHADOW, ISA = 'shadow', 'inner isa-serial'
GOALS = [
    Goal(SHADOW, ISA, at_most=1.01, plus=1, figure='total', title='migration, in all'),
    Goal(SHADOW, ISA, at_most=1.01, plus=1, figure='downtime', title='migration, downtime'),
    Goal(SHADOW, ISA, at_most=1, plus=1, figure='console',
         title='migration, the console in the downtime'),
]
# How long the inner QEMU is occupied with each part of a machine's state, in the downtime
TRACE = "-trace 'vmstate_downtime_*'"
SECTION = {SHADOW: 'shadow-agent', ISA: 'serial'}


class MovingVm:
    """An idle user VM, that starts at the first host; nobody is connected."""

    def __init__(self, pair, kind):
        self.hosts = list(pair.hosts)
        self.kind = kind
        self.name = 'plain' if kind == ISA else 'vm1'
        self.options = {'shadow': kind == SHADOW, 'append': 'quiet', 'extra': TRACE}
        if kind == SHADOW:
            pair.add_guest(self.name)
            console = ConsoleClient().connect(self.hosts[0], self.name)
        self.inner = self.hosts[0].start_inner(self.name, **self.options)
        if kind == ISA:
            console = ConsoleClient().connect_plain(self.inner.console_address())
        console.expect('login: ')
        console.close()

    def move(self):
        source, target = self.hosts
        new = target.start_inner(self.name, incoming=True, **self.options)
        self.inner.migrate_start(new.listen())
        info = self.inner.migrate_wait()
        if info['status'] != 'completed':
            raise RuntimeError(f'the migration has {info["status"]}: {info}')
        console = self._part(source, 'save') + self._part(target, 'load')
        self.inner.stop()
        self.inner = new
        self.hosts.reverse()
        return {'total': info['total-time'], 'downtime': info['downtime'], 'console': console}

    def _part(self, host, what):
        """What of the downtime went into the console, at one side"""
        log = host.run(f'cat /tmp/{self.name}.log', check=True)[1]
        return int(re.findall(rf'vmstate_downtime_{what} type=non-iterable '
                              rf'idstr={SECTION[self.kind]} instance_id=0 downtime=(\d+)',
                              log)[-1]) / 1000


class Bench:
    def __init__(self, env):
        self.env = env

    def __enter__(self):
        self.env.say('starting two cloud hosts')
        with contextlib.ExitStack() as stack:
            pair = stack.enter_context(Pair(self.env.config))
            self.env.say('starting a user VM of each kind')
            self.vms = {kind: MovingVm(pair, kind) for kind in (SHADOW, ISA)}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self.env.note('the downtime of one migration and the next differs by more than the goal '
                      'allows; what the console has in it is told by the traces of both inner '
                      'QEMUs, and all else is the same')
        return self._stack.__exit__(*error)

    def series(self):
        return {kind: vm.move for kind, vm in self.vms.items()}
