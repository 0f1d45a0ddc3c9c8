# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes from one inner QEMU to the other in a migration, for one who counts it."""

import contextlib
import itertools
import re
import socket
import struct
import threading
import time

# QEMU's migration/savevm.h: the start of a section with a name, and of one that has no parts
SECTION = rb'[\x01\x04].{4}%c%s\0{4}.{4}'
FOOTER = 5      # bytes after a section


class Relay:
    """Between a migration's two ends, once. A context manager; uri is for the source."""

    def __init__(self, uri):
        self._target = int(uri.rpartition(':')[2])
        self._server = socket.create_server(('127.0.0.1', 0))
        self.uri = f'tcp:10.0.2.2:{self._server.getsockname()[1]}'
        self.stream = bytearray()       # to the destination
        self.answered = 0               # bytes of the return path
        self._ends = ()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.close()

    def finish(self):
        """Both ends have gone: all of the stream"""
        self._thread.join()
        return bytes(self.stream)

    def _run(self):
        source, _ = self._server.accept()
        target = socket.create_connection(('127.0.0.1', self._target))
        with source, target:
            self._ends = source, target
            back = threading.Thread(target=self._answers, args=(target, source), daemon=True)
            back.start()
            self._carry(source, target, self._sent)
            back.join()

    def _sent(self, data):
        """What goes to the destination for it"""
        self.stream += data
        return data

    def _answers(self, target, source):
        def count(data):
            self.answered += len(data)
            return data
        self._carry(target, source, count)

    @staticmethod
    def _carry(source, target, forward):
        try:
            while data := source.recv(1 << 16):
                target.sendall(forward(data))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass        # one end has gone; the migration's outcome tells


class Slow(Relay):
    """As a Relay, but that a slow link is between, after so many bytes. Little has room in it."""

    ROOM = 1 << 16
    SEGMENT = 1400

    def __init__(self, uri, rate, after=0):
        super().__init__(uri)
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.ROOM)
        self._server.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, self.SEGMENT)
        self._rate, self._after = rate, after
        self._sent_bytes = 0
        self.slow_since, self._free_at = None, 0

    def _sent(self, data):
        self._sent_bytes += len(data)
        if self._sent_bytes > self._after:
            if self.slow_since is None:
                self.slow_since = self._free_at = time.monotonic()
            # What was not used is lost, as on a link.
            self._free_at = max(self._free_at, time.monotonic()) + len(data) / self._rate
            time.sleep(max(0, self._free_at - time.monotonic()))
        return data


class Break(Relay):
    """As a Relay, until it is cut. Of what the source sends nothing more arrives from the piece on in
    which a word is there so many times; 0: only when it is cut."""

    def __init__(self, uri, word, times=1):
        super().__init__(uri)
        self._word, self._left = word, times or float('inf')
        self.held, self._over = threading.Event(), threading.Event()

    def _sent(self, data):
        looked_at = max(len(self.stream) - len(self._word) + 1, 0)
        super()._sent(data)
        self._left -= self.stream.count(self._word, looked_at)
        if self._left <= 0:
            self.held.set()
            self._over.wait()
            raise ConnectionAbortedError
        return data

    def cut(self):
        self._over.set()
        for end in self._ends:
            with contextlib.suppress(OSError):      # it has gone already
                end.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *error):
        self.cut()
        super().__exit__(*error)


class Flip(Relay):
    """As a Relay, but for one bit, some way behind the third time that a word is there"""

    BEHIND = 1000

    def __init__(self, uri, word):
        super().__init__(uri)
        self._word = word

    def _sent(self, data):
        at = len(self.stream)
        super()._sent(data)
        found = [m.start() for m in itertools.islice(re.finditer(self._word, self.stream), 3)]
        place = found[2] + self.BEHIND - at if len(found) == 3 else -1
        if not 0 <= place < len(data):
            return data
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1:]


def part_of(stream, name):
    """Bytes of the section that starts with its length (32 bits), header and footer and all"""
    found = list(re.finditer(SECTION % (len(name), name.encode()), stream, re.DOTALL))
    if len(found) != 1:
        raise ValueError(f'{len(found)} sections {name} in {len(stream)} bytes')
    end = found[0].end()
    length, = struct.unpack_from('>I', stream, end)
    if end + 4 + length + FOOTER > len(stream) or stream[end + 4 + length] != 0x7e:
        raise ValueError(f'{name} does not end after {length} bytes')
    return end - found[0].start() + 4 + length + FOOTER
