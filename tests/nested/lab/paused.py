# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations that wait at a point, for something to happen there, or that fail."""

import concurrent.futures
import contextlib

from .patience import LONG, scaled
from .transfer import Transfer


@contextlib.contextmanager
def paused(pair, saved=False, session=True):
    """A migration that waits: before SAVE, or after it for a target that hangs. It
    fails within; then the source has the session still, unless it is not looked for."""
    with pair.waiting_target():
        # Where the user VM is lost, there is none: what it has not read would be typed
        # to the next one, and the threads here would read of that one's output.
        transfer = Transfer(pair.console, 16 * 1024, window=32).start() if session \
            else None
        start(pair)
        if saved:
            pair.new.signal('STOP')
            save(pair)
        else:
            assert pair.source.guest()['state'] == 'active', pair.source.guest()
        yield
        if transfer:
            from_guest, to_guest = transfer.finish()
            assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
            pair.inner.set_capability('pause-before-switchover', False)
            assert pair.source.guest()['state'] == 'active', pair.source.guest()
            assert pair.console.connected
            pair.check_session()
        assert pair.target.guest()['state'] == 'incoming', pair.target.guest()


@contextlib.contextmanager
def frozen(pair):
    """The user VM moves; on its way it stands still, its state saved, for as long as wanted."""
    start(pair)
    pair.new.signal('STOP')
    save(pair)
    yield
    pair.new.signal('CONT')
    info, _, _ = pair.migrate_finish()
    assert info['status'] == 'completed', info


def start(pair, **options):
    """Up to the last moment before SAVE."""
    since = pair.inner.qmp.mark()
    leave_little(pair)
    pair.migrate_start(pause_before_switchover=True, **options)
    wait_switchover(pair, since)


def leave_little(pair):
    """At most so much memory is left for the end that it fits into the buffers of the
    connection: else SAVE, which comes after it, would never come to a target that does
    not read. (For the estimate only: it is not sent more slowly.)"""
    pair.inner.qmp.cmd('migrate-set-parameters', avail_switchover_bandwidth=4 << 20)


def wait_switchover(pair, since):
    pair.inner.qmp.wait_event('MIGRATION', since, status='pre-switchover')


def go_on(pair):
    pair.inner.qmp.cmd('migrate-continue', state='pre-switchover')


def save(pair):
    """Go on to where the source is frozen; the target can not take the state."""
    since = pair.source.qmp.mark()
    go_on(pair)
    pair.source.qmp.wait_event('SHADOW_GUEST_SAVED', since)
    assert pair.source.guest()['state'] == 'frozen', pair.source.guest()


def cancel(pair):
    """While the end of a migration waits for room in the connection, QEMU hears
    nothing but what is said out of band."""
    done = pair.inner.qmp.begin('migrate_cancel')
    if concurrent.futures.wait([done], 20).not_done:
        pair.inner.qmp.begin('yank', oob=True, instances=[{'type': 'migration'}]).result(scaled(LONG))
    done.result(scaled(LONG))
    # QEMU closes the return path first: the migration may see that as a failure.
    status = pair.inner.migrate_wait()['status']
    assert status in ('cancelled', 'failed'), status


def restart(pair):
    """The user VM is lost; another one goes on with the guest's console."""
    pair.boot_again()
    pair.new_session()
    pair.check_session()


def check_refused(pair):
    """The migration fails, the source goes on and the user's session with it."""
    from .host import InnerError
    source = pair.source
    transfer = Transfer(pair.console, 16 * 1024, window=32).start()
    try:
        info, _, _ = pair.migrate(pair.console)
        assert info['status'] == 'failed', info
    except InnerError:
        pass    # the agent at the target may refuse to start at all
    from_guest, to_guest = transfer.finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
    assert pair.source is source and pair.console.connected
    assert pair.inner.qmp.cmd('query-status')['running']
    assert source.guest()['state'] == 'active', source.guest()
    pair.check_session()
