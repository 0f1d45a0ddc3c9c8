# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames of a door (docs/door.rst), for those who measure or attack one"""

import struct

HEADER = struct.Struct('>cBHIQ')
PAYLOAD_MAX = 16384


def frame(kind, payload=b'', lease=0, position=0):
    return HEADER.pack(kind, 0, len(payload), lease, position) + payload


def take_frames(data):
    """Those that are whole, as (kind, lease, position, payload), are taken out of a bytearray."""
    at = 0
    while len(data) - at >= HEADER.size:
        kind, _, size, lease, position = HEADER.unpack_from(data, at)
        start = at + HEADER.size
        if len(data) < start + size:
            break
        yield kind, lease, position, bytes(data[start:start + size])
        at = start + size
    del data[:at]
