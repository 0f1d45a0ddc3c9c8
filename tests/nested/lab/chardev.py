# SPDX-License-Identifier: GPL-2.0-or-later
"""A plain client of a console's chardev, which docs/user.rst describes, for the tests of that.
Whoever sits at a console has shadow-console, see doors.py; nothing else is to follow a guest.

Positions are counted from the guest's first start on, in each direction. All
input is kept; on a new connection the host's event says how much of it the guest
has been given, the rest is sent again. Output that is already here is dropped.
"""

import re
import select
import socket
import threading

from .console import Console
from .patience import LONG, Patience, WaitTimeout, scaled
from .state import last_line

MOVED = re.compile(rb'\r\n\[shadow-serial [^\]\r\n]*: '
                   rb'(?:moved to another host|went back to a snapshot|'
                   rb'no longer protected from the cloud VM: [^\]\r\n]*|'
                   rb'detached from its virtual machine: [^\]\r\n]*), '
                   rb'input=(\d+) output=(\d+)\]\r\n\Z')
MOVED_START = b'\r\n[shadow-serial '


class ConsoleError(RuntimeError):
    pass


class ChardevClient(Console):
    def __init__(self):
        super().__init__()
        self.base = None            # position of the first byte of output
        self.input = bytearray()    # from self.input_base on
        self.input_base = None
        self.sent = 0               # absolute position of the next byte to send
        self.moved = None           # (input, output) as the last line gave them
        self.farewell = ''          # that line
        self.resent = self.dropped = self.gap = 0
        self._drop = 0
        self._reading = True
        self._socket = None
        self._thread = None
        self._wake_r, self._wake_w = socket.socketpair()

    def describe(self):
        yield f'{self}: connected={self.connected}, {len(self.output)} bytes, ' \
              f'{self.unsent()} unsent, last line: {last_line(self.text(-2000))}'

    # --- connections ---

    def connect_plain(self, address, timeout=LONG):
        """A console without events: a unix path or a (host, port) pair."""
        self._attach(self._open(address, timeout), 0, 0)
        return self

    def connect(self, host, guest='vm1', port=1, timeout=LONG):
        """The shadow console of a guest; picks up where the last connection ended."""
        self.guest, self.port = guest, port
        since = host.qmp.mark()
        connection = self._open(host.console_address(guest, port), timeout)
        try:
            data = host.qmp.wait_event('SHADOW_CONSOLE_CONNECTED', since, timeout,
                                       guest=guest, device=f'{guest}-com{port}')['data']
        except WaitTimeout:
            connection.close()
            raise
        self._attach(connection, data['input-accepted'], data['output-offset'],
                     data['notice'])
        return self

    def go_on(self, host, timeout=LONG):
        """The same console at another host, which may not have it yet."""
        return self.connect(host, self.guest, self.port, timeout)

    def come_back(self, host):
        """The guest was detached from its machine, and has another: its users were sent
        away, and come anew."""
        self.wait_closed()
        return self.go_on(host)

    def follow(self, host, failed, timeout):
        """The guest goes to the host, unless its migration has failed()."""
        while not self.closed_within(1):
            if failed():
                return
        self.go_on(host, timeout)

    def knock(self, host, text):
        """Connect to where the same console is expected, and type: for enter()."""
        early = self._open(host.console_address(self.guest, self.port), LONG)
        early.sendall(text.encode())
        return early, text.encode()

    def enter(self, host, early, since):
        """The console has arrived there; what was typed early waits in the connection."""
        connection, typed = early
        self.wait_closed()
        data = host.qmp.wait_event('SHADOW_CONSOLE_CONNECTED', since, guest=self.guest,
                                   device=f'{self.guest}-com{self.port}')['data']
        self.send(typed)
        self._attach(connection, data['input-accepted'] + len(typed),
                     data['output-offset'], data['notice'])

    def reading(self, on):
        """Whether output is read; while it is not, the other end's close is not seen."""
        self._reading = on
        self._wake_w.send(b'x')

    @staticmethod
    def _open(address, timeout):
        if isinstance(address, tuple):
            return socket.create_connection(address, scaled(timeout))
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(scaled(timeout))
        connection.connect(address)
        return connection

    def _attach(self, connection, accepted, offset, notice=0):
        self.close()
        with self._lock:
            if self.base is None:
                self.base, self.input_base = offset, accepted
                self.sent = accepted
            if not self.input_base <= accepted <= self.input_base + len(self.input):
                raise ConsoleError(f'the host has taken {accepted} bytes of input, '
                                   f'sent were {self.input_base}+{len(self.input)}')
            here = self.base + len(self.output)
            self.resent = max(0, self.sent - accepted)
            self.dropped = max(0, here - offset)
            self.gap = max(0, offset - here)
            self.sent = accepted
            self._drop = notice + self.dropped
            self.moved, self.farewell = None, ''
            self._run(connection)

    def _run(self, connection):
        connection.setblocking(False)
        self._socket = connection
        self._thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
        self._thread.start()

    def _serve(self, connection):
        while self._socket is connection:
            with self._lock:
                start = self.sent - self.input_base
                data = bytes(self.input[start:start + 4096])
            readable, writable, _ = select.select(
                [connection, self._wake_r] if self._reading else [self._wake_r],
                [connection] if data else [], [], 30)
            try:
                if self._wake_r in readable:
                    self._wake_r.recv(4096)
                if connection in readable and not self._receive(connection.recv(65536)):
                    break
                if writable:
                    with self._lock:
                        self.sent += connection.send(data)
            except BlockingIOError:
                pass
            except OSError:
                break
        self._closed(connection)

    def _receive(self, data):
        drop = min(self._drop, len(data))
        self._drop -= drop
        self._came(data[drop:])
        return len(data) > 0

    def _closed(self, connection):
        with self._lock:
            if self._socket is connection:
                if match := MOVED.search(self.output[-256:]):
                    self.moved = tuple(int(group) for group in match.groups())
                    self.farewell = match[0].decode()
                    del self.output[len(self.output) - len(match[0]):]
                connection.close()
                self._socket = None
            self._lock.notify_all()

    def lend(self):
        """The connection itself, for one who measures: nothing is read here meanwhile."""
        thread, connection = self._thread, self._socket
        self._socket = None
        self._wake_w.send(b'x')
        thread.join()
        return connection

    def take_back(self, connection, sent, received):
        """What went over it meanwhile was not for expect(), but counts."""
        with self._lock:
            self._count(sent, received)
            self._run(connection)

    def come_back_after(self, host, sent, received):
        """The same, of what went over a connection that was not this one's."""
        with self._lock:
            self._count(sent, received)
        return self.go_on(host)

    def _count(self, sent, received):
        self.input_base += sent
        self.sent += sent
        self.base += received

    @property
    def connected(self):
        return self._socket is not None

    def wait_closed(self, timeout=LONG):
        patience = Patience(timeout)
        while not self.closed_within(1):
            if patience.over():
                raise patience.error('the console is still connected')

    def closed_within(self, seconds):
        with self._lock:
            return self._lock.wait_for(lambda: self._socket is None, seconds)

    def close(self):
        thread, connection = self._thread, self._socket
        self._socket = None
        self._wake_w.send(b'x')
        if thread:
            thread.join()
        if connection:
            connection.close()

    # --- input and output ---

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        with self._lock:
            self.input += data
        self._wake_w.send(b'x')

    def unsent(self):
        with self._lock:
            return self.input_base + len(self.input) - self.sent

    def end(self):
        """Absolute position after the last byte of output."""
        return self.base + len(self.output)

    def _readable(self):
        """What may be the start of the console's own last line is held back."""
        return self._solid() if self.connected else len(self.output)

    def _solid(self):
        tail = bytes(self.output[-256:])
        start = tail.rfind(MOVED_START)
        if start < 0:
            start = next((len(tail) - n for n in range(len(MOVED_START), 0, -1)
                          if tail.endswith(MOVED_START[:n])), len(tail))
        elif b']\r\n' in tail[start:] and not MOVED.search(tail):
            start = len(tail)
        return len(self.output) - len(tail) + start
