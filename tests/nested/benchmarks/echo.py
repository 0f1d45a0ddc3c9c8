# SPDX-License-Identifier: GPL-2.0-or-later
"""A keystroke until the guest's kernel has echoed it: what a person who types waits for"""

import random
import socket
import time

from . import Goal
from ._nested import ISA, Nested, SHADOW
from ._wire import Wire

NAME = 'echo'
TITLE = 'keystroke to echo'
UNIT = 'ms'
GOALS = [
    Goal(SHADOW, ISA, at_most=1 / 2, figure='median', title='keystroke to echo, median'),
    Goal(SHADOW, ISA, at_most=1 / 2, figure='p99', title='keystroke to echo, 99th percentile'),
]
KEYS = 200
GAP = 0.005, 0.025      # seconds, at random: no key in step with a guest's clock tick
PORT = 4990             # of the cloud VM
END_OF_FILE = b'\x04'   # ends the program


class Bench(Nested):
    def __enter__(self):
        super().__enter__()
        self.random = random.Random(1)
        self.env.note(f'of the isa-serial, {self.network():.2g} ms (median) are a round trip over '
                      "L1's network, by which its user gets there")
        return self

    def network(self):
        """A byte to a program in L1 and back, in ms"""
        self.host.run(f'nc -l -p {PORT} -e cat >/dev/null 2>&1 & usleep 300000')
        with socket.create_connection(('127.0.0.1', self.host.forward(PORT))) as connection:
            wire = Wire(connection)
            times = sorted(self.keystroke(wire) for _ in range(KEYS))
        return times[KEYS // 2]

    def series(self):
        return {name: lambda name=name: self.measure(name) for name in (SHADOW, ISA)}

    def measure(self, name):
        with self.wire(name) as wire:
            wire.run('measure echo', b'@READY@')
            wire.settle()
            times = sorted(self.keystroke(wire) for _ in range(KEYS))
            wire.send(END_OF_FILE)
        return {'median': times[KEYS // 2], 'p99': times[KEYS * 99 // 100]}

    def keystroke(self, wire):
        time.sleep(self.random.uniform(*GAP))
        start = time.monotonic()
        wire.send(b'k')
        end, _ = wire.read_until(b'k')
        return (end - start) * 1000
