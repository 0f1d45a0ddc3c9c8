# SPDX-License-Identifier: GPL-2.0-or-later
"""A keystroke until the guest's kernel has echoed it: what a person who types waits for"""

import random
import time

from . import Goal
from ._nested import ISA, Nested, SHADOW

NAME = 'echo'
TITLE = 'keystroke to echo'
UNIT = 'ms'
GOALS = [
    Goal(SHADOW, ISA, at_most=1 / 2, figure='median', title='keystroke to echo, median'),
    Goal(SHADOW, ISA, at_most=1 / 2, figure='p99', title='keystroke to echo, 99th percentile'),
]
KEYS = 200
GAP = 0.005, 0.025      # seconds, at random: no key in step with a guest's clock tick
END_OF_FILE = b'\x04'   # ends the program


def keystroke(wire, rng):
    """How long it takes, in ms"""
    time.sleep(rng.uniform(*GAP))
    start = time.monotonic()
    wire.send(b'k')
    end, _ = wire.read_until(b'k')
    return (end - start) * 1000


class Bench(Nested):
    def __enter__(self):
        super().__enter__()
        self.random = random.Random(1)
        return self

    def series(self):
        return {name: lambda name=name: self.measure(name) for name in (SHADOW, ISA)}

    def measure(self, name):
        with self.wire(name) as wire:
            wire.run('measure echo', b'@READY@')
            wire.settle()
            times = sorted(keystroke(wire, self.random) for _ in range(KEYS))
            wire.send(END_OF_FILE)
        return {'median': times[KEYS // 2], 'p99': times[KEYS * 99 // 100]}
