# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM as the outer accelerator: what its kernels do, and a user VM's way between two hosts
that have it. test_attacks.py has who attacks."""

import re
import secrets

import lab
from lab.chardev import ChardevClient
from lab.kvm import emulated

SIZE = 4 * 1024     # in an emulated host a byte takes a hundred times as long
LARGE = 100 * 1024


def facts(bare, program='facts'):
    """All that a program asks of a kernel, in a few seconds."""
    machine, = bare.hosts
    status, output = machine.run(program, 2 * lab.LONG)
    passed = re.findall('(?m)^ok ', output)
    assert status == 0 and passed and not re.search('(?m)^not ok', output), output
    print(f'# {program}: {len(passed)} passed', flush=True)
    for lack in sorted(set(re.findall('(?m)^# (.* has no .*)', output))):
        print(f'# {program}: {lack}', flush=True)


def test_facts(bare_kvm):
    facts(bare_kvm)


def test_facts_old_kernel(bare_kvm_61):
    facts(bare_kvm_61)


def test_claims(bare_forced):
    """What the change in contrib/ adds to it."""
    facts(bare_forced, 'claims')


def unseen(seen, guest, protections):
    """L1 has watched, and has nothing of the login."""
    assert seen.total > 0 and seen.lost == 0, (seen.total, seen.lost)
    assert seen.serial == 0 and not seen.read and not seen.written, seen
    assert guest['accesses'] > 0, guest
    assert guest['protection'] in protections, guest['protection']


def test_login_unseen(kvm_vm):
    unseen(kvm_vm.seen, kvm_vm.state(), ('watched', 'forced'))


@lab.long
def test_migration_during_transfer(kvm_pair):
    from lab.transfer import Transfer
    unseen(kvm_pair.seen, kvm_pair.source.guest(), ('watched', 'forced'))
    size = SIZE if emulated('kvm') else LARGE
    first, second = kvm_pair.hosts
    transfer = Transfer(kvm_pair.console, size, window=16).start()
    assert lab.wait_until(lambda: transfer.progress > 0), 'the transfer does not start'
    info, saved, restored = kvm_pair.migrate(kvm_pair.console)
    assert info['status'] == 'completed', info
    assert transfer.progress < 1, 'the transfer ended before the migration'
    from_guest, to_guest = transfer.finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest, transfer.strange)
    assert transfer.report['mark'] == kvm_pair.mark, transfer.report
    kvm_pair.check_session()
    assert saved['bytes'] == restored['bytes'] > 0
    assert kvm_pair.source is second
    assert first.guest()['state'] == 'gone', first.guest()
    assert second.guest()['state'] == 'active', second.guest()
    assert second.guest()['protection'] in ('watched', 'forced'), second.guest()


@lab.long
def test_user_vm_old_kernel(kvm_old_vm):
    """The agent's calls, from user mode, come by the doorbell."""
    unseen(kvm_old_vm.seen, kvm_old_vm.state(), ('watched',))
    kvm_old_vm.check_console()


@lab.long
def test_user_vm_forced(kvm_forced_vm):
    unseen(kvm_forced_vm.seen, kvm_forced_vm.state(), ('forced',))
    kvm_forced_vm.check_console()


@lab.long
def test_user_vm_exposed(kvm_exposed_vm):
    """The cloud VM brings its accesses; it could read them, and the user is told."""
    vm = kvm_exposed_vm
    vm.check_console()
    assert vm.seen.serial > 0 and lab.PASSWORD.encode() in vm.seen.read, vm.seen.serial
    assert vm.state()['protection'] == 'none', vm.state()
    assert lab.wait_until(lambda: b'not protected from the cloud VM' in vm.console.said), \
        vm.console.said
    vm.console.close()
    plain = ChardevClient().connect_plain(vm.host.console_address())
    plain.expect(r'^\[shadow-serial vm1/vm1-com1: not protected ')
    plain.close()


@lab.long
def test_unprotected_with_an_ordinary_port(kvm_exposed):
    """An isa-serial would have the user's console there; before and after the agent."""
    from lab.uservm import refused
    host = kvm_exposed
    host.add_guest('vm2', secrets.token_bytes(32))
    for options in ({'serial': 'null'},
                    {'extra': '-chardev null,id=n -device isa-serial,chardev=n'}):
        error = refused(host, 'vm2', **options)
        assert 'port 0x3f8 has an isa-serial' in error and '-serial none' in error, error
    host.remove_guest('vm2')
