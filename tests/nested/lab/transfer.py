# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's side of a long transfer; guest/transfer.c has the format."""

import dataclasses
import re
import threading
import time
import zlib

ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
LINE_LEN = 81
BAUD_RATE = 11520       # bytes a second of a real line with 115200 baud
REPORT = re.compile(rb'TRANSFER REPORT (.*)\r?\n?')


def make_lines(side, seed, count):
    state = seed & 0xffffffff
    for number in range(count):
        text = []
        for _ in range(64):
            state ^= state << 13 & 0xffffffff
            state ^= state >> 17
            state ^= state << 5 & 0xffffffff
            text.append(ALPHABET[state >> 26])
        line = f'{side}{number:05d} {"".join(text)}'
        yield f'{line} {zlib.crc32(line.encode()):08x}\n'.encode()


@dataclasses.dataclass
class Count:
    bytes: int = 0
    lines: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupt: int = 0
    total: str = 'bad'

    def good(self):
        return self.total == 'good' and not (
            self.lost or self.duplicated or self.reordered or self.corrupt)


class Transfer:
    """start(), then anything else, then finish().

    The user sends at the rate of a real line. The last part is held to a trickle
    until release(), so that the transfer is under way for as long as wanted.
    """

    def __init__(self, console, size=200 * 1024, seed=0x5eed1, window=0,
                 rate=BAUD_RATE):
        self.console, self.seed, self.window, self.rate = console, seed, window, rate
        self.count = -(-size // LINE_LEN)
        self.lines = list(make_lines('U', ~seed, self.count))
        self.sent_lines = 0
        self.guest = Count()
        self.user = Count()         # what the guest reports of what the user sent
        self.report = {}
        self._release = threading.Event()
        self._seen = set()
        self._expected = 0
        self._error = None

    def start(self, timeout=60):
        self._started = time.monotonic()
        self.console.send(f'transfer {self.seed} {self.count * LINE_LEN} '
                          f'{self.window}\r')
        self.console.expect(rf'TRANSFER READY {self.count}\r?\n', timeout)
        self._threads = [threading.Thread(target=self._run, args=(f,), daemon=True)
                         for f in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()
        return self

    def _run(self, function):
        try:
            function()
        except Exception as error:      # raised again in finish()
            self._error = error

    @property
    def progress(self):
        """The part that has been done, of both directions the smaller."""
        return min(self.sent_lines, self.guest.lines) / self.count

    def release(self):
        """From now on, as fast as it goes."""
        self._release.set()

    def _send(self):
        crc = 0
        for line in self.lines:
            if not self._release.is_set():
                slow = 10 if self.sent_lines > 0.7 * self.count else 1
                self._release.wait(slow * LINE_LEN / self.rate)
            self.console.send(line)
            crc = zlib.crc32(line, crc)
            self.sent_lines += 1
        self.console.send(f'UEND {self.count} {crc:08x}\n')

    def _receive(self, silence=300):
        expected = list(make_lines('G', self.seed, self.count))
        pending, crc, last = b'', 0, time.monotonic()
        while time.monotonic() - last < silence:
            data = self.console.read(timeout=1)
            if data:
                last = time.monotonic()
            *lines, pending = (pending + data).split(b'\n')
            for line in lines:
                line += b'\n'
                if match := REPORT.match(line):
                    self.report = dict(word.split('=', 1)
                                       for word in match[1].decode().split())
                    return
                if line.startswith(b'GEND '):
                    self.guest.total = 'good' if line == \
                        f'GEND {self.count} {crc:08x}\n'.encode() else 'bad'
                    continue
                crc = zlib.crc32(line, crc)
                self._line(line, expected)
        raise TimeoutError('the transfer has stopped: nothing new from the guest')

    def _line(self, line, expected):
        count = self.guest
        count.lines += 1
        count.bytes += len(line)
        match = re.match(rb'G(\d{5}) ', line)
        number = int(match[1]) if match else -1
        if not 0 <= number < self.count or line != expected[number]:
            count.corrupt += 1
        elif number in self._seen:
            count.duplicated += 1
        else:
            self._seen.add(number)
            if number < self._expected:
                count.reordered += 1
            self._expected = max(self._expected, number + 1)

    def finish(self, timeout=300):
        """Wait for the end of both directions: (from guest, to guest)."""
        self.release()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))
        self.seconds = time.monotonic() - self._started
        self.guest.lost = self.count - len(self._seen)
        if self.report:
            for field in dataclasses.fields(Count):
                value = self.report[field.name]
                setattr(self.user, field.name,
                        value if field.name == 'total' else int(value))
        else:
            self.user.lost = self.count
        if self._error and self.report:
            raise self._error
        return self.guest, self.user
