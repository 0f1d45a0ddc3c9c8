# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM whose memory and registers are private."""

import contextlib


@contextlib.contextmanager
def user_vm(config, private, **options):
    """Root logged in at the console of a private or an ordinary one"""
    from lab.host import CloudHost
    from lab.private import MEMORY, PrivateVm
    from lab.uservm import UserVm
    with CloudHost(config, 'private' if private else 'ordinary') as host:
        host.launch().wait_ready()
        with (PrivateVm if private else UserVm)(host, user='root', chardev=True, memory=MEMORY,
                                                **options) as vm:
            yield vm.login()


def test_two_cpus(config):
    with user_vm(config, True, cpus=2) as vm:
        run = vm.console.command
        assert run('nproc') == (0, '2\n')
        assert run('for i in 1 2 3 4; do (sha256sum /bin/busybox) & done; wait')[0] == 0
        memory = vm.state()['memory']
        assert memory['launched'] and memory['vcpus'] == 2 and not memory['refused'], memory
        assert vm.state()['protection'] == 'private'


def search(config, private):
    """What root of the cloud VM finds of a session"""
    from lab.found import Secrets
    with user_vm(config, private) as vm:
        found = Secrets()
        found.use(vm.console)
        said = vm.console.command('dmesg')[1]
        assert ('AMD SEV' in said) == private, said
        found.type_password(vm.host, vm.console)
        times = found.found(vm.host)
        vm.console.send('\r\x04')
        vm.check_console()
    print(f'# {times}', flush=True)
    return times


def test_nothing_found(config):
    assert not any(search(config, True).values())


def test_all_found_otherwise(config):
    """That the search finds what is there"""
    assert all(search(config, False).values())
