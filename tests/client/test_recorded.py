# SPDX-License-Identifier: GPL-2.0-or-later
"""One's own session, recorded; with what is typed in it only where that was asked for."""

import json
import os
import re

from client import Person, hosts_file, run, wait_for
from door import Console, Host, move
from test_programs import keygen, played


def lines(path):
    with open(path, encoding='utf-8') as file:
        return [json.loads(line) for line in file]


def typed(path):
    """What was typed: bytes and BREAKs, each with its position"""
    found = []
    for _, code, data in lines(path)[1:]:
        if code == 'm' and (label := re.match(r'typed position=(\d+)$', data)):
            found.append([int(label[1]), b''])
        elif code == 'm' and data.startswith('break '):
            found.append(data)
        elif code in 'ik':
            if not isinstance(found[-1], list):
                found.append([None, b''])
            found[-1][1] += data.encode() if code == 'i' else bytes.fromhex(data)
    return found


def test_nothing_typed_unless_asked(folder):
    """A recording has what the guest printed, whatever was typed, and says so."""
    host = Host(folder, 'a', Console(b'Password: '))
    path = f'{folder}/a.cast'
    with Person('attach', '--record', path, host.address) as user:
        wait_for(lambda: host.writer)
        user.type('hunter2\r')
        user.type(b'\x1db')
        wait_for(lambda: host.console.input == b'hunter2\r' and host.console.breaks)
        host.write(b'\r\nwelcome')
        user.expect('welcome')
        user.escape('q')
        assert user.wait() == 0
    assert played(path) == (b'Password: \r\nwelcome', 19)
    assert lines(path)[0]['input'] is False
    assert not typed(path)
    with open(path, encoding='utf-8') as file:
        assert 'hunter2' not in file.read()
    assert os.stat(path).st_mode & 0o777 == 0o600
    out = run('verify', path).decode()
    assert 'good' in out and 'typed' not in out, out


def test_typed_when_asked(folder):
    """Bytes and BREAKs that were accepted, once each, with their positions, over a move; not
    those of another user."""
    key = keygen(folder)
    source, target = Host(folder, 'a', Console(b'$ ')), Host(folder, 'b', state='incoming')
    source.console.input += b'of-others'
    path = f'{folder}/a.cast'
    keys = 'l\xe9s '.encode() + b'\xff\x00"\x1f'
    with Person('attach', '--record', path, '--input', '--key', key, '--hosts',
                hosts_file(folder, source, target), 'vm1') as user:
        wait_for(lambda: source.writer)
        user.type(keys)
        wait_for(lambda: source.console.input.endswith(keys))
        user.type(b'12\x1db3')
        wait_for(lambda: source.console.input.endswith(b'123'))

        def typed_meanwhile():
            user.expect(r'\$')
            user.type('waits ')
        move(source, target, typed_meanwhile)
        wait_for(lambda: target.console.input.endswith(b'waits '))
        with Person('attach', '--force', '--name', 'bob', target.address) as bob:
            user.expect('has taken it over')
            bob.type('bob')
            wait_for(lambda: target.console.input.endswith(b'bob'))
        wait_for(lambda: not target.writer)
        user.silent(b'nothing', 0.5)
        user.type('mine')
        wait_for(lambda: target.console.input.endswith(b'mine'))
        user.escape('l')
        target.write(b'end')
        user.expect('end')
        user.escape('q')
        assert user.wait() == 0
    start = len(b'of-others')
    second = start + len(keys)
    assert target.console.input == b'of-others' + keys + b'123waits bobmine'
    assert typed(path) == [[start, keys + b'12'], f'break position={second + 2}', [None, b'3waits '],
                           [second + 12, b'mine']], typed(path)
    assert played(path) == (b'$ end', 5)
    assert lines(path)[0]['input'] is True
    out = run('verify', '--signers', f'{folder}/signers', path).decode()
    assert f'{len(keys) + 13} bytes were typed' in out, out


def test_typed_is_verified(folder):
    """A change of what was typed is noticed, and where it cannot be; two recordings join."""
    host = Host(folder, 'a', Console(b'start '))
    first, second = f'{folder}/a.cast', f'{folder}/b.cast'
    with Person('attach', '--record', first, '--input', host.address) as user:
        wait_for(lambda: host.writer)
        user.type('pay 100')
        wait_for(lambda: host.console.input == b'pay 100')
        user.escape('q')
        assert user.wait() == 0
    with Person('attach', '--record', second, '--input', '--from', '6', host.address) as user:
        wait_for(lambda: host.writer)
        user.type('more')
        wait_for(lambda: host.console.input.endswith(b'more'))
        user.escape('q')
        assert user.wait() == 0
    assert typed(second) == [[7, b'more']] and played(second) == (b'', 6)
    out = run('verify', first, second).decode()
    assert 'join at 6' in out and '4 bytes were typed' in out, out
    assert 'overlaps' in run('verify', second, second, status=1).decode()
    with open(first, encoding='utf-8') as file:
        good = file.read()

    def bad(text, why):
        path = f'{folder}/bad.cast'
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        out = run('verify', path, status=1).decode()
        assert why in out, out
    bad(good.replace('pay', 'say'), 'was changed')
    bad(good.replace('typed position=0', 'typed position=1'), 'was changed')
    bad(good.replace('"input":true', '"input":false'), 'typed where it cannot be')
    bad(good.replace('"m","typed position=0"', '"m","x"'), 'typed nobody knows where')
    bad('\n'.join([good.splitlines()[1]]) + '\n', 'not the beginning')


def test_only_where_it_is_known(folder):
    """A reader is not told what is typed; and a session that cannot be recorded ends."""
    host = Host(folder, 'a')
    run('record', '--input', host.address, f'{folder}/a.cast', status=2)
    assert 'attach --record' in run.stderr
    with open(f'{folder}/old.cast', 'w', encoding='utf-8') as file:
        file.write('kept')
    with Person('attach', '--record', f'{folder}/old.cast', host.address) as user:
        user.expect('File exists')
        assert user.wait() == 1
    with open(f'{folder}/old.cast', encoding='utf-8') as file:
        assert file.read() == 'kept'
