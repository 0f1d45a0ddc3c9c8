# SPDX-License-Identifier: GPL-2.0-or-later
"""How a user VM with private memory begins anew and sleeps; see also test_private_acpi."""

import contextlib
import re

import lab


@contextlib.contextmanager
def private_vm(host, **options):
    from lab.private import PrivateVm
    with PrivateVm(host, **options) as vm:
        vm.login()
        yield vm


def measurement(vm):
    return vm.state()['memory']['measurement']


def test_reset_by_l1(private_host):
    """A new launch of the same: nothing of the old one is left."""
    with private_vm(private_host) as vm:
        first = measurement(vm)
        assert vm.console.command('echo mine >/tmp/here')[0] == 0
        since = private_host.qmp.mark()
        vm.inner.qmp.cmd('system_reset')
        private_host.qmp.wait_event('SHADOW_GUEST_LAUNCHED', since, guest=vm.guest)
        vm.login()
        assert measurement(vm) == first and vm.state()['protection'] == 'private'
        assert vm.console.command('cat /tmp/here')[0] != 0


@lab.long
def test_kexec(private_host):
    """Another kernel, from a disk, in the same private memory"""
    from lab.private import disk
    private_host.run('cat /l2/vmlinuz /l2/l2.cpio.gz /bin/busybox >/tmp/kernel', check=True)
    sizes = [int(word) for word in private_host.run(
        'stat -c %s /l2/vmlinuz /l2/l2.cpio.gz', check=True)[1].split()]
    with private_vm(private_host, cpus=2, memory=384, extra=disk('/tmp/kernel')) as vm:
        launched = measurement(vm)
        assert vm.console.command(
            f'l2-load; head -c {sizes[0]} /dev/vda >/tmp/vmlinuz; tail -c +{sizes[0] + 1} /dev/vda '
            f'| head -c {sizes[1]} >/tmp/initrd; sha256sum /tmp/vmlinuz')[0] == 0
        vm.console.send("kexec-load /tmp/vmlinuz /tmp/initrd 'console=ttyS0 quiet again=1'\r")
        vm.login()
        assert 'again=1' in vm.console.command('cat /proc/cmdline')[1]
        assert vm.console.command('nproc') == (0, '2\n')
        assert measurement(vm) == launched and vm.state()['protection'] == 'private'


@lab.long
def test_suspend(private_host):
    """To idle, until the clock's alarm rings, or on a machine that was too slow for that, until
    the power button is pressed"""
    with private_vm(private_host, cpus=2) as vm:
        assert vm.console.command('l2-load')[0] == 0
        vm.console.send('echo +15 >/sys/class/rtc/rtc0/wakealarm; echo freeze >/sys/power/state; '
                        'echo "wo"ken $?\r')
        while not (woken := vm.console.expect_within(r'woken (\d+)\r\n', 40)):
            vm.inner.qmp.cmd('system_powerdown')
        assert woken[1] == b'0', woken
        said = vm.console.command('dmesg')[1]
        assert re.search('PM: suspend exit', said), said


def test_savevm(private_host):
    with private_vm(private_host) as vm:
        vm.inner.add_disk('/tmp/vm1.qcow2')
        for line in ('savevm one', 'migrate file:/tmp/vm1.file'):
            error = vm.inner.qmp.hmp(line)
            assert 'private memory' in error, (line, error)
        vm.check_console()
