# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of a door who keep to no rule, but take nothing over that somebody has"""

import contextlib
import random
import socket
import struct
import threading

from .wire import frame, take_frames

FRAMES = 100        # at most, of one connection


class Enemy(threading.Thread):
    def __init__(self, path, seed, connections):
        super().__init__(daemon=True)
        self.path, self.connections = path, connections
        self.random = random.Random(seed)
        self.answers = {}           # how many frames of each kind came
        self.lease = self.position = 0
        self.granted = 0

    def run(self):
        for _ in range(self.connections):
            with socket.socket(socket.AF_UNIX) as door, contextlib.suppress(OSError):
                door.settimeout(0.2)
                door.connect(self.path)
                self.talk(door)

    def talk(self, door):
        pick = self.random.random
        if pick() < 0.1:
            return
        door.sendall(frame(b'H', b'\x01enemy'))
        data = bytearray()
        for _ in range(self.random.randrange(FRAMES)):
            if pick() < 0.3:
                with contextlib.suppress(TimeoutError):
                    data += door.recv(self.random.choice([1, 100, 65536]))
                self.listen(data)
            else:
                self.random.choice([self.type, self.type, self.begin, self.take, self.ping,
                                    self.half, self.noise])(door)

    def listen(self, data):
        for kind, lease, position, _ in take_frames(data):
            self.answers[kind] = self.answers.get(kind, 0) + 1
            if kind in (b'W', b'A', b'R'):
                self.lease, self.position = lease, position
                self.granted += kind == b'W' and lease != 0

    def type(self, door):
        where = max(0, self.position + self.random.choice([0, 0, -3, 5]))
        lease = self.random.choice([self.lease, 1, self.random.randrange(1 << 32)])
        if self.random.random() < 0.3:
            door.sendall(frame(b'B', struct.pack('>Q', self.random.randrange(4)), lease, where))
        else:
            door.sendall(frame(b'I', b'\x03' * self.random.randrange(1, 2000), lease, where))

    def begin(self, door):
        mode = self.random.choice([b'l', b'f', b'b', b'e', b'n', b'p' + bytes(16)])
        door.sendall(frame(b'G', mode, 0, 1000 if mode[:1] in b'pl' else 0))

    def take(self, door):
        door.sendall(frame(b'W', self.random.choice(b'trx').to_bytes(1, 'big')))

    def ping(self, door):
        door.sendall(frame(b'P', bytes(self.random.randrange(64))))

    def half(self, door):
        door.sendall(frame(b'I', bytes(100), self.lease, self.position)[:50])

    def noise(self, door):
        if self.random.random() < 0.2:
            door.sendall(self.random.randbytes(self.random.randrange(40)))
        elif self.random.random() < 0.1:
            door.shutdown(self.random.choice([socket.SHUT_RD, socket.SHUT_WR]))
