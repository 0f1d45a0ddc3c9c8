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

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = pathlib.Path(__file__).parent
MIGRATION, SNAPSHOT, HISTORY = 1, 2, 3


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


def expand(prk, info, length):
    out = block = b''
    while len(out) < length:
        block = mac(prk, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:length]


def raw(key):
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


# RFC 9180, sections 4 and 5.1
KEM = b'KEM' + bytes([0, 0x20])
SUITE = b'HPKE' + bytes([0, 0x20, 0, 1, 0, 2])


def labeled_extract(suite, salt, label, ikm):
    return mac(salt, b'HPKE-v1' + suite + label + ikm)


def labeled_expand(suite, prk, label, info, length):
    return expand(prk, struct.pack('>H', length) + b'HPKE-v1' + suite + label + info, length)


def host_keys(secret):
    """Of a shadow-host: X25519 and Ed25519, from its secret."""
    ikm = expand(secret, b'qemu-shadow host x25519', 32)
    sk = labeled_expand(KEM, labeled_extract(KEM, b'', b'dkp_prk', ikm), b'sk', b'', 32)
    return (X25519PrivateKey.from_private_bytes(sk),
            Ed25519PrivateKey.from_private_bytes(expand(secret, b'qemu-shadow host ed25519', 32)))


def envelope_1_2(source, target, ephemeral, plain, epoch=7, purpose=MIGRATION):
    """Format version 1, suite 2: sealed to a host by HPKE, signed by one with Ed25519."""
    recipient = host_keys(target)[0].public_key()
    signer = host_keys(source)[1]
    ephemeral = X25519PrivateKey.from_private_bytes(ephemeral)
    tag = b'vm1'
    header = struct.pack('>4s4BQ2L16s8s8s56s', b'QSHD', 1, 2, purpose, len(tag), epoch, len(plain), 0,
                         bytes(range(0xa0, 0xb0)), raw(recipient)[:8], b'hostAAA', tag)
    enc = raw(ephemeral.public_key())
    shared = labeled_expand(
        KEM, labeled_extract(KEM, b'', b'eae_prk', ephemeral.exchange(recipient)), b'shared_secret',
        enc + raw(recipient), 32)
    context = b'\0' + labeled_extract(SUITE, b'', b'psk_id_hash', b'') + \
        labeled_extract(SUITE, b'', b'info_hash', b'qemu-shadow seal v1' + header)
    secret = labeled_extract(SUITE, shared, b'secret', b'')
    key = labeled_expand(SUITE, secret, b'key', context, 32)
    nonce = labeled_expand(SUITE, secret, b'base_nonce', context, 12)
    public = header + enc + raw(signer.public_key())
    unsigned = public + AESGCM(key).encrypt(nonce, plain, public)
    return unsigned + signer.sign(b'qemu-shadow sign v1' + raw(recipient) +
                                  hashlib.sha512(unsigned).digest())


# In the unit test; the other secret is that of the qtests.
SECRET = bytes(range(32))
QTEST_SECRET = b'0123456789abcdef0123456789abcdef'

GOLDEN = {
    'envelope-1-1.bin': envelope_1_1(SECRET, body(b'golden payload')),
    'envelope-1-2.bin': envelope_1_2(b'\1' + bytes(31), b'\2' + bytes(31), bytes(range(32)),
                                     body(b'golden payload')),
    # sealed well by one who has the secret, and still not acceptable
    'bad-padding-1-1.bin': envelope_1_1(QTEST_SECRET, body(b'', b'x')),
    'snapshot-1-1.bin': envelope_1_1(QTEST_SECRET, body(b''), purpose=SNAPSHOT),
    'history-1-1.bin': envelope_1_1(QTEST_SECRET, body(b'golden output'), purpose=HISTORY),
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
