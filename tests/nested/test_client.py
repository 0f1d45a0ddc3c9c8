# SPDX-License-Identifier: GPL-2.0-or-later
"""The exact client against a scripted host: no virtual machine is needed."""

import os
import socket
import tempfile
import types

from lab.patience import scaled


class FakeHost:
    """Listens as a console's chardev does and reports the connection as L0 does."""

    def __init__(self, accepted, offset):
        self.dir = tempfile.TemporaryDirectory(prefix='shadow-client-')
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.dir.name, 'c'))
        self.listener.listen()
        event = {'data': {'input-accepted': accepted, 'output-offset': offset, 'notice': 0}}
        self.qmp = types.SimpleNamespace(mark=lambda: 0,
                                         wait_event=lambda *_, **__: event)

    def console_address(self, guest, port):
        return os.path.join(self.dir.name, 'c')

    def accept(self):
        self.connection = self.listener.accept()[0]
        self.connection.settimeout(scaled(60))
        return self

    def read(self, count):
        data = b''
        while len(data) < count:
            data += self.connection.recv(count - len(data))
        return data

    def close(self, last=b''):
        self.connection.sendall(last)
        self.connection.close()


def moved(accepted, sent, what=b'moved to another host'):
    return b'\r\n[shadow-serial vm1/com1: %b, input=%d output=%d]\r\n' % (
        what, accepted, sent)


def start(output=b'0123456789'):
    from lab.chardev import ChardevClient
    host = FakeHost(0, 0)
    client = ChardevClient().connect(host)
    host.accept().connection.sendall(output)
    client.expect('9')
    client.send('abcdefgh')
    assert host.read(8) == b'abcdefgh'
    return host, client


def test_resend_and_drop():
    host, client = start()
    host.close(moved(5, 10))
    client.wait_closed()
    assert client.moved == (5, 10) and bytes(client.output) == b'0123456789'
    other = FakeHost(5, 7)
    client.send('ij')       # typed while there is no connection
    client.connect(other)
    other.accept()
    assert other.read(5) == b'fghij'
    other.connection.sendall(b'789XYZ')
    client.expect('XYZ')
    assert bytes(client.output) == b'0123456789XYZ'
    assert (client.resent, client.dropped, client.gap) == (3, 3, 0)
    client.close()


def goes_on(host, client, farewell):
    host.close(moved(8, 10, farewell))
    client.wait_closed(20)
    assert client.moved == (8, 10) and bytes(client.output) == b'0123456789'
    client.connect(other := FakeHost(8, 10))
    other.accept()
    assert other.read(2) == b'ij'
    assert (client.resent, client.dropped, client.gap) == (2, 0, 0)
    client.close()


def test_back_to_a_snapshot():
    """The same host goes on from the counts in the line."""
    host, client = start()
    client.send('ij')
    host.read(2)
    goes_on(host, client, b'went back to a snapshot')


def test_detached():
    """The user's VM was started anew on the same host."""
    host, client = start()
    client.send('ij')
    host.read(2)
    goes_on(host, client, b'detached from its virtual machine: the bound process has ended')


def test_gap_is_noticed():
    host, client = start()
    host.close()
    client.wait_closed()
    other = FakeHost(8, 15)
    client.connect(other)
    other.accept()
    assert (client.resent, client.dropped, client.gap) == (0, 0, 5)
    client.close()


def test_notice_in_pieces_is_not_output():
    host, client = start()
    client.position = 0
    assert client.read(5) == b'0123456789'
    host.connection.sendall(b'tail')
    text = moved(8, 14)
    for n in range(len(text)):
        host.connection.sendall(text[n:n + 1])
    got = b''
    host.close()
    client.wait_closed()
    while data := client.read(0.1):
        got += data
    assert got == b'tail', got
    assert client.moved == (8, 14)
    client.close()


def test_what_looks_like_a_notice_is_output():
    host, client = start()
    client.position = 10
    text = moved(1, 2) + b'more'
    host.connection.sendall(text)
    got = b''
    while len(got) < len(text):
        got += client.read(5)
    assert got == text
    client.close()
