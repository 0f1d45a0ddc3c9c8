#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
envelope.py [--check]

Make the golden envelopes next to this file, from docs/envelope.rst alone, bit for bit; with
--check, compare instead of writing. Needs python3-cryptography; nothing that the tests run does.

An envelope-VERSION-SUITE.bin, once released, never changes: later versions must open it.
"""

import hashlib
import hmac
import pathlib
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).parent
MIGRATION, SNAPSHOT = 1, 2


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def body(payload, pad=b'\0'):
    plain = struct.pack('>L', len(payload)) + payload
    return plain + pad * (4096 - len(plain))


def envelope_1_1(secret, plain, epoch=7, purpose=MIGRATION):
    """Format version 1, suite 1: shared secret, HKDF-SHA-256, AES-256-GCM."""
    tag = b'vm1'
    header = struct.pack('>4s4BQ2L16s8s8s56s', b'QSHD', 1, 1, purpose, len(tag), epoch, len(plain), 0,
                         bytes(range(0xa0, 0xb0)), mac(secret, b'qemu-shadow key id\1')[:8], b'hostAAA',
                         tag)
    prk = mac(header[24:40], secret)
    info = b'qemu-shadow seal v1' + header
    key = mac(prk, info + b'\1')
    iv = mac(prk, key + info + b'\2')[:12]
    return header + AESGCM(key).encrypt(iv, plain, header)


# In the unit test; the other secret is that of the qtests.
SECRET = bytes(range(32))
QTEST_SECRET = b'0123456789abcdef0123456789abcdef'

GOLDEN = {
    'envelope-1-1.bin': envelope_1_1(SECRET, body(b'golden payload')),
    # sealed well by one who has the secret, and still not acceptable
    'bad-padding-1-1.bin': envelope_1_1(QTEST_SECRET, body(b'', b'x')),
    'snapshot-1-1.bin': envelope_1_1(QTEST_SECRET, body(b''), purpose=SNAPSHOT),
}


def main():
    different = 0
    for name, data in GOLDEN.items():
        path = HERE / name
        if '--check' not in sys.argv[1:]:
            path.write_bytes(data)
        elif not path.exists() or path.read_bytes() != data:
            print(f'{name} is not what this script makes', file=sys.stderr)
            different += 1
    return 1 if different else 0


sys.exit(main())
