# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts: the console and the login session move with the user VM."""

import secrets

import lab
from lab.paused import check_refused


def migrate_in_transfer(pair):
    from lab.transfer import Transfer
    transfer = Transfer(pair.console, 100 * 1024, window=32).start()
    info, saved, restored = pair.migrate(pair.console)
    assert info['status'] == 'completed', info
    assert transfer.progress < 1, 'the transfer ended before the migration'
    from_guest, to_guest = transfer.finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
    assert transfer.report['mark'] == pair.mark, transfer.report
    pair.check_session()
    return info, saved, restored


def test_there_and_back_during_transfers(pair):
    with pair.waiting_target():
        first, second = pair.source, pair.target
        _, saved, restored = migrate_in_transfer(pair)
        assert saved['bytes'] == restored['bytes'] > 0
        assert pair.source is second
        assert first.guest()['state'] == 'gone', first.guest()
        assert second.guest()['state'] == 'active', second.guest()
        _, again, _ = migrate_in_transfer(pair)
        assert again['epoch'] > saved['epoch'], (saved, again)
        assert first.guest()['state'] == 'active', first.guest()


def test_without_client(pair):
    """Nobody is connected: output waits, and the client misses nothing."""
    console = pair.console
    with pair.waiting_target():
        console.send('sleep 3; seq 2000\r')
        console.expect('seq 2000\r\n')
        console.close()
        pair.migrate()
        pair.console = console = pair.user(start=console.news()[-1]['output'])
        match = console.expect(r'(?s)((?:\d+\r\n){2000})')
        assert match[1].split() == [b'%d' % n for n in range(1, 2001)]
        pair.check_session()


def test_hosts_without_a_shared_secret(pair):
    """Sealed to the target's key, and signed by the source."""
    key = secrets.token_bytes(32)
    with pair.waiting_target(key):
        pair.introduce_hosts()
        info, saved, restored = pair.migrate(pair.console)
        assert info['status'] == 'completed', info
        assert saved['bytes'] == restored['bytes'], (saved, restored)
        pair.key = key
        pair.check_session()


def test_two_ports(pair):
    """The user is in two sessions at once, one on each port."""
    with pair.waiting_target():
        second = pair.user(port=2)
        second.send('\r')
        second.login(lab.USER, lab.PASSWORD)
        second.command('export TRANSFER_MARK=second')
        pair.migrate(pair.console, second)
        pair.check_session()
        assert second.command('echo $TRANSFER_MARK')[1].strip() == 'second'
        second.send('exit\r')
        second.expect('login: ')
        second.close()


def test_target_without_the_guest(pair):
    check_refused(pair)


def test_target_with_another_key(pair):
    """And after the refused migration another one succeeds."""
    target = pair.target
    since = target.qmp.mark()
    with pair.waiting_target(secrets.token_bytes(32)):
        check_refused(pair)
    target.qmp.wait_event('SHADOW_GUEST_REFUSED', since)
    with pair.waiting_target():
        info, _, _ = pair.migrate(pair.console)
        assert info['status'] == 'completed', info
        pair.check_session()
