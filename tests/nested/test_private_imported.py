# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM whose memory begins with what the cloud VM has, and is private when it says so."""

import contextlib
import re
import socket
import subprocess
import sys

import lab

SEAL = 0x5348


@contextlib.contextmanager
def imported_vm(host, **options):
    from lab.private import ImportedVm
    with ImportedVm(host, **options) as vm:
        yield vm.login()


def memory(vm):
    return vm.state()['memory']


def port(console, command=''):
    """What the port says, after a shell command with it in $port"""
    status, output = console.command(f'port="bs=1 count=1 status=none"; at={SEAL}; {command}'
                                        'dd if=/dev/port skip=$at $port')
    assert status == 0, output
    return output.strip()


def seal(host, console):
    since = host.qmp.mark()
    assert port(console, 'printf S | dd of=/dev/port seek=$at conv=notrunc $port; ') == 'S'
    host.qmp.wait_event('SHADOW_GUEST_SEALED', since, guest='vm1')


def check_sealed(guest):
    """What L0's operator is told of it; how many pages have come from the cloud VM"""
    now = guest['memory']
    assert now['sealed'] and now['launched'] and not now['refused'], now
    assert now['start'] == 'imported' and 'measurement' not in now, now
    assert guest['protection'] == 'private', guest
    return now['imported']


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
    assert port(vm.console) == 'L'
    assert 'not sealed' in greeting(vm)


def test_seal(private_host):
    """Firmware, boot loader and kernel of the cloud VM's; two processors; then nothing more."""
    from lab.found import Secrets
    with imported_vm(private_host, cpus=2, chardev=True) as vm:
        check_locked(vm)
        for what in 'X', 'L', 'N':
            assert port(vm.console, f'printf {what} | dd of=/dev/port seek=$at $port; ') == 'L'
        private_host.run(f'printf S | dd of=/dev/port bs=1 seek={SEAL}', check=True)
        assert not memory(vm)['sealed']         # the cloud VM's port is another
        assert vm.console.command('nproc') == (0, '2\n')
        seal(private_host, vm.console)
        imported = check_sealed(vm.state())
        assert 'began with what the cloud VM gave' in greeting(vm)
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
        assert check_sealed(vm.state()) == imported, memory(vm)


@lab.long
def test_reset(private_host):
    """What begins anew is not private before it says so itself, and has nothing of before."""
    with imported_vm(private_host, chardev=True) as vm:
        seal(private_host, vm.console)
        assert vm.console.command('echo mine >/tmp/here')[0] == 0
        vm.inner.qmp.cmd('system_reset')
        vm.console.wait_closed()        # its user is told, and comes anew
        assert 'private in it has ended' in vm.console.farewell, vm.console.farewell
        vm.console.go_on(private_host)
        vm.login()
        assert vm.console.command('cat /tmp/here')[0] != 0
        check_locked(vm)
        seal(private_host, vm.console)
        check_sealed(vm.state())


@lab.long
def test_disk(config):
    """Firmware, and the boot loader of a disk, which is the cloud VM's as well."""
    from lab.host import CloudHost
    from lab.private import ImportedVm, check_nothing_strange, disk
    subprocess.run([f'{lab.ROOT}/scripts/disk.sh'], stdout=sys.stderr, check=True)
    with CloudHost(config, 'disk', cpus=2, memory=1280,
                   files=[('grub.img', f'{config.images}/grub.img')]) as host:
        host.launch().wait_ready()
        host.run('(cat /grub.img; tar c -C /l2 vmlinuz l2.cpio.gz) >/tmp/disk && '
                 'truncate -s 129M /tmp/disk', check=True)
        with ImportedVm(host, cpus=2, chardev=True, disk=True, extra=disk('/tmp/disk')) as vm:
            vm.login()
            run = vm.console.command
            assert 'BOOT_IMAGE=/vmlinuz' in run('cat /proc/cmdline')[1]
            check_locked(vm)
            seal(host, vm.console)
            assert run('l2-load')[0] == 0
            for file in 'vmlinuz', 'l2.cpio.gz':
                status, there = run(f'tar xOf /dev/vda1 {file} | sha256sum')
                assert status == 0
                assert there == host.run(f'sha256sum </l2/{file}', check=True)[1]
            check_sealed(vm.state())
            check_nothing_strange(vm)


def early(pair):
    """The other host is told nothing, and the user VM does not stand still for a moment."""
    with pair.waiting_target():
        since = pair.inner.qmp.mark(), pair.target.qmp.mark()
        pair.migrate_start()
        info = pair.inner.migrate_wait()
        pair.new.stop()
        assert info['status'] == 'failed' and 'not sealed' in info['error-desc'], info
        assert not pair.inner.qmp.find_event('STOP', since[0])
        assert not pair.target.qmp.find_event('SHADOW_GUEST_REFUSED', since[1])
        there = pair.target.guest()
        assert there['state'] == 'incoming' and not there['memory']['launched'], there
        here = pair.source.guest()
        assert here['state'] == 'active' and here['protection'] == 'forced', here
        pair.check_session()


@lab.long
def test_migration(config):
    """Not before it is sealed; then as any other, and what is in it stays unknown to both."""
    from lab.found import Secrets
    from lab.pair import Pair
    from lab.private import MemoryWork
    with Pair(config) as pair:
        pair.start_session(imported=True, cpus=2, user='root')
        early(pair)
        work = MemoryWork(pair.console)
        seal(pair.source, pair.console)
        found = Secrets()
        found.leave(pair.source, pair.console)
        imported = check_sealed(pair.source.guest())
        pair.add_target(2)
        info, _, _ = pair.migrate(pair.console)
        assert info['status'] == 'completed', info
        assert check_sealed(pair.source.guest()) == imported > 1000, pair.source.guest()
        assert pair.source.guest()['memory']['vcpus'] == 2, pair.source.guest()
        assert not pair.target.guest()['memory']['launched'], pair.target.guest()
        for host in pair.source, pair.target:
            times = found.found(host)
            assert not any(times.values()), (host.name, times)
        found.password_typed(pair.console)
        assert found.told_register(pair.console)
        assert port(pair.console) == 'S'
        assert pair.console.command('nproc') == (0, '2\n')
        pair.check_session()
        work.check()
        assert check_sealed(pair.source.guest()) == imported
        pair.inner.stop()
