# SPDX-License-Identifier: GPL-2.0-or-later
"""A door that is none: a websocket that says what a test wants to whoever comes."""

import base64
import contextlib
import hashlib
import json
import re
import socketserver
import ssl
import struct
import threading
import time

LIFE = '00112233445566778899aabbccddeeff'
TEXT, BINARY = 1, 2
AGAIN = 0.2     # seconds


def frame(kind, payload=b'', lease=0, position=0, length=None):
    """As docs/door.rst has it; length: what the header says, if that is a lie"""
    return struct.pack('>cxHIQ', kind.encode(), len(payload) if length is None else length,
                       lease, position) + payload


def hello(state=None, **more):
    state = {'life': LIFE, 'state': 'gone', 'attached': True, 'protection': 'forced', **(state or {})}
    return frame('H', json.dumps({'version': 1, 'guest': 'vm1', 'device': 'com1', 'role': 'write', 'client': 1,
                                  'state': state, **more}).encode())


def notice(event, **state):
    return frame('N', json.dumps({'event': event, 'state': {
        'life': LIFE, 'attached': True, 'protection': 'forced', **state}}).encode())


def lies(life):
    """Of a host where the guest is not, about one with this life: all but that it is there"""
    return [frame('W', lease=5, position=77), frame('A', struct.pack('>3Q', 0, 2**40, 0), 5, 77),
            frame('O', b'forged', position=0), frame('O', b'forged', position=2**40), frame('R', b'no', 5, 1),
            notice('moved', life=life, state='incoming', **{'output-end': 2**40, 'leases': [
                {'lease': 1, 'start': 2**40}] * 8}),
            notice('moved', life=life, state='gone', **{'moved-to': 'wss://evil.example'})]


def length_of(data):
    """As short as it can be: a browser takes no other"""
    if len(data) < 126:
        return bytes([len(data)])
    return struct.pack('>BH', 126, len(data)) if len(data) < 65536 else struct.pack('>BQ', 127, len(data))


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        request = b''
        while not request.endswith(b'\r\n\r\n'):
            line = self.rfile.readline()
            if not line:
                return
            request += line
        key = re.search(rb'(?i)Sec-WebSocket-Key: *(\S+)', request)[1]
        accept = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())
        self.wfile.write(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                         b'Sec-WebSocket-Protocol: binary\r\nSec-WebSocket-Accept: ' + accept + b'\r\n\r\n')
        self.server.came += 1
        self.say(self.server.messages)
        self.connection.settimeout(AGAIN)
        said, data = time.monotonic(), True
        while data:
            with contextlib.suppress(TimeoutError):
                data = self.connection.recv(65536)
            if time.monotonic() > said + AGAIN:
                self.say(self.server.again)
                said = time.monotonic()

    def say(self, messages):
        for message in messages:
            opcode = TEXT if isinstance(message, str) else BINARY
            data = message.encode() if opcode == TEXT else message
            self.wfile.write(bytes([0x80 | opcode]) + length_of(data) + data)

    def finish(self):
        """Who has left is not written to."""


class Enemy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, messages, again=(), authority=None):
        super().__init__(('127.0.0.1', 0), Handler)
        self.messages = messages
        self.again = again  # what is said after that, for ever
        self.came = 0       # how many have come
        self.url = f'{"wss" if authority else "ws"}://127.0.0.1:{self.server_address[1]}'
        if authority:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(*authority.certificate)
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """The page has left in the midst."""

    def close(self):
        self.shutdown()
        self.server_close()
