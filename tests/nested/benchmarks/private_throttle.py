# SPDX-License-Identifier: GPL-2.0-or-later
"""What throttling is worth: a user VM writes to 1,000 pages of its private memory a second, and moves
over a link that takes fewer; whoever manages it loses patience after a while, and pauses it"""

import contextlib
import re
import time

from lab.pair import Pair
from lab.private import MEMORY
from lab.relay import Slow

from . import Goal
from ._moving import MovingVm
from ._own import Own
from ._together import together

NAME = 'private_throttle'
TITLE = 'downtime of a user VM that writes to 1,000 pages a second'
UNIT = 'ms'
THROTTLED, FREE, BOUND = 'throttled', 'throttle=off', 'what can be sent meanwhile'
GOALS = [Goal(THROTTLED, FREE, at_most=1 / 3, figure='downtime'),
         Goal(THROTTLED, BOUND, at_most=1, figure='rest', always=True, unit='pages',
              title='private pages that are left when it stops')]
ALONE = True
RATE, PAGES = 1000, 2048            # of the writer
LINK = 3 << 20                      # bytes a second
FAST = 36 << 20                     # bytes before that: not all of the first round
PATIENCE = 60                       # seconds
VM = 'vm1'
AGENT = '/machine/peripheral/agent'
STOPPED = re.compile(r'shadow_agent_throttle_stopped \S+ (\d+) pages are left, (\d+) can')


class Bench(Own):
    def start(self, stack):
        self.env.say('starting two cloud hosts')
        pair = stack.enter_context(Pair(self.env.config, memory=768))
        for host in pair.hosts:
            # What waits in a socket has left, for QEMU.
            host.run('echo 4096 65536 65536 >/proc/sys/net/ipv4/tcp_wmem', check=True)
        self.env.say('starting a user VM with private memory')
        self.vm = MovingVm(pair, VM, private=True, memory=MEMORY, agent='shadow-agent,id=agent',
                           extra="-trace 'shadow_agent_throttle_*'")
        self.vm.console.command(f'(measure write {PAGES} {RATE} >/dev/null 2>&1 &)')
        self.vm.console.close()

    def series(self):
        return {**together((THROTTLED, BOUND), self.throttled), FREE: lambda: self.measure('off')}

    def throttled(self):
        """One migration tells what was left, and how much it could have been."""
        took = self.measure('auto')
        return {THROTTLED: took, BOUND: {'rest': took['bound']}}

    def measure(self, throttle):
        source, inner = self.vm.hosts[0], self.vm.inner
        inner.qmp.cmd('qom-set', path=AGENT, property='throttle', value=throttle)
        with contextlib.ExitStack() as stack:
            def through(uri):
                self.relay = stack.enter_context(Slow(uri, LINK, FAST))
                return self.relay.uri
            with self.vm.moving(through) as new:
                if self.manage(inner, new) and throttle == 'auto':
                    self.env.note('a throttled user VM was paused, too')
        rest, bound = map(int, STOPPED.findall(self.vm.log(source))[-1])
        took = when(new, 'RESUME') - when(inner, 'STOP')
        return {'downtime': took * 1e3, 'rest': rest, 'bound': bound}

    def manage(self, inner, new):
        """Returns whether it had to be paused."""
        paused = False
        while not inner.migration_ended():
            inner.qmp.wait_change(0.2)
            since = self.relay.slow_since
            if not paused and since and time.monotonic() > since + PATIENCE:
                inner.qmp.cmd('stop')
                paused = True
        if paused:
            new.qmp.cmd('cont')
        return paused


def when(inner, event):
    """It has last come"""
    return [stamp for stamp, found in inner.qmp.events if found['event'] == event][-1]
