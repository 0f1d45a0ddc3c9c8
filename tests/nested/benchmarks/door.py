# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM's console through a door, beside the same console through its chardev"""

import random
import statistics

from lab.usage import cpu_seconds

from . import Goal
from ._door import DoorWire, door, door_connection
from ._wire import console_wire
from .echo import END_OF_FILE, keystroke

NAME = 'door'
TITLE = 'console output'
UNIT = 'KiB/s'
DOOR, CHARDEV = 'through a door', 'through the chardev'
GOALS = [
    Goal(DOOR, CHARDEV, at_most=1.1, figure='cpu', unit='s/MiB',
         title="the outer QEMU's CPU time for output through a door"),
    Goal(DOOR, CHARDEV, at_least=0.9, figure='rate', title='console output through a door'),
    Goal(DOOR, CHARDEV, at_most=1.1, figure='echo', unit='ms',
         title='keystroke to echo through a door, of the fastest quarter'),
]
ROUNDS = 11
# What else the machine does only adds to the time: of several pieces, the one that took the least
# says most of the console.
PIECES, BYTES = 5, 128 << 10
KEYS = 60


class Bench:
    def __init__(self, env):
        self.env = env
        self.random = random.Random(1)

    def __enter__(self):
        self.vm, self.host = self.env.shadow(), self.env.host()
        return self

    def __exit__(self, *_):
        pass

    def series(self):
        return {DOOR: self.measure_door, CHARDEV: self.measure_chardev}

    def measure_door(self):
        """With nobody at the chardev, who would have the keyboard"""
        self.vm.console.close()
        with door(self.host, 'vm1', 'vm1-com1') as path, door_connection(path) as connection:
            wire = DoorWire(connection)
            figures = self.measure(wire)
        self.vm.console.come_back_after(self.host, wire.sent, wire.received)
        return figures

    def measure_chardev(self):
        with console_wire(self.vm.console) as wire:
            return self.measure(wire)

    def measure(self, wire):
        pieces = [self.output(wire) for _ in range(PIECES)]
        wire.run('measure echo', b'@READY@')
        wire.settle()
        times = sorted(keystroke(wire, self.random) for _ in range(KEYS))
        wire.send(END_OF_FILE)
        wire.settle()
        rates, spent = zip(*pieces)
        return {'cpu': min(spent) / BYTES * (1 << 20), 'rate': statistics.median(rates),
                'echo': times[KEYS // 4]}

    def output(self, wire):
        """Of a piece: KiB a second between its two marks, and the seconds that it took the outer
        QEMU in all"""
        before = cpu_seconds(self.host)
        (start, first), (end, last) = wire.run(f'measure output {BYTES}', b'@BEGIN@', b'@END@')
        return (last - first) / 1024 / (end - start), cpu_seconds(self.host) - before
