#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the seeds of the fuzz targets: each target's source says what its input is."""

import pathlib

HERE = pathlib.Path(__file__).resolve().parent

RAW, SEALED, ALTERED, RESIZED = range(4)


def change(offset, value):
    return bytes([offset, value])


def envelope(use, where=0, how=0, changes=(), payload=b'a payload', length=None):
    length = len(payload) if length is None else length
    return (bytes([use]) + where.to_bytes(2, 'big') + bytes([how, len(changes)]) +
            b''.join(changes) + length.to_bytes(4, 'big') + payload)


OPEN = {
    'raw': bytes([RAW]) + b'QSHD\1\1\1\3' + bytes(104),
    'good': envelope(SEALED),
    'empty': envelope(SEALED, payload=b''),
    'old-key': envelope(SEALED, how=2),
    'class-too-large': envelope(SEALED, how=1),
    'long': envelope(SEALED, length=4092),
    'too-long': envelope(SEALED, length=4093),
    'padding': envelope(SEALED, length=3),
    'version': envelope(SEALED, changes=[change(4, 2)]),
    'suite': envelope(SEALED, changes=[change(5, 9)]),
    'snapshot': envelope(SEALED, changes=[change(6, 2)]),
    'tag-length': envelope(SEALED, changes=[change(7, 57)]),
    'stale': envelope(SEALED, changes=[change(15, 4)]),
    'newest': envelope(SEALED, changes=[change(8, 255)]),
    'padded-length': envelope(SEALED, changes=[change(18, 0x20)]),
    'reserved': envelope(SEALED, changes=[change(20, 1)]),
    'salt': envelope(SEALED, changes=[change(24, 7)]),
    'unknown-key': envelope(SEALED, changes=[change(40, 7)]),
    'reflected': envelope(SEALED, changes=[change(48 + i, v) for i, v in enumerate(b'us\0\0')]),
    'other-guest': envelope(SEALED, changes=[change(58, ord('2'))]),
    'altered': envelope(ALTERED, where=8, how=1),
    'cut': envelope(RESIZED, where=4096),
    'trailing': envelope(RESIZED, where=5000),
}

REFUSE, CHANGE = 0x80, 0x40


def write(reg, value):
    return bytes([reg, value])


def read(reg):
    return bytes([0x50 + reg, 0])


def typed(count, value=ord('x')):
    return bytes([0x90 + count, value])


def later(value, shift):
    return bytes([0xc0 + shift, value])


def state(*ops, flags=CHANGE, rest=b''):
    return bytes([flags | len(ops)]) + b''.join(ops) + rest


FIFO = [write(2, 7), write(1, 7), write(4, 11)]

LOAD = {
    'power-on': state(),
    'refused': state(flags=CHANGE | REFUSE),
    'output': state(*[write(0, ord(c)) for c in 'output']),
    'fifo-input': state(*FIFO, typed(15), typed(15), read(0)),
    'fifo-timeout': state(*FIFO, typed(3), later(255, 15), read(2), read(5)),
    'loopback': state(write(4, 0x1b), write(0, 65), read(5), read(0)),
    'divisor': state(write(3, 0x83), write(0, 1), write(1, 0), write(3, 3)),
    'held-writes': state(bytes([0xd1, 0]), write(0, 66), bytes([0xd0, 0]), read(5)),
    'reset': state(*FIFO, typed(9), bytes([0xe0, 0]), read(5)),
    'other-magic': state(rest=bytes([0, 0, 0])),
    'two-devices': state(rest=bytes([0, 7, 2])),
    'other-port': state(rest=bytes([0, 19, 1])),
    'nonsense': state(flags=0, rest=b'SDV1\0\0\0\1\4com1'),
}


def main():
    for target, seeds in {'open': OPEN, 'load': LOAD}.items():
        folder = HERE / target
        folder.mkdir(exist_ok=True)
        for name, data in seeds.items():
            (folder / name).write_bytes(data)


main()
