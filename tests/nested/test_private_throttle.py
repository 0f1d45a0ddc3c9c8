# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM that writes to its private memory faster than it can be sent: it is slowed down, for as
long as it is being sent."""

import contextlib

import lab

AGENT = '/machine/peripheral/agent'
ROUNDS = 6          # of QEMU's, in which it slows a guest down that writes to other memory
PAGES = 4096
GOES_ON = 'setup', 'active', 'pre-switchover'


class Writer:
    """Of the user VM: writes to all of so many pages, again and again, without a pause to speak of"""

    def __init__(self, pair):
        self.pair = pair
        pair.console.command(f'(measure write {PAGES} 100000000 >/dev/null 2>&1 &)')

    def throttle(self, which):
        self.pair.inner.qmp.cmd('qom-set', path=AGENT, property='throttle', value=which)

    def start(self, **capabilities):
        self.pair.inner.qmp.cmd('migrate-set-parameters', downtime_limit=5)
        self.pair.migrate_start(**capabilities)

    def told(self):
        """query-migrate, and what it says of throttling"""
        info = self.pair.inner.qmp.cmd('query-migrate')
        return info, info.get('cpu-throttle-percentage', 0)

    def wait_slow(self):
        """The migration goes on, and the user VM has been slowed down."""
        def slow():
            info, percent = self.told()
            assert info['status'] in GOES_ON, info
            assert percent <= 99, info
            return percent
        assert lab.wait_until(slow), self.told()
        print(f'# {self.told()[1]} %', flush=True)

    def wait_rounds(self, rounds):
        """The migration goes through so many, and the user VM is not slowed down."""
        def count():
            info, percent = self.told()
            assert info['status'] in GOES_ON and not percent, info
            return info.get('ram', {}).get('dirty-sync-count', 0)
        assert lab.wait_until(lambda: count() >= rounds), self.told()

    def check_free(self):
        """It is not slowed down any more. QEMU tells that while it migrates only; by this
        migration it would not come to be."""
        self.throttle('off')
        with cancelled(self.pair, self):
            self.wait_rounds(1)
        self.throttle('auto')


@contextlib.contextmanager
def fails(pair, writer, *statuses, **capabilities):
    with pair.waiting_target():
        writer.start(**capabilities)
        yield
        info = pair.inner.migrate_wait()
        assert info['status'] in statuses, info
        if pair.new.name in pair.target.inners:
            pair.new.kill()
        pair.check_session()


@contextlib.contextmanager
def cancelled(pair, writer, **capabilities):
    """It does not come to its end before that, however little the user VM gets to write."""
    capabilities['pause_before_switchover'] = True
    # QEMU closes the return path first: the migration may see that as a failure.
    with fails(pair, writer, 'cancelled', 'failed', **capabilities):
        yield
        pair.inner.qmp.cmd('migrate_cancel')
    for name in capabilities:
        pair.inner.set_capability(name.replace('_', '-'), False)


@lab.long
def test_slowed_down(config):
    from lab.pair import Pair
    with Pair(config) as pair:
        pair.start_session(private=True, agent='shadow-agent,id=agent')
        writer = Writer(pair)

        # QEMU's own means count pages of which the inner QEMU has none.
        writer.throttle('off')
        with cancelled(pair, writer, auto_converge=True):
            writer.wait_rounds(ROUNDS)

        writer.throttle('auto')
        with cancelled(pair, writer):
            writer.wait_slow()
        writer.check_free()
        with fails(pair, writer, 'failed'):
            writer.wait_slow()
            pair.new.kill()
        writer.check_free()

        pair.add_target(2)
        writer.start()
        writer.wait_slow()
        info, _, _ = pair.migrate_finish(pair.console)
        assert info['status'] == 'completed', info
        pair.check_session()
        assert pair.console.command('killall -0 measure')[0] == 0
        pair.inner.stop()
