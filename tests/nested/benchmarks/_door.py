# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's end of a door (docs/door.rst), as one who measures has it."""

import contextlib
import json
import socket
import struct

from lab.patience import scaled
from lab.wire import frame, PAYLOAD_MAX, take_frames

from ._wire import Wire

VERSION = b'\x01'
AT_THE_END, TAKE_FREE = b'e', b't'


class DoorWire(Wire):
    """Has the keyboard, unless it only reads."""

    def __init__(self, connection, reads_only=False):
        super().__init__(connection)
        self._bytes = bytearray()   # of frames, as they came
        self._output = bytearray()  # of the console
        self._lease = self._accepted = self._limit = 0
        self.number = json.loads(self._wait(b'H'))['client']
        self._say(b'H', VERSION + b'bench')
        self._say(b'G', AT_THE_END)
        if not reads_only:
            self._say(b'W', TAKE_FREE)
            text = self._wait(b'W').decode()
            assert self._lease, text

    def _say(self, kind, payload, lease=0, position=0):
        self._connection.settimeout(scaled())
        self._connection.sendall(frame(kind, payload, lease, position))

    def send(self, data):
        while data:
            while self._accepted >= self._limit:
                self._wait(b'A')
            piece = data[:min(PAYLOAD_MAX, self._limit - self._accepted)]
            self._say(b'I', piece, self._lease, self._accepted)
            self._accepted += len(piece)
            self.sent += len(piece)
            data = data[len(piece):]

    def receive(self, timeout):
        self._connection.settimeout(timeout)
        while not self._output:
            self._take(self._connection.recv(1 << 18))
        data, self._output = bytes(self._output), bytearray()
        self.received += len(data)
        return data

    def _wait(self, kind):
        self._connection.settimeout(scaled())
        while True:
            for got, payload in self._take(self._connection.recv(1 << 18)):
                if got == kind:
                    return payload

    def _take(self, data):
        """All frames that are whole"""
        if not data:
            raise ConnectionError('the door has closed')
        self._bytes += data
        frames = []
        for kind, lease, position, payload in take_frames(self._bytes):
            self._heard(kind, payload, lease, position)
            frames.append((kind, payload))
        return frames

    def _heard(self, kind, payload, lease, position):
        if kind == b'O':
            self._output += payload
        elif kind == b'W':
            self._lease, self._accepted = lease, position
        elif kind == b'A':
            _, self._limit, _ = struct.unpack('>QQQ', payload)
        elif kind in (b'E', b'R'):
            raise ConnectionError(payload.decode())


@contextlib.contextmanager
def door(host, guest, device, **options):
    """One at the console, for as long as it is needed: its address"""
    name, path = f'{device}-door', f'{host.dir}/{device}-door'
    host.qmp.cmd('object-add', qom_type='shadow-door', id=name, guest=guest, device=device,
                 addr=f'unix:{path}', **options)
    try:
        yield path
    finally:
        host.qmp.cmd('object-del', id=name)


@contextlib.contextmanager
def door_connection(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(scaled())
        connection.connect(path)
        yield connection
