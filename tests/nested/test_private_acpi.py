# SPDX-License-Identifier: GPL-2.0-or-later
"""ACPI of a private user VM: L0's own tables, on both machines that QEMU makes, and nothing of
the cloud VM's."""

import base64
import contextlib
import struct

import lab
from lab.patience import Patience

# A device with MSI-X and one with an interrupt line; without their boot code
DEVICES = '-device virtio-net-pci,netdev=n1,iommu_platform=on,disable-legacy=on,romfile= ' \
          '-netdev user,id=n1 -device e1000,netdev=n2,romfile= -netdev user,id=n2,net=10.0.3.0/24'


@contextlib.contextmanager
def machine(host, kind='pc', **options):
    """Logged in at the console of a private user VM, with drivers for the above"""
    from lab.private import PrivateVm
    with PrivateVm(host, user='root', chardev=True, machine=kind, **options) as vm:
        vm.login()
        run(vm.console, 'l2-load')
        yield vm


def run(console, command):
    status, output = console.command(command)
    assert status == 0, f'{command}: {output}'
    return output


def check_kernel(console):
    """It has the tables, and is content with them."""
    log = run(console, 'dmesg')
    said = [line for line in log.splitlines() if 'ACPI' in line]
    assert any('RSDP 0x0000000000080000' in line for line in said), said
    for word in ('ACPI Error', 'ACPI BIOS', 'ncorrect checksum', 'WARNING', 'Oops', 'nobody cared',
                 'SMBIOS'):
        assert word not in log, [line for line in log.splitlines() if word in line]
    assert any('Interpreter enabled' in line for line in said), said


def check_tables(console):
    """Each is the one that L0 has made, and there is none besides."""
    names = run(console, 'ls /sys/firmware/acpi/tables | grep -v data').split()
    assert set(names) <= {'APIC', 'DSDT', 'FACP', 'FACS', 'HPET', 'MCFG', 'WAET', 'dynamic'}, names
    for name in names:
        if name == 'dynamic':
            assert run(console, 'ls /sys/firmware/acpi/tables/dynamic') == ''
            continue
        table = base64.b64decode(run(console, f'base64 /sys/firmware/acpi/tables/{name}'))
        assert struct.unpack_from('<I', table, 4)[0] == len(table)
        if name != 'FACS':
            assert sum(table) % 256 == 0 and table[10:16] == b'SHADOW', table[:36]
        if name == 'DSDT':
            assert b'\x5b\x80' not in table, 'a DSDT with an operation region'
    return names


def interrupts(console, kind, name):
    """How often a device has interrupted, in the way named"""
    lines = run(console, 'cat /proc/interrupts').splitlines()
    mine = [line.split() for line in lines if kind in line and name in line]
    assert mine, lines
    return sum(int(word) for words in mine for word in words[1:] if word.isdigit())


def check_devices(console):
    """Both get answers, one by MSI-X, the other by its line."""
    for nic in ('eth0', 'eth1'):
        driver = run(console, f'readlink /sys/class/net/{nic}/device/driver').strip()
        virtio = driver.endswith('virtio_net')
        net = 2 if virtio else 3
        run(console, f'ip addr add 10.0.{net}.15/24 dev {nic} && ip link set {nic} up')
        run(console, f'ping -c 3 10.0.{net}.2')
        assert interrupts(console, *(('PCI-MSI', 'virtio') if virtio else ('fasteoi', nic)))


def stopped(vm):
    """The inner QEMU has ended by itself, as when its machine is powered off."""
    patience = Patience(lab.LONG)
    while vm.inner.alive():
        if patience.over():
            raise patience.error(f'the inner QEMU goes on: {vm.console.text()[-600:]}')
    assert vm.host.run('cat /tmp/vm1.rc')[1].strip() == '0', vm.inner.log()


def check(host, kind, cpus, more=''):
    with machine(host, kind, cpus=cpus, extra=f'{DEVICES} {more}') as vm:
        console = vm.console
        assert run(console, 'nproc') == f'{cpus}\n'
        check_kernel(console)
        assert ('MCFG' in check_tables(console)) == (kind == 'q35')
        check_devices(console)
        memory = host.guest()['memory']
        assert memory['vcpus'] == cpus and not memory['refused'], memory
        console.send('poweroff\r')
        stopped(vm)


@lab.long
def test_pc(private_host):
    check(private_host, 'pc', 1)


def test_pc_with_two_cpus(private_host):
    check(private_host, 'pc', 2)


@lab.long
def test_q35(private_host):
    check(private_host, 'q35', 1)


def test_q35_with_two_cpus(private_host):
    check(private_host, 'q35', 2, '-machine hpet=on')


def press(host, kind):
    """The cloud VM's administrator asks the user VM to power off."""
    with machine(host, kind) as vm:
        console = vm.console
        device = run(console, 'grep -l "Power Button" /sys/class/input/event*/device/name').split('/')
        # open before it is pressed
        run(console, f'exec 3</dev/input/{device[4]}; (head -c 24 <&3 >/dev/null; poweroff) & true')
        vm.inner.qmp.cmd('system_powerdown')
        stopped(vm)


def test_power_button_of_pc(private_host):
    press(private_host, 'pc')


def test_power_button_of_q35(private_host):
    press(private_host, 'q35')


def test_reboot(private_host):
    """The cloud VM's machine begins anew, and L0 launches anew: nothing is left of before, and the
    console goes on."""
    host = private_host
    with machine(host) as vm:
        before = host.guest()['memory']['measurement']
        run(vm.console, 'echo 1 >/tmp/mark')
        since = host.qmp.mark()
        vm.console.send('reboot -f\r')
        host.qmp.wait_event('SHADOW_GUEST_LAUNCHED', since, guest='vm1')
        vm.console.login('root', lab.PASSWORD)
        assert vm.console.command('cat /tmp/mark')[0]
        assert host.guest()['memory']['measurement'] == before
        assert host.guest()['protection'] == 'private'
