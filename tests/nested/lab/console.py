# SPDX-License-Identifier: GPL-2.0-or-later
"""A person or a program at a console: what comes is kept, and looked through."""

import itertools
import re
import threading

from . import state
from .patience import LONG, Moved, Patience


class Console:
    """What the two clients share: DoorClient, which is shadow-console, and ChardevClient."""

    _numbers = itertools.count(1)       # no two commands have one

    def __init__(self):
        self.output = bytearray()
        self.position = 0           # index in output up to which expect() has read
        self._lock = threading.Condition()
        self.guest, self.port = 'vm1', 1
        state.things.add(self)

    def __str__(self):
        return f'console {self.guest}-com{self.port}'

    def _came(self, data):
        with self._lock:
            self.output += data
            Moved.note()
            self._lock.notify_all()

    def text(self, start=0):
        with self._lock:
            return self.output[start:].decode(errors='replace')

    def read(self, timeout=1):
        """New output, as it comes."""
        with self._lock:
            self._lock.wait_for(lambda: self._readable() > self.position, timeout)
            end = self._readable()
            data = bytes(self.output[self.position:end])
            self.position = max(end, self.position)
            return data

    def _readable(self):
        return len(self.output)

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
        number = next(self._numbers)
        # Quoted so that the echo, which may be wrapped, does not match.
        self.send(f'echo "<"{number}; {line}; echo "<$?-"{number}">"\r')
        match = self.expect(rf'(?s)<{number}\r\n(.*?)'
                            rf'<(\d+)-{number}>\r\n', timeout)
        self.expect(r'[$#] ', timeout)
        return int(match[2]), match[1].decode(errors='replace').replace('\r\n', '\n')
