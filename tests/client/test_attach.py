# SPDX-License-Identifier: GPL-2.0-or-later
"""A person at the console."""

from client import Person, run, wait_for
from door import Console, Host


def test_login(folder):
    """Output comes, keys go, Ctrl-] leaves, and the terminal is as it was."""
    host = Host(folder, 'a')
    with Person('attach', host.address) as user:
        host.write(b'login: ')
        user.expect('login:')
        user.type('alice\r')
        wait_for(lambda: host.console.input == b'alice\r')
        user.escape('q')
        assert user.wait() == 0
    wait_for(lambda: not host.users)


def test_redraw(folder):
    """Who comes sees the screen: what is on it, the colours, the cursor; not the way there."""
    old = b''.join(b'line %d\r\n' % n for n in range(500))
    now = b'\x1b[2J\x1b[5;10H\x1b[1;31mred\x1b[0m text\x1b[7;3Hprompt> '
    host = Host(folder, 'a', Console(old + now))
    with Person('attach', host.address) as user:
        user.expect(rb'\x1b\[5;1H +\x1b\[0;1;38;5;1mred\x1b\[0m text')
        user.expect(rb'\x1b\[7;1H  prompt>')
        user.expect(rb'\x1b\[7;11H')
        assert b'line 3' not in user.data
        host.write(b'more')
        user.expect('more')
        user.escape('l')
        user.expect(rb'\x1b\[2J.*red.*prompt> more.*\x1b\[7;15H')


def test_redraw_asks_nothing(folder):
    """What the guest asked of terminals before is not answered by this one."""
    host = Host(folder, 'a', Console(b'\x1b[6n\x1b[c\x1b[>c$ '))
    with Person('attach', host.address) as user:
        user.expect(rb'\$')
        assert b'\x1b[6n' not in user.data and b'\x1b[c' not in user.data
        user.type('x')
        wait_for(lambda: host.console.input == b'x')


def test_redraw_full_screen(folder):
    """A full-screen program: the other screen, application keys, the cursor hidden."""
    host = Host(folder, 'a', Console(
        b'shell$ vi\r\n\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?25l\x1b[2J\x1b[HVI'))
    with Person('attach', host.address) as user:
        match = user.expect(rb'\x1b\[\?1049h.*VI.*\x1b\[\?25l')
        for mode in (b'\x1b[?1h', b'\x1b=', b'\x1b[?2004h'):
            assert mode in match[0], mode
        assert b'shell$' not in user.data


def test_second_user(folder):
    """A newcomer is told who has the keyboard, reads, and takes it over; both are told."""
    host = Host(folder, 'a', Console(b'$ '))
    with Person('attach', '--name', 'alice', host.address) as alice, \
            Person('attach', '--name', 'bob', host.address) as bob:
        wait_for(lambda: host.writer)
        first, second = (alice, bob) if host.writer.name == 'alice' else (bob, alice)
        name = host.writer.name
        second.expect(f'you do not have the keyboard: {name} has it')
        host.write(b'both-see')
        first.expect('both-see')
        second.expect('both-see')
        second.type('lost')
        second.expect('this was not typed')
        first.type('one ')
        wait_for(lambda: host.console.input == b'one ')
        second.escape('t')
        first.expect('has taken it over')
        second.type('two')
        wait_for(lambda: host.console.input == b'one two')
        second.escape('w')
        second.expect('alice')
        first.escape('w')
        first.expect('has the keyboard')


def test_keys_after_the_writer_left(folder):
    """Who was refused types when the other has gone: it is taken then."""
    host = Host(folder, 'a')
    with Person('attach', '--name', 'bob', host.address) as bob:
        wait_for(lambda: host.writer)
        with Person('attach', '--name', 'alice', '--force', host.address):
            bob.expect('has taken it over')
        wait_for(lambda: not host.writer)
        bob.silent(b'nothing', 0.5)     # he has been told by then
        bob.type('back')
        wait_for(lambda: host.console.input == b'back')


def test_watch(folder):
    host = Host(folder, 'a', Console(b'$ '))
    with Person('watch', host.address) as user:
        user.expect(r'\$')
        user.type('rm -rf /\r')
        user.expect('not typed')
        user.escape('t')
        user.expect('only watch')
        user.escape('b')
        user.expect('no break')
        assert not host.console.input and not host.console.breaks
        assert not [kind for kind, *_ in host.received if kind in 'WIB']


def test_read_door(folder):
    host = Host(folder, 'a', role='read')
    with Person('attach', host.address) as user:
        user.expect('this door is for readers')
        user.type('x')
        user.expect('not typed')
        assert not [kind for kind, *_ in host.received if kind in 'WIB']


def test_break(folder):
    """A break keeps its place among the bytes."""
    host = Host(folder, 'a')
    host.window = 4
    with Person('attach', host.address) as user:
        wait_for(lambda: host.writer)
        user.type(b'123456\x1db789\x1db\x1dbx')
        wait_for(lambda: host.console.input == b'123456789x')
        assert host.console.breaks == [6, 9, 9], host.console.breaks
    with Person('attach', '--no-break', host.address) as user:
        wait_for(lambda: host.writer)
        user.type(b'\x1dby')
        wait_for(lambda: host.console.input.endswith(b'y'))
        user.expect('not allowed')
        assert len(host.console.breaks) == 3


def test_escapes(folder):
    host = Host(folder, 'a')
    with Person('attach', host.address, rows=33, cols=99) as user:
        wait_for(lambda: host.writer)
        user.escape('?')
        user.expect('leave')
        user.escape('s')
        user.expect('vm1/com1 at a: active, forced; keyboard: yours')
        user.type(b'\x1d\x1d')
        wait_for(lambda: host.console.input == b'\x1d')
        user.escape('z')
        wait_for(lambda: host.console.input == b'\x1dstty rows 33 cols 99\r')
        user.escape('r')
        user.expect('you do not have the keyboard')
        wait_for(lambda: not host.writer)


def test_protection_is_told(folder):
    host = Host(folder, 'a')
    with Person('attach', host.address) as user:
        wait_for(lambda: host.writer)
        user.silent(b'protected')
        host.set(protection='broken', event='protection')
        user.expect('not protected from the cloud VM: broken')
        host.set('restored', protection='none')
        host.set(attached=False)
        user.silent(b'cloud VM: none')
        host.set('active', attached=True)
        user.expect('not protected from the cloud VM: none')


def test_private_is_told(folder):
    """And what runs there, if that is what it looks like."""
    host = Host(folder, 'a')
    with Person('attach', host.address) as user:
        wait_for(lambda: host.writer)
        host.measurement = '0123456789abcdef' * 4
        host.set(protection='private', event='protection')
        user.expect(f"the guest's memory is private, launched as sha256 {host.measurement}")
        host.set(protection='forced', event='protection')
        host.measurement = '\x1b[31m' + 59 * 'a'
        host.set(protection='private', event='protection')
        user.expect(r"the guest's memory is private\]")
        host.set(protection='forced', event='protection')
        host.measurement = None
        host.set(protection='private', event='protection')
        user.expect(r"the guest's memory is private; it began with what the cloud VM gave\]")


def test_paste(folder):
    """What is typed faster than it is taken waits, and none is lost."""
    host = Host(folder, 'a')
    host.window = 1000
    text = b''.join(b'%06d ' % n for n in range(10000))
    with Person('attach', host.address) as user:
        wait_for(lambda: host.writer)
        for at in range(0, len(text), 1000):
            user.type(text[at:at + 1000])
            user.read(0)
        wait_for(lambda: len(host.console.input) >= len(text))
        assert host.console.input == text


def test_no_host(folder):
    run('attach', f'unix:{folder}/none', status=1)
    run('attach', 'nonsense:1', status=2)
    run('attach', '--hosts', f'{folder}/none', 'vm1', status=2)
    run('attach', '../etc/passwd', status=2)
    run('attach', 'ssh:-oProxyCommand=x', status=2)
