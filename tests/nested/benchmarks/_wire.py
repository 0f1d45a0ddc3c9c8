# SPDX-License-Identifier: GPL-2.0-or-later
"""A console's connection as one who measures has it: no thread, no copies, a clock."""

import contextlib
import socket
import subprocess
import time

import lab
from lab.patience import Patience, scaled

QUIET = 0.1         # seconds without output, after which a console has nothing more to say


class Wire:
    def __init__(self, connection, enter=b'\r'):
        self._connection, self._enter = connection, enter
        self.sent = self.received = 0
        self.before = b''           # what came before the last mark
        self._data = bytearray()    # and after it

    def send(self, data):
        self._connection.settimeout(scaled())
        self._connection.sendall(data)
        self.sent += len(data)

    def receive(self, timeout):
        self._connection.settimeout(timeout)
        data = self._connection.recv(1 << 18)
        if not data:
            raise ConnectionError('the console has ended')
        self.received += len(data)
        return data

    def read_until(self, mark, timeout=lab.LONG):
        """When the mark's end had come, and how much had by then come in all."""
        patience = Patience(timeout)
        seen = 0
        while (at := self._data.find(mark, seen)) < 0:
            seen = max(0, len(self._data) - len(mark) + 1)
            if patience.over(self.received):
                raise patience.error(f'no {mark!r}: {bytes(self._data[-500:])!r}')
            with contextlib.suppress(TimeoutError):
                self._data += self.receive(1)
        when = time.monotonic()
        self.before = bytes(self._data[:at])
        del self._data[:at + len(mark)]
        return when, self.received

    def settle(self, seconds=QUIET):
        """Wait until nothing comes any more."""
        self._data.clear()
        with contextlib.suppress(TimeoutError):
            while True:
                self.receive(seconds)

    def run(self, line, *marks):
        """Of a shell's command that prints marks: when each came, and after how much."""
        self.settle()
        self.send(line.encode() + self._enter)
        return [self.read_until(mark) for mark in marks]

    def shell(self, line):
        """Output, short, of a command that no terminal echoes"""
        self.send(f'{line}; echo @DONE@\n'.encode())
        self.read_until(b'@DONE@')
        return self.before.decode()


def client_rate(size=64 << 20):
    """MiB/s that a Wire takes from a program which only writes: what it can measure"""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = subprocess.Popen(['sh', '-c', f'echo @BEGIN@; head -c {size} /dev/zero; '
                                   'echo @END@'], stdout=theirs)
        wire = Wire(ours)
        (start, first), (end, last) = [wire.read_until(mark) for mark in (b'@BEGIN@', b'@END@')]
        writer.wait()
    return (last - first) / (end - start) / (1 << 20)


@contextlib.contextmanager
def console_wire(console):
    """Of a ChardevClient"""
    connection = console.lend()
    wire = Wire(connection)
    try:
        yield wire
        wire.settle()
    finally:
        console.take_back(connection, wire.sent, wire.received)


@contextlib.contextmanager
def shell_wire(host):
    """Of the root shell, on a serial port of the cloud VM, which is raw"""
    with host.shell.lent() as connection:
        wire = Wire(connection, b'\n')
        yield wire
        wire.settle()
