# SPDX-License-Identifier: GPL-2.0-or-later
"""The destination has taken the state, and ends before its user VM has run."""

from lab.paused import restart
from lab.transfer import Transfer


def migrate_to_paused(pair, **capabilities):
    """Up to where the target has everything, and waits."""
    since = pair.target.qmp.mark()
    pair.migrate_start(paused=True, **capabilities)
    assert pair.inner.migrate_wait()['status'] == 'completed'
    pair.target.qmp.wait_event('SHADOW_GUEST_RESTORED', since)
    assert pair.target.guest()['state'] == 'restored', pair.target.guest()


def test_killed_and_another_takes_over(pair):
    """The source has not been told that the target has it, and so still knows all."""
    with pair.waiting_target():
        transfer = Transfer(pair.console, 16 * 1024, window=32).start()
        migrate_to_paused(pair, return_path=False)
        assert pair.source.guest()['state'] == 'frozen', pair.source.guest()
        pair.new.kill()
        pair.inner.qmp.cmd('cont')
        assert pair.source.guest()['state'] == 'active', pair.source.guest()
        pair.inner.set_capability('return-path', True)
        info, saved, restored = pair.migrate(pair.console)
        assert info['status'] == 'completed', info
        assert saved['epoch'] == restored['epoch'], (saved, restored)
        from_guest, to_guest = transfer.finish()
        assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
        pair.check_session()
        assert pair.target.guest()['state'] == 'gone', pair.target.guest()
        assert pair.source.guest()['state'] == 'active', pair.source.guest()


def test_taken_back(chardev_pair):
    """The source has given the guest away, and its user VM goes on there all the same, as
    libvirt has it; no operator is asked."""
    pair = chardev_pair
    with pair.waiting_target():
        since = pair.source.qmp.mark()
        migrate_to_paused(pair)
        pair.console.wait_closed()
        assert pair.source.guest()['state'] == 'gone', pair.source.guest()
        pair.new.kill()
        pair.inner.qmp.cmd('cont')
        pair.source.qmp.wait_event('SHADOW_GUEST_ABORTED', since)
        assert pair.source.guest()['state'] == 'active', pair.source.guest()
        pair.console.go_on(pair.source)
        pair.check_session()
        info, _, _ = pair.migrate(pair.console)
        assert info['status'] == 'completed', info
        pair.check_session()


def test_ended_after_commit(chardev_pair):
    """The same, but that the operator takes it back."""
    pair = chardev_pair
    with pair.waiting_target():
        migrate_to_paused(pair)
        pair.console.wait_closed()
        assert pair.source.guest()['state'] == 'gone', pair.source.guest()
        pair.new.stop()
        state = pair.target.guest()
        assert state['state'] == 'incoming' and not state['bound-by-process'], state
        pair.source.qmp.cmd('shadow-guest-resume', guest='vm1')
        pair.inner.qmp.cmd('cont')
        pair.console.connect(pair.source)
        pair.check_session()
        assert pair.source.guest()['state'] == 'active', pair.source.guest()
        assert pair.target.guest()['state'] == 'incoming', pair.target.guest()


def test_killed_when_it_runs(pair):
    """The user VM is lost, but not its console."""
    with pair.waiting_target():
        info, _, _ = pair.migrate(pair.console)
        assert info['status'] == 'completed', info
        pair.inner.kill()
        assert pair.target.guest()['state'] == 'gone', pair.target.guest()
        assert pair.source.guest()['state'] == 'active', pair.source.guest()
        restart(pair)
