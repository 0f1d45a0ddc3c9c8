# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt in the cloud VMs with AppArmor, that enforces its own profile for each emulator, with
the lines of contrib/libvirt."""

import lab

LINES = '/etc/apparmor.d/local/abstractions/libvirt-qemu'
PROFILES = '/sys/kernel/security/apparmor/profiles'
LOCKDOWN = '/sys/kernel/security/lockdown'


def check_confined(host):
    """The emulator's profile is enforced, and is of this domain."""
    label = f'libvirt-{host.virsh("domuuid vm1").strip()} (enforce)'
    assert host.domain_label() == label, host.domain_label()
    assert label in host.run(f'cat {PROFILES}', check=True)[1].splitlines()
    assert host.guest()['bound-by-process'] and host.guest()['protection'] == 'forced', host.guest()


def start_fails(pair, remove):
    """With lines of the profile removed, by a command of sed: what libvirt and the emulator say"""
    host = pair.source
    host.run(f'cp {LINES} /tmp/lines; sed -i "{remove}" {LINES}; '
             f'echo "now: {remove}" >>/var/log/libvirt/qemu/vm1.log', check=True)
    said = host.virsh('start vm1', check=False) + host.domain_log().rpartition('now: ')[2]
    host.run(f'cp /tmp/lines {LINES}', check=True)
    assert not host.guest()['bound-by-process'], host.guest()
    return said


def boot_again(pair):
    pair.source.virsh('start vm1')
    pair.new_session()
    pair.check_session()
    check_confined(pair.source)


def test_started(libvirt_confined):
    check_confined(libvirt_confined.source)
    assert libvirt_confined.source.label('/run/libvirtd.pid') == 'libvirtd (enforce)'
    libvirt_confined.check_session()


def test_migrated(libvirt_confined):
    pair = libvirt_confined
    with pair.waiting_target():
        first = pair.source
        pair.migrate()
        assert pair.source is not first
        check_confined(pair.source)
        pair.check_session()


@lab.long
def test_lines_missing(libvirt_confined):
    """Without them there is no console, and the reason is in the domain's log."""
    pair = libvirt_confined
    pair.source.virsh('destroy vm1')
    said = start_fails(pair, '/qemu-shadow-agent/d')
    assert 'cannot execute binary /usr/bin/qemu-shadow-agent: Permission denied' in said, said
    said = start_fails(pair, '/capability/d')
    assert 'shadow-run: no I/O permission' in said and 'AppArmor' in said, said
    said = start_fails(pair, '/uio/d')
    assert 'cannot open /dev/uio0 to read and write: Permission denied' in said, said
    said = start_fails(pair, '/bus.pci.devices/d')
    assert 'shadow-run: /sys/bus/pci/devices: Permission denied' in said, said
    boot_again(pair)


@lab.long
def test_our_emulator(libvirt_confined):
    """In place of Debian's, with CAP_SYS_RAWIO from its file"""
    pair = libvirt_confined
    pair.source.virsh('destroy vm1')
    pair.source.virsh('undefine vm1')
    pair.emulator = 'shadow'
    pair.console.close()
    pair.console = pair.boot(append='quiet')
    pair.new_session()
    check_confined(pair.source)
    pair.source.virsh('destroy vm1')
    said = start_fails(pair, '/capability/d')
    assert "may not use the ultracall device's ports" in said, said
    boot_again(pair)
    with pair.waiting_target():
        pair.migrate()
        check_confined(pair.source)
        pair.check_session()


@lab.long
def test_locked_down(libvirt_locked):
    """And nobody has I/O permission: shadow-run has read the token, and the emulator has a ticket."""
    pair = libvirt_locked
    for host in pair.hosts:
        assert '[integrity]' in host.run(f'cat {LOCKDOWN}', check=True)[1]
    check_confined(pair.source)
    pair.check_session()
    status = pair.source.run('cat /proc/$(cat /run/libvirt/qemu/vm1.pid)/status', check=True)[1]
    assert 'CapPrm:\t0000000000000000\n' in status, status
    with pair.waiting_target():
        pair.migrate()
        check_confined(pair.source)
        pair.check_session()
    pair.source.virsh('destroy vm1')
    said = start_fails(pair, '/sys_admin/d')
    assert 'no CAP_SYS_ADMIN in its place' in said and 'AppArmor' in said, said
    boot_again(pair)
