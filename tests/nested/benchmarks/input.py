# SPDX-License-Identifier: GPL-2.0-or-later
"""Console input, from its user to a program in the guest that reads it"""

import time

from . import Goal
from ._nested import ISA, Nested, SHADOW

NAME = 'input'
TITLE = 'console input, user to L2'
UNIT = 'KiB/s'
GOALS = [Goal(SHADOW, ISA, at_least=10)]
# Each takes a second or more.
BYTES = {SHADOW: 256 << 10, ISA: 3 << 10}


class Bench(Nested):
    def series(self):
        return {name: lambda name=name: self.measure(name) for name in (SHADOW, ISA)}

    def measure(self, name):
        """From the first byte sent until the user is told that the last was read"""
        with self.wire(name) as wire:
            wire.run(f'measure input {BYTES[name]}', b'@READY@')
            wire.settle()
            start = time.monotonic()
            wire.send(b'x' * BYTES[name])
            end, _ = wire.read_until(b'@DONE@')
        return BYTES[name] / 1024 / (end - start)
