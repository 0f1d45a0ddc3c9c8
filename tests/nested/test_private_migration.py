# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM with private memory goes to another host, and back."""

import contextlib


def memory_of(host):
    guest = host.guest()
    assert guest['protection'] == 'private', guest
    return guest['memory']


@contextlib.contextmanager
def fails(pair, work):
    """Almost all of the memory has come; something happens, and the source goes on."""
    from lab.paused import go_on, start
    with pair.waiting_target():
        start(pair)
        yield
        go_on(pair)
        assert pair.inner.migrate_wait()['status'] == 'failed'
        if pair.new.name in pair.target.inners:
            pair.new.stop()
        pair.inner.set_capability('pause-before-switchover', False)
        assert pair.source.guest()['state'] == 'active', pair.source.guest()
        there = pair.target.guest()
        assert there['state'] == 'incoming' and not there['memory']['launched'], there
        pair.check_session()
        work.check()


def test_there_and_back(config):
    from lab.pair import Pair
    from lab.private import MemoryWork
    with Pair(config) as pair:
        pair.start_session(private=True, cpus=2)
        measurement = memory_of(pair.source)['measurement']
        work = MemoryWork(pair.console)
        with fails(pair, work):
            pair.new.kill()
        with fails(pair, work):
            # the cloud VM has the other host forget what has come
            pair.target.run('ultracall unbind vm1', check=True)
        pair.add_target(2)
        for _ in range(2):
            info, _, _ = pair.migrate(pair.console)
            assert info['status'] == 'completed', info
            print(f'# {info["total-time"]} ms / {info["downtime"]} ms', flush=True)
            pair.check_session()
            work.check()
            memory = memory_of(pair.source)
            assert memory['measurement'] == measurement and memory['vcpus'] == 2, memory
            assert not memory['refused'], memory
            assert not pair.target.guest()['memory']['launched']
        pair.inner.stop()
