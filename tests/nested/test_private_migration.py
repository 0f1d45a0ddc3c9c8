# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM with private memory goes to another host, and back."""

import contextlib
import secrets


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


def test_altered(config):
    """The cloud VM alters what it carries: the other host takes none of it."""
    from lab.pair import Pair
    from lab.private import MemoryWork
    from lab.relay import Flip
    with Pair(config) as pair:
        pair.start_session(private=True)
        work = MemoryWork(pair.console)
        with contextlib.ExitStack() as stack, pair.waiting_target():
            since = pair.target.qmp.mark()
            pair.migrate_start(
                through=lambda uri: stack.enter_context(Flip(uri, b'QSPR')).uri)
            assert pair.inner.migrate_wait()['status'] == 'failed'
            reason = pair.target.qmp.wait_event('SHADOW_GUEST_REFUSED', since)['data']['reason']
            assert 'private memory' in reason and 'altered' in reason, reason
            pair.new.stop()
            there = pair.target.guest()
            assert there['state'] == 'incoming' and not there['memory']['launched'], there
            pair.check_session()
            work.check()
        pair.inner.stop()


def test_calls_on_two_cpus(config):
    """While it works, root of a cloud VM with two NUMA nodes takes its pages by all means."""
    from lab.host import CloudHost, two_nodes
    from lab.private import MemoryWork, PrivateVm
    with CloudHost(config, 'pages', cpus=2, memory=1280, extra=two_nodes(1280)) as host:
        host.launch().wait_ready()
        with PrivateVm(host, user='root', cpus=2) as vm:
            run = vm.login().console.command
            secret = f'combination-{secrets.token_hex(8)}'
            assert run(f'echo {secret} >/tmp/secret')[0] == 0
            work = MemoryWork(vm.console)
            said = vm.checks(f'attack-pages vm1 {secret}', at=host.run)
            for line in said.splitlines():
                if line.startswith('INFO'):
                    print(f'# {line[5:]}', flush=True)
            work.check()
            assert run('cat /tmp/secret') == (0, f'{secret}\n')
            state = vm.state()
            assert state['state'] == 'active' and not state['memory']['refused'], state


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
