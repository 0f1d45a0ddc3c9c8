# SPDX-License-Identifier: GPL-2.0-or-later
"""An exact client of a console: nothing lost or doubled across hosts.

Positions are counted from the guest's first start on, in each direction. All
input is kept; on a new connection the host's event says how much of it the guest
has been given, the rest is sent again. Output that is already here is dropped.
"""

import re
import select
import socket
import threading

from . import state
from .patience import LONG, Moved, Patience, WaitTimeout, scaled

MOVED = re.compile(rb'\r\n\[shadow-serial [^\]\r\n]*: '
                   rb'(?:moved to another host|went back to a snapshot|'
                   rb'no longer protected from the cloud VM: [^\]\r\n]*|'
                   rb'detached from its virtual machine: [^\]\r\n]*), '
                   rb'input=(\d+) output=(\d+)\]\r\n\Z')
MOVED_START = b'\r\n[shadow-serial '


class ConsoleError(RuntimeError):
    pass


class ConsoleClient:
    def __init__(self):
        self.output = bytearray()   # from self.base on
        self.base = None
        self.input = bytearray()    # from self.input_base on
        self.input_base = None
        self.sent = 0               # absolute position of the next byte to send
        self.position = 0           # index in output up to which expect() has read
        self.moved = None           # (input, output) as the last line gave them
        self.farewell = ''          # that line
        self.resent = self.dropped = self.gap = 0
        self._lock = threading.Condition()
        self._number = 0
        self._drop = 0
        self._reading = True
        self.guest = self.port = None
        self._socket = None
        self._thread = None
        self._wake_r, self._wake_w = socket.socketpair()
        state.things.add(self)

    def __str__(self):
        return f'console {self.guest}-com{self.port}'

    def describe(self):
        yield f'{self}: connected={self.connected}, {len(self.output)} bytes, ' \
              f'{self.unsent()} unsent, last line: {state.last_line(self.text(-2000))}'

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
        with self._lock:
            drop = min(self._drop, len(data))
            self._drop -= drop
            self.output += data[drop:]
            Moved.note()
            self._lock.notify_all()
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

    def text(self, start=0):
        with self._lock:
            return self.output[start:].decode(errors='replace')

    def read(self, timeout=1):
        """New output, as it comes, for a reader of lines that end in a bare newline.

        What may be the start of the console's own last line is held back.
        """
        with self._lock:
            self._lock.wait_for(lambda: self._readable() > self.position, timeout)
            end = self._readable()
            data = bytes(self.output[self.position:end])
            self.position = max(end, self.position)
            return data

    def _readable(self):
        return self._solid() if self.connected else len(self.output)

    def read_screen(self, timeout=1):
        """New output for a person: a newline is not held back."""
        with self._lock:
            if self._solid() <= self.position:
                self._lock.wait(timeout)
            tail = bytes(self.output[self._solid():])
            end = len(self.output) if tail in (b'\r', b'\r\n') else self._solid()
            data = bytes(self.output[self.position:end])
            self.position = max(end, self.position)
            return data

    def _solid(self):
        tail = bytes(self.output[-256:])
        start = tail.rfind(MOVED_START)
        if start < 0:
            start = next((len(tail) - n for n in range(len(MOVED_START), 0, -1)
                          if tail.endswith(MOVED_START[:n])), len(tail))
        elif b']\r\n' in tail[start:] and not MOVED.search(tail):
            start = len(tail)
        return len(self.output) - len(tail) + start

    def expect_within(self, pattern, seconds):
        """The match as expect() has it, or None after so many seconds."""
        regex = re.compile(pattern.encode() if isinstance(pattern, str) else pattern)
        with self._lock:
            match = self._lock.wait_for(
                lambda: regex.search(bytes(self.output[self.position:])), seconds)
            if match:
                self.position += match.end()
            return match

    def expect(self, pattern, timeout=LONG):
        """Wait for a regular expression in the output after the last match."""
        patience = Patience(timeout)
        while not patience.over():
            if match := self.expect_within(pattern, 1):
                return match
        tail = bytes(self.output[self.position:][-600:])
        raise patience.error(f'no {pattern!r} on the console, '
                             f'connected={self.connected}: {tail!r}')

    # --- a person at the console ---

    def login(self, user, password, timeout=LONG, prompt=True):
        """From the login prompt, if it has not been read yet, to the shell's; returns what
        the screen showed."""
        start = self.position
        if prompt:
            self.expect(r'login: ', timeout)
        self.send(user + '\r')
        self.expect(r'Password: ', timeout)
        self.send(password + '\r')
        self.expect(r'[$#] ', timeout)
        return self.text(start)

    def command(self, line, timeout=LONG):
        """Run a command at the shell's prompt; its output without the echo."""
        self._number += 1
        # Quoted so that the echo, which may be wrapped, does not match.
        self.send(f'echo "<"{self._number}; {line}; echo "<$?-"{self._number}">"\r')
        match = self.expect(rf'(?s)<{self._number}\r\n(.*?)'
                            rf'<(\d+)-{self._number}>\r\n', timeout)
        self.expect(r'[$#] ', timeout)
        return int(match[2]), match[1].decode(errors='replace').replace('\r\n', '\n')
