# SPDX-License-Identifier: GPL-2.0-or-later
"""The gdb stub of an inner QEMU, as root of the cloud VM uses it"""

import socket

from .patience import scaled

PORT = 4900
STOPPED = ('S', 'T')


class GdbStub:
    def __init__(self, host, inner):
        inner.qmp.hmp(f'gdbserver tcp:0.0.0.0:{PORT}')
        self._socket = socket.create_connection(('127.0.0.1', host.forward(PORT)))
        self._data = b''

    def ask(self, text):
        """The answer to a packet"""
        self.send(text)
        return self.answer()

    def send(self, text):
        data = text.encode()
        self._socket.sendall(b'$' + data + b'#%02x' % (sum(data) % 256))

    def answer(self):
        self._socket.settimeout(scaled())
        while not self._data.partition(b'#')[2][1:]:
            self._data += self._socket.recv(65536)
        packet, _, rest = self._data.partition(b'#')
        self._data = rest[2:]
        self._socket.sendall(b'+')
        return packet.lstrip(b'+').removeprefix(b'$').decode()

    def close(self):
        self._socket.close()
