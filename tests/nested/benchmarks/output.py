# SPDX-License-Identifier: GPL-2.0-or-later
"""Console output as its user gets it, and what L1 spends on it."""

from . import Goal
from ._nested import ISA, Nested, OWN, SHADOW
from ._wire import client_rate, shell_wire

NAME = 'output'
TITLE = 'console output, L2 to user'
UNIT = 'KiB/s'
CPU = {'figure': 'cpu', 'title': "L1's CPU time for console output", 'unit': 's/MiB'}
GOALS = [
    Goal(SHADOW, ISA, at_least=80, figure='rate'),
    Goal(SHADOW, OWN, at_least=1, figure='rate'),
    Goal(SHADOW, ISA, at_most=1 / 10, **CPU),
]
# Each takes a second or more.
BYTES = {SHADOW: 1 << 20, OWN: 512 << 10, ISA: 6 << 10}


class Bench(Nested):
    def __enter__(self):
        self.env.note(f'the client here takes {client_rate():,.0f} MiB/s from a program')
        return super().__enter__()

    def series(self):
        return {name: lambda name=name: self.measure(name) for name in (SHADOW, ISA, OWN)}

    def measure(self, name):
        """From the first mark's piece to the last's: what came between, by the user's clock"""
        before = self.l1_seconds()
        with self.wire(name) as wire:
            (start, first), (end, last) = wire.run(f'measure output {BYTES[name]}',
                                                   b'@BEGIN@', b'@END@')
        spent = self.l1_seconds() - before
        return {'rate': (last - first) / 1024 / (end - start),
                'cpu': spent / (last - first) * (1 << 20)}

    def l1_seconds(self):
        """What L1's processors have spent, but in L2; no program is run for that."""
        with shell_wire(self.host) as wire:
            stat = wire.shell('read -r line < /proc/stat; echo "$line"').split()
        user, nice, system, _, _, irq, softirq, _, guest, guest_nice = map(int, stat[1:11])
        return (user - guest + nice - guest_nice + system + irq + softirq) / 100
