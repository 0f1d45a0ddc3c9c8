# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that lie, die or flood: the client says so, types nothing wrong, and lives."""

import json
import re
import struct
import threading

from client import Person, run, wait_for
from door import Console, Host, User, frame


class Liar(Host):
    """Each connection is handled by what the test says."""

    def __init__(self, folder, name='a', greet=None, **options):
        self.greeting = greet
        super().__init__(folder, name, **options)

    def make_user(self, connection):
        user = User(self, connection)
        if self.greeting:
            user.greet = lambda: self.greeting(user)
        return user


def raw(*data):
    """Instead of a hello"""
    def greet(user):
        for part in data:
            user.connection.sendall(part)
        user.end()
    return greet


def hello(user, **changes):
    content = user.hello()
    content['state'].update(changes.pop('state', {}))
    content.update(changes)
    return frame('H', json.dumps(content).encode())


def refused(folder, data, text):
    host = Liar(folder, greet=raw(data))
    run('attach', host.address, status=1)
    assert re.search(text, run.stderr), run.stderr
    host.close()


def test_no_door(folder):
    """What is said first is no hello, or half of one"""
    refused(folder, b'SSH-2.0-OpenSSH_9.2\r\n' * 4, 'frame')
    refused(folder, b'H\0', 'has ended|reset')
    refused(folder, b'', 'has ended|reset')
    refused(folder, frame('E', b'too many \x1b[31mclients'), r'too many \?\[31mclients')
    refused(folder, frame('O', b'x'), 'no hello')
    refused(folder, b'H\1' + frame('H', b'{}')[2:], 'reserved')
    refused(folder, struct.pack('>cBHIQ', b'H', 0, 65535, 0, 0), 'longer')
    refused(folder, frame('Z', b'x'), 'unknown type')


def test_bad_hello(folder):
    """JSON that is none, too deep, or says what cannot be"""
    for text in (b'{}', b'[1]', b'nonsense', b'[' * 16000, b'{"a":' * 3000, b'"' * 9000,
                 b'\xff\xfe{}', b'{"version":2}', b'{"version":1,"guest":7}'):
        refused(folder, frame('H', text), 'makes no sense|version')

    def lie(changes):
        def greet(user):
            user.connection.sendall(hello(user, state=changes))
        return greet
    for changes in ({'life': 'x' * 32}, {'life': None}, {'input-accepted': -1}, {'epoch': 'no'},
                    {'output-start': 5, 'output-end': 1}, {'state': 3}):
        host = Liar(folder, greet=lie(changes))
        run('attach', host.address, status=1)
        assert 'makes no sense' in run.stderr, (changes, run.stderr)
        host.close()


def test_silence(folder):
    """A host that takes the connection and says nothing"""
    host = Liar(folder, greet=lambda user: setattr(user, 'deaf', True))
    run('attach', '--patience', '1', host.address, status=1)
    assert 'it does not answer' in run.stderr


def test_deaf(folder):
    """One that stops to answer: the other is asked, and has it"""
    source, target = Host(folder, 'a', Console(b'screen')), Host(folder, 'b', state='incoming')
    with open(f'{folder}/hosts', 'w', encoding='utf-8') as file:
        file.write(f'{source.address}\n{target.address}\n')
    with Person('attach', '--patience', '1', '--hosts', f'{folder}/hosts', 'vm1') as user:
        wait_for(lambda: source.writer)
        user.expect('screen')
        for each in source.users:
            each.deaf = True
        target.console, target.state = source.console, 'active'
        source.close = None         # it lives, and is silent
        source.greet = None
        source.make_user = lambda connection: Silent(source, connection)
        user.type('typed')
        wait_for(lambda: target.console.input == b'typed')


class Silent(User):
    def greet(self):
        pass


def test_names_are_harmless(folder):
    """What others are called, and reasons, do not reach the terminal as they are"""
    host = Host(folder, 'a\x1b]0;evil\x07')
    host.address = f'unix:{host.path}'
    with Person('attach', '--no-title', host.address) as user:
        wait_for(lambda: host.writer)
        writer = host.writer
        writer.name = 'bob\x1b[2J\u202e\r\n[shadow-console: all good]'
        host.notify('protection', 'a\x1b[31mb')
        user.silent(b'evil', 0.2)
        user.escape('w')
        user.expect(r'bob\?\[2J')
        assert b'\x1b[2J' not in user.data and b'\x1b[31m' not in user.data
        assert b'\x1b]0;evil' not in user.data


def test_lies_about_what_was_typed(folder):
    """Accepted is more than was sent, or less than before: that host is left, nothing is
    sent again."""
    for lie in (lambda n: n + 100, lambda n: 0):
        host = Host(folder, 'a')
        with Person('attach', '--events', f'{folder}/events', host.address) as user:
            wait_for(lambda: host.writer)
            user.type('abc')
            wait_for(lambda: host.console.input == b'abc')
            count = lie(3)
            host.writer.send('A', struct.pack('>QQQ', count, count + 10, 0), host.writer.lease,
                             count)
            wait_for(lambda: sum(kind == 'H' for kind, *_ in host.received) > 1)
            wait_for(lambda: host.writer)
            user.type('d')
            wait_for(lambda: host.console.input == b'abcd')
        host.close()


def test_lies_about_output(folder):
    """What came before is not shown again; what is far ahead is told as lost."""
    host = Host(folder, 'a')
    with Person('attach', host.address) as user:
        wait_for(lambda: host.writer)
        host.write(b'0123456789')
        user.expect('0123456789')
        writer = host.writer
        writer.send('O', b'456', position=4)
        writer.send('O', b'89AB', position=8)
        user.expect('AB')
        assert user.data.count(b'456') == user.data.count(b'89') == 1
        writer.send('O', b'far', position=2**62)
        user.expect('output was overwritten')
        user.expect('far')
        writer.send('O', b'x', position=2**63)
        wait_for(lambda: sum(kind == 'H' for kind, *_ in host.received) > 1)


def test_flood(folder):
    """Output and notices without end: keys are taken all the same."""
    host = Host(folder, 'a')
    with Person('attach', host.address) as user:
        wait_for(lambda: host.writer)
        def flood():
            for n in range(300):
                host.write(b'%05d' % n * 200)
                host.notify('changed')
        # its own thread: it waits where the terminal is not read
        threading.Thread(target=flood, daemon=True).start()
        user.type('still here')
        wait_for(lambda: user.read(0) and host.console.input == b'still here')
        user.expect('00299')


def test_strange_frames(folder):
    """Answers to what was not asked, leases of others"""
    host = Host(folder, 'a')
    with Person('attach', host.address) as user:
        wait_for(lambda: host.writer)
        writer = host.writer
        writer.send('A', struct.pack('>QQQ', 0, 1 << 60, 5), 12345, 1 << 40)
        writer.send('R', b'no \x1b[2J', 0, 0)
        writer.send('P', b'x' * 64)
        user.expect(r'refused: no \?\[2J')
        user.type('fine')
        wait_for(lambda: host.console.input == b'fine')
        writer.send('H', json.dumps(writer.hello()).encode())
        wait_for(lambda: sum(kind == 'H' for kind, *_ in host.received) > 1)


def test_never_a_limit(folder):
    """A host that accepts nothing: what is typed is bounded."""
    host = Host(folder, 'a')
    host.window = 0
    with Person('attach', host.address) as user:
        wait_for(lambda: host.writer)
        for _ in range(20):
            user.type(b'x' * 3000)
        user.escape('s')
        user.expect('60000 typed wait')
        user.escape('d')
        user.expect('typed and not sent: "x')
        host.window = 100
        host.set()
        user.type('rest')
        wait_for(lambda: host.console.input == b'rest')
