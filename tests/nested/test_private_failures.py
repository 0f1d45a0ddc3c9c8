# SPDX-License-Identifier: GPL-2.0-or-later
"""What fails while private memory is on its way: the user VM is on one side, with all of it."""

import contextlib

import lab
from lab.paused import cancel, go_on, restart, save, start

# How many records are on their way when something happens; 0: later
RECORDS = {'first': 1, 'midst': 12, 'stopped': 0, 'saved': 0}
TURN = 'for n in 0 1; do echo $n >/sys/devices/system/cpu/cpu1/online || echo >/tmp/wrong; ' \
       'echo >>/tmp/turns; done'


@contextlib.contextmanager
def private_pair(config, **options):
    from lab.pair import Pair
    with Pair(config) as pair:
        pair.start_session(private=True, **options)
        yield pair


@contextlib.contextmanager
def on_its_way(pair, phase):
    """A migration that has come so far; the connection, to be cut. The other host has nothing of
    the user VM afterwards."""
    from lab.relay import Break
    connection = None

    def through(uri):
        nonlocal connection
        connection = stack.enter_context(Break(uri, b'QSPR', RECORDS[phase]))
        return connection.uri
    with pair.waiting_target(), contextlib.ExitStack() as stack:
        if RECORDS[phase]:
            pair.migrate_start(through=through)
            assert lab.wait_until(connection.held.is_set)
        else:
            start(pair, through=through)
        if phase == 'saved':
            pair.new.signal('STOP')
            save(pair)
        else:
            assert pair.source.guest()['state'] == 'active', pair.source.guest()
        yield connection


def check_elsewhere(pair):
    """Nothing is at the other host."""
    if pair.new.name in pair.target.inners:
        pair.new.kill()
    there = pair.target.guest()
    assert there['state'] == 'incoming' and not there['memory']['launched'], there
    assert there['memory']['vcpus'] == 0, there


def check_here(pair, work):
    """The source goes on with every page."""
    assert pair.inner.migrate_wait()['status'] in ('failed', 'cancelled')
    pair.inner.set_capability('pause-before-switchover', False)
    check_elsewhere(pair)
    here = pair.source.guest()
    assert here['state'] == 'active' and here['protection'] == 'private', here
    assert not here['memory']['refused'], here
    pair.check_session()
    work.check()


def target_killed(pair, connection):
    pair.new.kill()
    connection.cut()


def link_cut(pair, connection):
    connection.cut()


def cancelled(pair, connection):
    cancel(pair)


def one_side(config, what):
    from lab.private import MemoryWork
    with private_pair(config) as pair:
        work = MemoryWork(pair.console)
        for phase in RECORDS:
            with on_its_way(pair, phase) as connection:
                what(pair, connection)
                if phase == 'stopped' and what is not cancelled:
                    go_on(pair)     # until then the source looks at nothing
                check_here(pair, work)
            print(f'# {what.__name__}, {phase}: goes on', flush=True)
        pair.add_target(2)
        info, _, _ = pair.migrate(pair.console)
        assert info['status'] == 'completed', info
        pair.check_session()
        work.check()
        pair.inner.stop()


@lab.long
def test_link_cut_at_any_time(config):
    one_side(config, link_cut)


@lab.long
def test_target_killed_at_any_time(config):
    one_side(config, target_killed)


@lab.long
def test_cancelled_at_any_time(config):
    one_side(config, cancelled)


@lab.long
def test_source_killed_at_any_time(config):
    """The user VM is lost with its inner QEMU, as any machine that is switched off; what has come to
    the other host is nothing without the state. After SAVE an operator says that it is here."""
    from lab.uservm import refused
    with private_pair(config) as pair:
        for phase in RECORDS:
            with on_its_way(pair, phase) as connection:
                pair.inner.kill()
                connection.cut()
                check_elsewhere(pair)
                if phase == 'saved':
                    assert pair.source.guest()['state'] == 'frozen', pair.source.guest()
                    error = refused(pair.source, 'vm1', append='quiet')
                    assert 'not active' in error and 'shadow-guest-resume' in error, error
                    pair.source.qmp.cmd('shadow-guest-resume', guest='vm1')
                assert pair.source.guest()['state'] == 'active', pair.source.guest()
            restart(pair)
            here = pair.source.guest()
            assert here['protection'] == 'private' and here['memory']['launched'], here
            print(f'# source killed, {phase}: begun anew', flush=True)
        pair.inner.stop()


@lab.long
def test_source_killed_when_all_has_left(config):
    """The state is on its way as a whole: the user VM goes on at the other host, and there only."""
    from lab.private import MemoryWork
    with private_pair(config) as pair:
        work = MemoryWork(pair.console)
        with pair.waiting_target():
            since = pair.target.qmp.mark()
            start(pair)
            pair.new.signal('STOP')
            save(pair)
            pair.inner.kill()
            pair.new.signal('CONT')
            pair.target.qmp.wait_event('SHADOW_GUEST_ACTIVATED', since, guest='vm1')
            assert pair.source.guest()['state'] == 'frozen', pair.source.guest()
            pair.inner, pair.source, pair.target = pair.new, pair.target, pair.source
            pair.console.come_back(pair.source)
            here = pair.source.guest()
            assert here['protection'] == 'private' and not here['memory']['refused'], here
            pair.check_session()
            work.check()
        pair.inner.stop()


@lab.long
def test_cpus_off_and_on(config):
    """While it migrates, there and back, its second CPU is taken off and on again."""
    from lab.private import MemoryWork, remove_memory
    with private_pair(config, cpus=2, user='root') as pair:
        run = pair.console.command
        work = MemoryWork(pair.console)
        run(f'touch /tmp/turns; (while :; do {TURN}; done) >/dev/null 2>&1 & turning=$!')
        for _ in range(4):
            turns = int(run('wc -l </tmp/turns')[1])
            pair.add_target(2)
            info, _, _ = pair.migrate(pair.console)
            assert info['status'] == 'completed', info
            assert run(f'while [ $(wc -l </tmp/turns) -lt {turns + 4} ]; do sleep 0.1; done')[0] == 0
            assert run('test -e /tmp/wrong')[0] == 1
            pair.check_session()
            work.check()
            remove_memory(pair.target)
            pair.target.remove_guest('vm1', 2)
        assert run('kill $turning; wait $turning; echo 1 >/sys/devices/system/cpu/cpu1/online; nproc')[1] \
            .endswith('2\n')
        assert run('taskset 2 sha256sum /bin/busybox >/dev/null')[0] == 0
        said = run('dmesg')[1]
        assert 'WARNING' not in said and 'stuck' not in said, said
        assert not pair.source.guest()['memory']['refused'], pair.source.guest()
        pair.inner.stop()
