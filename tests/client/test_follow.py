# SPDX-License-Identifier: GPL-2.0-or-later
"""The client follows the guest from host to host, and nothing is lost or doubled."""

import copy
import os
import re
import secrets

from client import Person, Reader, events, hosts_file, run, wait_for
from door import Console, Host, move


def pair(folder, output=b''):
    source = Host(folder, 'a', Console(output))
    target = Host(folder, 'b', state='incoming')
    return source, target, hosts_file(folder, source, target)


def attach(folder, hosts, *args):
    return Person('attach', '--events', f'{folder}/events', '--hosts', hosts, *args, 'vm1')


def test_move(folder):
    source, target, hosts = pair(folder)
    with attach(folder, hosts) as user:
        wait_for(lambda: source.writer)
        source.write(b'at-source ')
        user.expect('at-source')
        user.type('one ')
        wait_for(lambda: source.console.input == b'one ')
        source.set('frozen', 'freezing')
        user.type('two ')
        user.expect('what you type waits')
        user.escape('s')
        user.expect('4 typed wait')
        target.take(source.console, 'restored')
        target.write(b'at-target ')
        target.set('active', 'resumed')
        source.set('gone', 'moved')
        user.expect('at-target')
        wait_for(lambda: target.console.input == b'one two ')
        user.expect('at b: active')
        # and back, the host that it leaves dies
        source.take(target.console, 'incoming')
        target.set('frozen', 'freezing')
        source.take(target.console, 'restored')
        target.close()
        source.set('active', 'resumed')
        user.type('three')
        wait_for(lambda: source.console.input == b'one two three')
        source.write(b'at-home')
        user.expect('at-home')
        assert user.data.count(b'at-source') == 1 and user.data.count(b'at-target') == 1


def test_moves_with_traffic(folder):
    """Each way a stream, and moves in the midst of it."""
    source, target, hosts = pair(folder)
    typed = b''.join(b'%06d ' % n for n in range(3000))
    written = b''.join(b'<%06d>' % n for n in range(3000))
    source.window = target.window = 777
    with attach(folder, hosts) as user, Reader('watch', '--from', 'oldest', '--hosts', hosts,
                                               'vm1') as watcher:
        wait_for(lambda: source.writer and all(u.position == 0 for u in source.users)
                 and len(source.users) == 2)
        here, there = source, target
        for part in range(10):
            user.type(typed[part * 2100:(part + 1) * 2100])
            here.write(written[part * 2400:part * 2400 + 1200])
            user.read(0)
            move(here, there, lambda: here.hang_up() if part % 3 == 0 else None)
            there.write(written[part * 2400 + 1200:(part + 1) * 2400])
            here.set('incoming')
            here, there = there, here
            user.read(0)
        wait_for(lambda: user.read(0) and len(here.console.input) >= len(typed))
        assert here.console.input == typed
        wait_for(lambda: len(watcher.output()) >= len(written))
        assert watcher.output() == written
        user.expect('<002999>')
        seen = re.sub(rb'\x1b\]2;.*?\x1b\\|\r\n\[shadow-console: .*?\]\r\n', b'', user.data)
        assert seen == written, (len(seen), len(written))
        user.escape('q')
        assert user.wait() == 0
    last = events(f'{folder}/events')[-1]
    assert last['output-lost'] == 0 and last['input-waiting'] == 0, last


def test_unconfirmed(folder):
    """What the old host accepted without saying so is not sent again."""
    source, target, hosts = pair(folder)
    with attach(folder, hosts) as user:
        wait_for(lambda: source.writer)
        source.mute_writer()
        user.type('once')
        wait_for(lambda: source.console.input == b'once')
        move(source, target)
        user.type(' only')
        wait_for(lambda: target.console.input.endswith(b'only'))
        assert target.console.input == b'once only'


def test_another_typed_meanwhile(folder):
    """While our connection was broken another had the keyboard: what he typed does not
    count as ours."""
    host = Host(folder, 'a')
    with attach(folder, hosts_file(folder, host)) as user:
        wait_for(lambda: host.writer)
        user.type('mine')
        wait_for(lambda: host.console.input == b'mine')
        with host.lock:
            host.close()
            host.console.leases.append((secrets.randbits(31), 4))
            host.console.input += b'HIS'
        user.type('-rest')
        user.expect('what you type waits')
        host.open()
        wait_for(lambda: host.console.input == b'mineHIS-rest')


def test_new_life(folder):
    """What was not accepted in the old life is shown, and not sent."""
    source, target, hosts = pair(folder)
    with attach(folder, hosts) as user:
        wait_for(lambda: source.writer)
        user.type('before')
        wait_for(lambda: source.console.input == b'before')
        source.set('frozen', 'freezing')
        user.type('secret')
        user.expect('waits')
        source.close()
        target.console.output += b'another screen'
        target.set('active', 'restored')
        user.expect('not the same any more')
        user.expect(r'typed and not sent: "secret", 6 bytes')
        user.expect('another screen')
        user.type('new')
        wait_for(lambda: target.console.input == b'new')


def test_new_life_in_place(folder):
    """A snapshot was restored: the same connection, another life."""
    host = Host(folder, 'a', Console(b'old screen'))
    with attach(folder, hosts_file(folder, host)) as user:
        wait_for(lambda: host.writer)
        user.expect('old screen')
        host.set('frozen', 'freezing')
        user.type('gone')
        user.expect('waits')
        with host.lock:
            host.console = Console(b'snapshot screen')
            host.writer.lease, host.writer = 0, None
            host.set('active', 'snapshot')
        user.expect('"gone", 4 bytes')
        user.expect('snapshot screen')
        user.type('now')
        wait_for(lambda: host.console.input == b'now')


def test_two_hosts(folder):
    """Two say that they have it: it is told, nothing is typed, until one has not."""
    source, target, hosts = pair(folder)
    target.console = copy.deepcopy(source.console)
    with attach(folder, hosts) as user:
        wait_for(lambda: source.writer)
        target.console, target.state = copy.deepcopy(source.console), 'active'
        source.hang_up()
        user.type('danger')
        user.expect('two hosts say that they have this console')
        assert not source.console.input or not target.console.input
        before = bytes(source.console.input), bytes(target.console.input)
        user.type('more')
        user.silent(b'never')
        assert (bytes(source.console.input), bytes(target.console.input)) == before
        source.set('gone', 'moved')
        wait_for(lambda: target.console.input == b'dangermore')


def test_two_hosts_at_first(folder):
    source, target, hosts = pair(folder)
    target.take(source.console)
    with attach(folder, hosts) as user:
        user.type('x')
        user.expect('two hosts say')
        assert not [kind for host in (source, target) for kind, *_ in host.received
                    if kind in 'GWIB']
    run('run', '--expect', 'x', '--hosts', hosts, 'vm1', status=1)
    run('log', '--hosts', hosts, 'vm1', status=1)


def test_frozen_newcomer(folder):
    """Who comes while it is frozen sees the screen, takes the keyboard over, and goes
    along."""
    source, target, hosts = pair(folder, b'screen$ ')
    with attach(folder, hosts, '--name', 'alice') as alice:
        wait_for(lambda: source.writer)
        source.set('frozen', 'freezing')
        alice.type('alices')
        alice.expect('waits')
        with Person('attach', '--name', 'bob', '--force', '--hosts', hosts, 'vm1') as bob:
            bob.expect('screen')
            alice.expect('bob has taken it over')
            bob.type('bobs')
            bob.expect('waits')
            target.take(source.console, 'active')
            source.set('gone', 'moved')
            wait_for(lambda: target.console.input == b'bobs')
            alice.escape('s')
            alice.expect('6 typed wait')
            alice.escape('t')
            wait_for(lambda: target.console.input == b'bobsalices')


def test_taken_over_in_between(folder):
    """Bytes that were under way when another took the keyboard over are kept, not lost."""
    host = Host(folder, 'a')
    with attach(folder, hosts_file(folder, host)) as user:
        wait_for(lambda: host.writer)
        host.window = 0
        host.set()
        user.type('wait')
        user.read(0.2)
        with host.lock:
            writer = host.writer
            host.writer, writer.lease = None, 0
            writer.send('W', b'bob has taken it over', 0, len(host.console.input))
            host.console.input += b'BOB'
            host.console.leases.append((7, 0))
            host.window = 100
            host.notify('writer')
        wait_for(lambda: host.console.input == b'BOBwait')


def test_refused_then_sent(folder):
    """What the host has refused when it came is kept, and sent when there is room."""
    host = Host(folder, 'a')
    with attach(folder, hosts_file(folder, host)) as user:
        wait_for(lambda: host.writer)
        user.type('a')
        wait_for(lambda: host.console.input == b'a')
        with host.lock:
            host.window = 0         # it is not told yet
        user.type('bcd')
        wait_for(lambda: any(kind == 'I' and data == b'bcd' for kind, *_, data in host.received))
        with host.lock:
            host.window = 100
            host.set()
        wait_for(lambda: host.console.input == b'abcd')


def test_break_moves(folder):
    """One that was accepted is not sent again, one that was not is."""
    source, target, hosts = pair(folder)
    with attach(folder, hosts) as user:
        wait_for(lambda: source.writer)
        source.mute_writer()
        user.type(b'a\x1db')
        wait_for(lambda: source.console.input == b'a')
        source.set('frozen', 'freezing')
        user.type(b'\x1dbc')
        move(source, target)
        wait_for(lambda: target.console.input == b'ac')
        assert target.console.breaks == [1, 1], target.console.breaks


def break_of_another(host, user, listed):
    """Ours is under way when the connection ends; another's is accepted then. @listed:
    whether our lease is still known"""
    wait_for(lambda: host.writer)
    with host.lock:
        host.deaf_to_breaks = True
    user.type(b'a\x1db')
    wait_for(lambda: any(kind == 'B' for kind, *_ in host.received))
    with host.lock:
        host.close()
        if not listed:
            host.console.leases.clear()
        host.console.note_lease(secrets.randbits(31), 1)
        host.console.breaks.append(1)
        host.deaf_to_breaks = False


def test_break_of_another(folder):
    """While our connection was broken another has sent one: ours is sent still."""
    host = Host(folder, 'a')
    with attach(folder, hosts_file(folder, host)) as user:
        break_of_another(host, user, listed=False)
        user.expect('what you type waits')
        host.open()
        wait_for(lambda: host.console.breaks == [1, 1])


def test_break_of_whom(folder):
    """If that cannot be known it is said, and it is not sent."""
    host = Host(folder, 'a')
    with attach(folder, hosts_file(folder, host)) as user:
        break_of_another(host, user, listed=True)
        user.type('x')
        user.expect('what you type waits')
        host.open()
        user.expect('not sent')
        user.type('y')
        wait_for(lambda: host.console.input == b'ay')
        assert host.console.breaks == [1], host.console.breaks


def test_lost_output(folder):
    source, target, hosts = pair(folder)
    with attach(folder, hosts) as user:
        wait_for(lambda: source.writer)
        source.write(b'seen')
        user.expect('seen')
        source.close()
        with source.lock:
            source.console.output += b'x' * 1000 + b'tail'
            source.console.start = 1004
        target.take(source.console)
        user.expect('1000 bytes, from 4 on')
        user.expect('tail')


def test_ssh(folder):
    """A host that is reached by ssh, which runs shadow-console door there."""
    host = Host(folder, 'a', Console(b'by-ssh'))
    hosts_file(folder, host, name='vm1')
    fake = f'{folder}/ssh'
    with open(fake, 'w', encoding='utf-8') as file:
        file.write('#!/bin/bash\nwhile [[ $1 != -- ]]; do shift; done; host=$2; shift 2\n'
                   '[[ $host == host-a ]] || { echo "no route to $host" >&2; exit 255; }\n'
                   f'name=${{!#}}\nexec ${{SHADOW_CONSOLE}} door --hosts {folder}/$name $name\n')
    os.chmod(fake, 0o755)
    from client import PROGRAM
    with open(f'{folder}/hosts', 'w', encoding='utf-8') as file:
        file.write('ssh:host-b\nssh:host-a\n')
    with Person('attach', '--hosts', f'{folder}/hosts', 'vm1', env={
            'SHADOW_CONSOLE_SSH': fake, 'SHADOW_CONSOLE': PROGRAM}) as user:
        user.expect('by-ssh')
        user.type('x')
        wait_for(lambda: host.console.input == b'x')
        user.escape('q')
        assert user.wait() == 0
    wait_for(lambda: not host.users)
    os.environ.update({'SHADOW_CONSOLE_SSH': fake, 'SHADOW_CONSOLE': PROGRAM})
    out = run('list', '--hosts', f'{folder}/hosts', 'vm1').decode()
    assert 'ssh:host-a: vm1/com1 at a: active' in out and 'no route to host-b' in out, out
