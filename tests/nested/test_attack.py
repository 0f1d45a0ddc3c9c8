# SPDX-License-Identifier: GPL-2.0-or-later
"""What L1, and L2, may try with ultracalls; the programs are in guest/."""

import contextlib
import secrets
import threading

import lab


@contextlib.contextmanager
def spare_guest(vm, guest='spare'):
    """A shadow guest that no user VM uses."""
    vm.host.add_guest(guest, secrets.token_bytes(32))
    yield guest
    vm.host.remove_guest(guest)


def check_all_is_well(vm):
    assert vm.host.qmp.cmd('query-status')['running']
    assert vm.state()['state'] == 'active', vm.state()
    vm.check_console()


def run_as_l1_root(vm, command, timeout=2 * lab.LONG):
    vm.checks(command, timeout, vm.host.run)
    check_all_is_well(vm)


def test_wild_buffers(vm):
    with spare_guest(vm) as guest:
        run_as_l1_root(vm, f'attack-buffers {guest}')


def test_buffers_that_are_paged_in(vm):
    with spare_guest(vm) as guest:
        run_as_l1_root(vm, f'attack-paging {guest}')


def test_who_may_call(vm):
    with spare_guest(vm) as guest:
        run_as_l1_root(vm, f'attack-callers rights {guest}')


def test_admission(vm):
    """Without I/O permission, which root here has not asked for"""
    run_as_l1_root(vm, 'attack-tokens rights')


def test_many_callers(vm):
    """While the user types: what L1 does is noticed by nobody, but for a delay."""
    with spare_guest(vm) as other:
        failures = []

        def attack():
            try:
                vm.checks(f'attack-callers hammer vm1 {other} 40000', 2 * lab.LONG, vm.host.run)
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=attack)
        thread.start()
        numbers = 0
        while thread.is_alive() or not numbers:
            status, output = vm.console.command('seq 200')
            assert status == 0 and output.split() == [str(n) for n in range(1, 201)], \
                (status, output)
            numbers += 1
        thread.join()
        if failures:
            raise failures[0]
        check_all_is_well(vm)


def test_user_vm_may_not_call(vm):
    """In user mode; its other hypercalls reach L1's KVM as ever."""
    tracing = '/sys/kernel/tracing'
    vm.host.run(f'cd {tracing} && echo 0 >trace && echo 1 >events/kvm/kvm_hypercall/enable '
                f'&& echo 1 >tracing_on', check=True)
    vm.checks('attack-callers nested vm1')
    _, seen = vm.host.run(f'cd {tracing}; echo 0 >events/kvm/kvm_hypercall/enable; '
                          f'grep kvm_hypercall: trace')
    assert 'nr 0x1 ' in seen and 'nr 0x53480' not in seen, seen
    assert not vm.state()['bound-by-tag'], vm.state()
    check_all_is_well(vm)
