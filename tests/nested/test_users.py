# SPDX-License-Identifier: GPL-2.0-or-later
"""Users of a chardev who type, or do not read, while the user VM moves; hosts without room."""

import os

import lab
from lab.paused import cancel, check_refused, paused

ANSWER = b''.join(b'%d\r\n' % n for n in range(1, 501))     # seq 500


def device(host):
    return next(d for d in host.guest()['devices'] if d['id'] == 'vm1-com1')


def test_typed_on_both_sides(chardev_pair):
    """The user has typed at the source what the guest has not read yet, and waits
    already at the target, where more is typed: it is read after that, in its order."""
    first, second = 'echo source-$((1+1))\r', 'echo target-$((1+1))\r'
    pair, console = chardev_pair, chardev_pair.console
    with pair.waiting_target():
        source, target = pair.source, pair.target
        pair.inner.qmp.cmd('stop')
        console.send(first)
        assert lab.wait_until(lambda: device(source)['input-accepted'] == console.sent)
        since = target.qmp.mark()
        early = console.knock(target, second)
        pair.migrate()      # it is paused at the target, too
        assert target.guest()['state'] == 'restored', target.guest()
        assert device(target)['input-accepted'] == console.sent, device(target)
        pair.inner.qmp.cmd('cont')
        console.enter(target, early, since)
        console.expect('source-2\r\n')
        console.expect('target-2\r\n')
        console.expect(r'\$ ')
        pair.check_session()


def test_slow_user(chardev_pair):
    """Output waits for a user who does not read, there and here, for as much as the
    console holds; the migration does not wait."""
    pair, console, commands = chardev_pair, chardev_pair.console, 0
    # What is typed is not echoed: the shell's own echo ends when it runs a command.
    console.send('stty -echo; echo ready-$((1+1)); while read x; do seq 500; done; stty echo\r')
    console.expect('ready-2\r\n')
    with pair.waiting_target():
        source = pair.source
        start = device(source)['output-produced']
        console.reading(False)
        while device(source)['output-produced'] - device(source)['output-sent'] < 8192:
            console.send('\r')
            commands += 1
            end = start + commands * len(ANSWER)
            assert lab.wait_until(lambda: device(source)['output-produced'] == end)
        info, _, _ = pair.migrate()
        assert info['status'] == 'completed', info
        assert console.connected
        console.reading(True)
        console.wait_closed()
        console.connect(pair.source)
        assert device(pair.source)['output-dropped'] == 0, device(pair.source)
        console.send('\x04')
        match = console.expect(r'([\d\r\n]*)[^\r\n]*\$ ')
        assert match[1] == commands * ANSWER, match[1]
        pair.check_session()


def test_next_user_finds_no_shell(host):
    """With hangup= the session of one who has gone ends, in a guest that heeds the carrier."""
    from lab.doors import UserClient
    from lab.uservm import UserVm
    with UserVm(host, user='root', device={'hangup': 'last-writer'}) as vm:
        vm.login()
        vm.console.command('stty -clocal; export WHO=the-first')
        vm.console.close()
        ended = vm.console.news()[-1]['output']
        vm.console = UserClient(vm, vm.guest, start=ended)
        vm.login()
        assert vm.console.command('echo "<$WHO>"')[1] == '<>\n'


def test_hosts_without_room(pair):
    """L0 at the target cannot keep what it must not forget; nor then, when it is the
    source of a migration that fails, until there is room again."""
    with_room = f'{pair.target.dir}/state'
    os.mkdir(with_room)
    with pair.waiting_target(state_file=f'{with_room}/vm1'):
        since = pair.target.qmp.mark()
        os.rename(with_room, f'{with_room}-away')
        check_refused(pair)
        reason = pair.target.qmp.wait_event('SHADOW_GUEST_REFUSED', since)['data']['reason']
        assert 'cannot keep the epoch' in reason, reason
        assert pair.target.guest()['state'] == 'incoming', pair.target.guest()
        os.rename(f'{with_room}-away', with_room)
        info, _, _ = pair.migrate(pair.console)
        assert info['status'] == 'completed', info
        pair.check_session()

    with paused(pair, saved=True):
        os.rename(with_room, f'{with_room}-away')
        cancel(pair)
        assert pair.source.guest()['state'] == 'frozen', pair.source.guest()
        os.rename(f'{with_room}-away', with_room)
        assert lab.wait_until(lambda: pair.source.guest()['state'] == 'active')
        pair.new.kill()
