# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM whose memory and registers are private."""

import contextlib
import secrets

import lab


@contextlib.contextmanager
def private_vm(config, append='console=ttyS0 quiet', cpus=1, user='root', **options):
    """Logged in at the console of one"""
    from lab.chardev import ChardevClient
    from lab.host import CloudHost
    from lab.private import MEMORY, add_memory
    with CloudHost(config, 'private', **options) as host:
        host.launch().wait_ready()
        host.add_guest('vm1', secrets.token_bytes(32))
        add_memory(host, config, append=append)
        with contextlib.closing(ChardevClient().connect(host, 'vm1')) as console:
            inner = host.start_inner('vm1', memory=MEMORY, cpus=cpus, private=True)
            console.login(user, lab.PASSWORD)
            yield host, inner, console
            inner.stop()


def test_two_cpus(config):
    with private_vm(config, cpus=2) as (host, inner, console):
        assert console.command('nproc') == (0, '2\n')
        assert console.command('for i in 1 2 3 4; do (sha256sum /bin/busybox) & done; wait')[0] == 0
        memory = host.guest()['memory']
        assert memory['launched'] and memory['vcpus'] == 2 and not memory['refused'], memory
        assert host.guest()['protection'] == 'private'


def search(config, private):
    """What root of the cloud VM finds of a session"""
    from lab.chardev import ChardevClient
    from lab.found import Secrets
    from lab.host import CloudHost
    from lab.private import MEMORY, add_memory
    with CloudHost(config, 'private' if private else 'ordinary') as host:
        host.launch().wait_ready()
        host.add_guest('vm1', secrets.token_bytes(32))
        if private:
            add_memory(host, config)
        with contextlib.closing(ChardevClient().connect(host, 'vm1')) as console:
            inner = host.start_inner('vm1', memory=MEMORY, private=private)
            console.login('root', lab.PASSWORD)
            found = Secrets()
            found.use(console)
            said = console.command('dmesg')[1]
            assert ('AMD SEV' in said) == private, said
            found.type_password(host, console)
            times = found.found(host)
            console.send('\r\x04')
            assert console.command('echo $((6*7))') == (0, '42\n')
            inner.stop()
    print(f'# {times}', flush=True)
    return times


def test_nothing_found(config):
    assert not any(search(config, True).values())


def test_all_found_otherwise(config):
    """That the search finds what is there"""
    assert all(search(config, False).values())
