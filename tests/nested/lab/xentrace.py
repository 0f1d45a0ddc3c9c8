# SPDX-License-Identifier: GPL-2.0-or-later
"""What root of Xen's control domain sees of domains' port accesses: Xen's own trace."""

import base64
import gzip
import struct

from .patience import LONG, longest
from .trace import Seen, console_bytes

# As in xen/include/public/trace.h: classes, events, and the head of a record
HANDLER = 0x82000
LOST, READ, WRITE = 0x1f001, 0x82016, 0x82216
PAGES = 2048
FILE, PID, LOG = '/tmp/xentrace.bin', '/tmp/xentrace.pid', '/tmp/xentrace.log'


def records(data):
    """(event, its words) for each"""
    at = 0
    while at + 4 <= len(data):
        head, = struct.unpack_from('<I', data, at)
        at += 12 if head >> 31 else 4       # a time stamp comes first
        words = head >> 28 & 7
        yield head & 0xfffffff, struct.unpack_from(f'<{words}I', data, at)
        at += 4 * words


class XenTrace:
    """Of all HVM domains, so that there should be one; each access that Xen handles itself or
    gives to a device model is in it."""

    def __init__(self, host, base=0x3f8):
        self.host, self.base = host, base

    def start(self):
        """It has begun when it has said that the mask is set."""
        self.host.run(f'rm -f {FILE} {LOG}; xentrace -D -S {PAGES} -e {HANDLER:#x} {FILE} '
                      f'>{LOG} 2>&1 & echo $! >{PID}; until grep -q evtmask {LOG}; do '
                      'usleep 100000; done', check=True)
        return self

    def stop(self, timeout=LONG):
        # when told to end it writes what is left, and ends
        _, output = self.host.run(
            f'kill $(cat {PID}); n=0; while [ -e /proc/$(cat {PID})/exe ] && '
            f'[ $n -lt {longest(timeout)}0 ]; do usleep 100000; n=$((n + 1)); done; '
            f'gzip -1 <{FILE} | base64; rm -f {FILE}', timeout, check=True)
        return self._decode(gzip.decompress(base64.b64decode(output)))

    def _decode(self, data):
        accesses, total, lost = [], 0, 0
        for event, words in records(data):
            if event == LOST:
                lost += words[0]
            elif event in (READ, WRITE):
                total += 1
                # without a value: of a string instruction, whose data is in memory
                port, value = words[0], words[1] if len(words) > 1 else 0
                if self.base <= port < self.base + 8:
                    accesses.append((event == WRITE, port - self.base, value))
        return Seen(total, len(accesses), lost, *console_bytes(accesses))
