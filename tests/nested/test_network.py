# SPDX-License-Identifier: GPL-2.0-or-later
"""The link between two cloud hosts is cut in the midst of a migration."""

import contextlib

import lab
from lab import paused
from lab.transfer import Transfer

SLOW = 3 << 20      # bytes a second: the user VM's memory takes half a minute


@contextlib.contextmanager
def cut(host):
    """Nothing gets to the cloud VM nor from it; L0's own connections stay."""
    host.qmp.cmd('set_link', name='net0', up=False)
    yield
    host.qmp.cmd('set_link', name='net0', up=True)


@contextlib.contextmanager
def room(host):
    """While nothing is answered, what comes before SAVE has to fit into the connection's
    buffer: the memory that is left. Of itself the kernel makes it as large as the link
    seemed to need before."""
    sizes = '/proc/sys/net/ipv4/tcp_wmem'
    before = host.run(f'cat {sizes}', check=True)[1].strip()
    host.run(f'echo 4194304 4194304 4194304 >{sizes}', check=True)
    yield
    host.run(f'echo {before} >{sizes}', check=True)


def transferred(pair):
    return pair.inner.qmp.cmd('query-migrate').get('ram', {}).get('transferred', 0)


def sent_again(host):
    """How often L1's kernel has sent the same again, for want of an answer."""
    _, output = host.run("awk '$4 == \"01\" { print $7 }' /proc/net/tcp", check=True)
    return max(int(count, 16) for count in output.split())


def test_short_cuts(pair):
    """While memory is sent, and around SAVE: the migration waits, and completes."""
    with room(pair.source), pair.waiting_target():
        source, target = pair.source, pair.target
        transfer = Transfer(pair.console, 16 * 1024, window=32).start()
        since = pair.inner.qmp.mark()
        paused.leave_little(pair)
        pair.inner.qmp.cmd('migrate-set-parameters', max_bandwidth=SLOW)
        pair.migrate_start(pause_before_switchover=True)
        assert lab.wait_until(lambda: transferred(pair) > 1 << 20)
        with cut(source):
            assert lab.wait_until(lambda: sent_again(source) > 2), \
                source.run('cat /proc/net/tcp')
        pair.inner.qmp.cmd('migrate-set-parameters', max_bandwidth=1 << 30)
        paused.wait_switchover(pair, since)
        with cut(target):
            paused.save(pair)
        info, _, _ = pair.migrate_finish(pair.console)
        assert info['status'] == 'completed', info
        from_guest, to_guest = transfer.finish()
        assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
        pair.inner.set_capability('pause-before-switchover', False)
        pair.check_session()
        assert source.guest()['state'] == 'gone', source.guest()
        assert target.guest()['state'] == 'active', target.guest()


def test_long_cut(pair):
    """The envelope never arrives; whoever migrates gives up, and the source goes on."""
    with room(pair.source), paused.paused(pair):
        with cut(pair.target):
            paused.save(pair)
            paused.cancel(pair)
        pair.new.kill()
