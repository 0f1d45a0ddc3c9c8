# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts: the console and the login session move with the user VM."""

import contextlib
import secrets

import lab

MARK = 'same-session'


@contextlib.contextmanager
def user_vm(pair, target='same key', ports=1, **options):
    source = pair.source
    source.add_guest('vm1', pair.key, ports)
    if target:
        key = pair.key if target == 'same key' else secrets.token_bytes(32)
        pair.target.add_guest('vm1', key, ports, incoming=True)
    console = pair.boot('vm1', append='quiet', **options)
    console.login(lab.USER, lab.PASSWORD)
    console.command(f'export TRANSFER_MARK={MARK}')
    yield console
    pair.inner.stop()
    console.close()
    for host in pair.hosts:
        if target or host is source:
            host.remove_guest('vm1', ports)


def check_session(console):
    assert console.command('echo $TRANSFER_MARK')[1].strip() == MARK


def migrate_in_transfer(pair, console):
    from lab.transfer import Transfer
    transfer = Transfer(console, window=32).start()
    info, saved, restored = pair.migrate(console)
    assert transfer.progress < 1, 'the transfer ended before the migration'
    from_guest, to_guest = transfer.finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
    assert console.gap == 0, console.gap
    assert transfer.report['mark'] == MARK, transfer.report
    return info, saved, restored


def test_there_and_back_during_transfers(pair):
    with user_vm(pair) as console:
        first, second = pair.hosts
        _, saved, restored = migrate_in_transfer(pair, console)
        assert saved['bytes'] == restored['bytes'] > 0
        assert pair.source is second
        assert first.guest()['state'] == 'gone', first.guest()
        assert second.guest()['state'] == 'active', second.guest()
        check_session(console)
        _, again, _ = migrate_in_transfer(pair, console)
        assert again['epoch'] > saved['epoch'], (saved, again)
        assert first.guest()['state'] == 'active', first.guest()
        check_session(console)


def test_without_client(pair):
    """Nobody is connected: output waits, and the client misses nothing."""
    with user_vm(pair) as console:
        console.send('sleep 3; seq 2000\r')
        console.expect('seq 2000\r\n')
        console.close()
        pair.migrate()
        console.connect(pair.source)
        match = console.expect(r'(?s)((?:\d+\r\n){2000})', 120)
        assert match[1].split() == [b'%d' % n for n in range(1, 2001)]
        assert console.gap == 0
        check_session(console)


def check_refused(pair, target):
    from lab.transfer import Transfer
    with user_vm(pair, target) as console:
        source = pair.source
        transfer = Transfer(console, 40 * 1024, window=32).start()
        try:
            info, _, _ = pair.migrate(console)
            assert info['status'] == 'failed', info
        except Exception as error:
            # The agent at the target may refuse to start at all.
            from lab.host import InnerError
            if not isinstance(error, InnerError):
                raise
        from_guest, to_guest = transfer.finish()
        assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
        assert pair.source is source and console.connected
        assert pair.inner.qmp.cmd('query-status')['running']
        assert source.guest()['state'] == 'active', source.guest()
        check_session(console)


def test_target_without_the_guest(pair):
    check_refused(pair, None)


def test_target_with_another_key(pair):
    since = pair.target.qmp.mark()
    target = pair.target
    check_refused(pair, 'another key')
    assert target.qmp.find_event('SHADOW_GUEST_REFUSED', since), \
        target.qmp.names(since)


def test_target_then_the_right_one(pair):
    """After a refused migration another one succeeds."""
    with user_vm(pair, 'another key') as console:
        info, _, _ = pair.migrate(console)
        assert info['status'] == 'failed', info
        pair.target.remove_guest('vm1')
        pair.target.add_guest('vm1', pair.key, incoming=True)
        info, _, _ = pair.migrate(console)
        assert info['status'] == 'completed', info
        check_session(console)


def test_two_ports(pair):
    from lab.console import ConsoleClient
    with user_vm(pair, ports=2) as console:
        second = ConsoleClient().connect(pair.source, 'vm1', 2)
        second.send('\r')
        second.login(lab.USER, lab.PASSWORD)
        second.command('export TRANSFER_MARK=second')
        pair.migrate(console)
        second.follow(pair.source, 'vm1', 2)
        check_session(console)
        assert second.command('echo $TRANSFER_MARK')[1].strip() == 'second'
        second.close()
