# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM whose memory begins with what the cloud VM has, and is private when it says so."""

import contextlib
import re
import socket

import lab

SEAL = 0x5348


@contextlib.contextmanager
def imported_vm(host, **options):
    from lab.private import ImportedVm
    with ImportedVm(host, **options) as vm:
        yield vm.login()


def memory(vm):
    return vm.state()['memory']


def port(vm, command=''):
    """What the port says, after a shell command with it in $port"""
    status, output = vm.console.command(f'port="bs=1 count=1 status=none"; at={SEAL}; {command}'
                                        'dd if=/dev/port skip=$at $port')
    assert status == 0, output
    return output.strip()


def seal(vm):
    since = vm.host.qmp.mark()
    assert port(vm, 'printf S | dd of=/dev/port seek=$at conv=notrunc $port; ') == 'S'
    vm.host.qmp.wait_event('SHADOW_GUEST_SEALED', since, guest=vm.guest)


def check_sealed(vm):
    now = memory(vm)
    assert now['sealed'] and now['launched'] and not now['refused'], now
    assert now['start'] == 'imported' and 'measurement' not in now, now
    assert vm.state()['protection'] == 'private'


def greeting(vm):
    """What somebody who comes is told"""
    vm.console.close()
    with socket.socket(socket.AF_UNIX) as user:
        user.settimeout(lab.patience.scaled(lab.LONG))
        user.connect(vm.host.console_address(vm.guest, 1))
        said = b''
        while b']' not in said:
            said += user.recv(4096)
    vm.console.go_on(vm.host)
    return said.decode()


def check_locked(vm):
    """Private, and not sealed: it says so."""
    assert 'AMD SEV' in vm.console.command('dmesg')[1]
    now = memory(vm)
    assert now['launched'] and not now['sealed'] and now['imported'] > 1000, now
    assert vm.state()['protection'] == 'forced', vm.state()
    assert port(vm) == 'L'
    assert 'not sealed' in greeting(vm)


def test_seal(private_host):
    """Firmware, boot loader and kernel of the cloud VM's; two processors; then nothing more."""
    from lab.found import Secrets
    with imported_vm(private_host, cpus=2, chardev=True) as vm:
        check_locked(vm)
        for what in 'X', 'L', 'N':
            assert port(vm, f'printf {what} | dd of=/dev/port seek=$at $port; ') == 'L'
        private_host.run(f'printf S | dd of=/dev/port bs=1 seek={SEAL}', check=True)
        assert not memory(vm)['sealed']         # the cloud VM's port is another
        assert vm.console.command('nproc') == (0, '2\n')
        seal(vm)
        check_sealed(vm)
        assert 'began with what the cloud VM gave' in greeting(vm)
        imported = memory(vm)['imported']
        run = vm.console.command
        assert run('for i in 1 2 3 4; do (sha256sum /bin/busybox) & done; wait')[0] == 0
        assert run('dd if=/dev/zero of=/tmp/fill bs=1M count=64; rm /tmp/fill')[0] == 0
        said = run('dmesg')[1]
        assert not re.search(r'WARNING|BUG|Oops|Call Trace', said), said
        found = Secrets()
        found.leave(private_host, vm.console)
        times = found.found(private_host)
        vm.console.send('\r\x04')
        assert not any(times.values()), times
        check_sealed(vm)
        assert memory(vm)['imported'] == imported, memory(vm)


@lab.long
def test_reset(private_host):
    """What begins anew is not private before it says so itself, and has nothing of before."""
    with imported_vm(private_host, chardev=True) as vm:
        seal(vm)
        assert vm.console.command('echo mine >/tmp/here')[0] == 0
        vm.inner.qmp.cmd('system_reset')
        vm.console.wait_closed()        # its user is told, and comes anew
        assert 'private in it has ended' in vm.console.farewell, vm.console.farewell
        vm.console.go_on(private_host)
        vm.login()
        assert vm.console.command('cat /tmp/here')[0] != 0
        check_locked(vm)
        seal(vm)
        check_sealed(vm)
