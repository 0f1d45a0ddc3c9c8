# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hostile cloud VM that keeps the outer QEMU busy costs its operator and another guest"""

import contextlib
import re
import secrets
import statistics
import time

from lab.uservm import UserVm

from . import Goal
from ._own import Own
from ._wire import console_wire

NAME = 'hostile'
TITLE = 'QMP'
UNIT = 'ms'
IDLE, COMPUTES, CALLS = 'L1 is idle', 'L1 computes', 'L1 calls'
QMP = {'figure': 'qmp', 'title': 'a QMP command'}
PORT = {'figure': 'port', 'title': "another guest's port access", 'unit': 'ns'}
GOALS = [Goal(CALLS, peer, at_most=2, **what) for what in (QMP, PORT) for peer in (IDLE, COMPUTES)]
ALONE = True
COMMANDS, ACCESSES = 200, 20000
WAITS, RUNS = 'hostile-waits', 'hostile-runs'
BUSY = {COMPUTES: 'compute', CALLS: f'call {WAITS} {RUNS}'}


class Bench(Own):
    """Two CPUs of the cloud VM for the two threads, and one for the user VM that looks on"""

    def start(self, stack):
        self.env.say('starting a cloud host with three CPUs')
        self.host = stack.enter_context(self.env.fresh_host(name='hostile', cpus=3))
        self.vm = stack.enter_context(UserVm(self.host, user='root', chardev=True))
        self.env._login(self.vm)
        for guest, waits in ((WAITS, True), (RUNS, False)):
            self.host.add_guest(guest, secrets.token_bytes(32), incoming=waits)

    def series(self):
        return {name: lambda name=name: self.measure(name) for name in (IDLE, COMPUTES, CALLS)}

    def measure(self, name):
        with self.busy(BUSY.get(name)):
            return {'qmp': self.qmp(), 'port': self.port()}

    @contextlib.contextmanager
    def busy(self, what):
        if not what:
            yield
            return
        self.host.run(f'measure-hostile {what} >/tmp/hostile 2>&1 &', check=True)
        time.sleep(1)
        try:
            yield
        finally:
            said = self.host.run('killall measure-hostile; sleep 1; cat /tmp/hostile',
                                 check=True)[1]
        if what != BUSY[COMPUTES]:
            self.check(said)

    def check(self, said):
        """It is to be measured, so it must have done what it does."""
        *kinds, length = said.split()
        counts = [int(kind.split(':')[0]) for kind in kinds]
        assert len(counts) == 3 and min(counts) > 10, said
        self.env.note(f'calls of L1: {counts[0]} of each kind in one round; envelopes of '
                      f'{int(length):,} bytes')

    def qmp(self):
        """The median of what commands take that do nothing"""
        took = []
        for _ in range(COMMANDS):
            started = time.monotonic()
            self.host.qmp.cmd('query-status')
            took.append(time.monotonic() - started)
        return statistics.median(took) * 1e3

    def port(self):
        with console_wire(self.vm.console) as wire:
            wire.run(f'measure-cost port 0x3ff {ACCESSES}', b' ns')
            return float(re.search(rb'([\d.]+)$', wire.before)[1])
