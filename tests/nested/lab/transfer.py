# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's side of a long transfer; guest/transfer.c has the format."""

import dataclasses
import math
import queue
import re
import threading
import time
import zlib

from .patience import LONG, Patience

ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
LINE_LEN = 81
BAUD_RATE = 11520       # bytes a second of a real line with 115200 baud
ENDLESS = 9_999_999 * LINE_LEN      # the numbers have seven digits
REPORT = re.compile(rb'TRANSFER REPORT (.*)\r?\n?')
SYNC = re.compile(rb'GSYNC (\d+) ([0-9a-f]{8}) (.*)\n')
GEND = re.compile(rb'GEND (\d+) ([0-9a-f]{8})\n')


def make_lines(side, seed, count):
    state = seed & 0xffffffff
    for number in range(count):
        text = []
        for _ in range(62):
            state ^= state << 13 & 0xffffffff
            state ^= state >> 17
            state ^= state << 5 & 0xffffffff
            text.append(ALPHABET[state >> 26])
        line = f'{side}{number:07d} {"".join(text)}'
        yield f'{line} {zlib.crc32(line.encode()):08x}\n'.encode()


class Lines:
    """All lines of one side, each made when it is first needed."""

    def __init__(self, side, seed, count):
        self._made, self._rest = [], make_lines(side, seed, count)

    def __getitem__(self, number):
        while number >= len(self._made):
            self._made.append(next(self._rest))
        return self._made[number]


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

    def read(self, words):
        """From the words of the guest's report."""
        for field in dataclasses.fields(self):
            value = words[field.name]
            setattr(self, field.name, value if field.name == 'total' else int(value))
        return self


def report_words(text):
    return dict(word.split('=', 1) for word in text.decode().split())


class Transfer:
    """start(), then anything else, then finish().

    The user sends at the rate of a real line; with a window, neither side sends more
    than so many lines more than it has received. The last part is held to a trickle
    until release(), and the very last line is held back until then, so that the transfer is
    under way for as long as wanted. One of the size ENDLESS goes on until stop().
    """

    def __init__(self, console, size=200 * 1024, seed=0x5eed1, window=0,
                 rate=BAUD_RATE):
        self.console, self.seed, self.window, self.rate = console, seed, window, rate
        self.count = -(-size // LINE_LEN)
        self.lines = Lines('U', ~seed, self.count)
        self.sent_lines = 0
        self.guest = Count()
        self.user = Count()         # what the guest reports of what the user sent
        self.report = {}
        self.strange = []           # the first lines that are not as they should be
        self._release = threading.Event()
        self._stop = threading.Event()
        self._ask = threading.Event()
        self._answer = queue.Queue()
        self._seen = set()
        self._expected = 0
        self._crc = 0               # of what came from the guest
        self._ended = False         # the guest has said so
        self._error = None

    def start(self, timeout=LONG):
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
        except Exception as error:      # raised again in finish() and sync()
            self._error = error

    @property
    def progress(self):
        """The part that has been done, of both directions the smaller."""
        return min(self.sent_lines, self.guest.lines) / self.count

    def release(self):
        """From now on, as fast as it goes."""
        self._release.set()

    def stop(self):
        """The next line is the last one; finish() then waits for the guest's."""
        self._stop.set()

    def sync(self, timeout=2 * LONG):
        """Compare all that was sent so far, in the midst: (from guest, to guest)."""
        self._ask.set()
        patience = Patience(timeout)
        while True:
            try:
                return self._answer.get(timeout=1)
            except queue.Empty:
                if self._error:
                    raise self._error
                if patience.over():
                    raise patience.error('the guest does not say what it has received') \
                        from None

    def _send(self):
        crc = 0
        while self.sent_lines < self.count and not self._stop.is_set():
            if self._ask.is_set():
                self._ask.clear()
                self.console.send(f'USYNC {self.sent_lines} {crc:08x}\n')
            if self.window and self.sent_lines >= self.guest.lines + self.window:
                time.sleep(0.01)
                continue
            if self.sent_lines == self.count - 1 and not self._release.is_set():
                self._release.wait(0.1)
                continue
            if not self._release.is_set():
                slow = 10 if self.sent_lines > 0.7 * self.count else 1
                self._release.wait(slow * LINE_LEN / self.rate)
            line = self.lines[self.sent_lines]
            self.console.send(line)
            crc = zlib.crc32(line, crc)
            self.sent_lines += 1
        self.console.send(f'UEND {self.sent_lines} {crc:08x}\n')

    def _receive(self, silence=2 * LONG):
        expected = Lines('G', self.seed, self.count)
        pending, patience = b'', Patience(silence, moving=math.inf)
        while not patience.over(len(self.console.output)):
            data = self.console.read(timeout=1)
            *lines, pending = (pending + data).split(b'\n')
            for line in lines:
                line += b'\n'
                if match := REPORT.match(line):
                    self.report = report_words(match[1])
                    return
                if match := GEND.fullmatch(line):
                    self._total(match)
                    self._ended = True
                elif match := SYNC.fullmatch(line):
                    self._total(match)
                    self._answer.put((dataclasses.replace(self.guest),
                                      Count().read(report_words(match[3]))))
                else:
                    self._line(line, expected)
        raise patience.error('the transfer has stopped: nothing new from the guest')

    def _total(self, match):
        """What the guest has sent so far, as it says."""
        sent, crc = int(match[1]), int(match[2], 16)
        self.guest.lost = sent - len(self._seen)
        self.guest.total = 'good' if (sent, crc) == (self.guest.lines, self._crc) \
            else 'bad'

    def _line(self, line, expected):
        count = self.guest
        count.lines += 1
        count.bytes += len(line)
        self._crc = zlib.crc32(line, self._crc)
        match = re.match(rb'G(\d{7}) ', line)
        number = int(match[1]) if match else -1
        if not 0 <= number < self.count or line != expected[number]:
            count.corrupt += 1
            if len(self.strange) < 8:
                self.strange.append(line[:200])
        elif number in self._seen:
            count.duplicated += 1
        else:
            self._seen.add(number)
            if number < self._expected:
                count.reordered += 1
            self._expected = max(self._expected, number + 1)

    def finish(self, timeout=3 * LONG):
        """Wait for the end of both directions: (from guest, to guest)."""
        self.release()
        patience = Patience(timeout)
        while any(thread.is_alive() for thread in self._threads) and not patience.over():
            for thread in self._threads:
                thread.join(0.1)
        self.seconds = time.monotonic() - self._started
        if not self._ended:
            self.guest.lost = self.count - len(self._seen)
            self.guest.total = 'bad'
        if self.report:
            self.user.read(self.report)
        else:
            self.user.lost = self.count
        if self._error and self.report:
            raise self._error
        return self.guest, self.user
