# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM that is nothing but an attack, under KVM of a stock kernel: what it does to
the map of I/O permissions that is held is in vain; that it uses another is reported."""

import re

from lab import attacks


def nothing_seen(bare, scenario, **options):
    report, protection = attacks.nothing_seen(bare, scenario, **options)
    assert protection == 'watched', protection
    return report


def test_nothing_tried(bare_kvm):
    nothing_seen(bare_kvm, 'plain')


def test_nothing_tried_old_kernel(bare_kvm_61):
    nothing_seen(bare_kvm_61, 'plain')


def test_map_restored(bare_kvm):
    """What L1 reads back is what the processor has."""
    report = nothing_seen(bare_kvm, 'restore')
    assert 'READ 0' in report and 'READ ff' not in report, report


def test_map_restored_by_dma(bare_kvm):
    report = nothing_seen(bare_kvm, 'dma')
    assert 'READ 0' in report and 'READ ff' not in report, report


def test_many_vmcbs(bare_kvm):
    nothing_seen(bare_kvm, 'move', clean=1)


def reported(vm):
    """As an event, in the guest's state, and to its user, whose connection ends"""
    reason = vm.qmp.wait_event('SHADOW_GUEST_UNPROTECTED')['data']['reason']
    assert 'map of I/O permissions' in reason, reason
    assert vm.protection() == 'broken', vm.guest()
    vm.console.wait_closed()
    assert f': no longer protected from the cloud VM: {reason}, ' in vm.console.farewell, \
        (reason, vm.console.farewell)
    return vm.console.text()


def swapped(bare, lines):
    """L1 gets what is written until L0 next looks, and no more."""
    with bare('swap', lines=lines) as vm:
        before = reported(vm)
        vm.connect().expect(re.escape(attacks.UNPROTECTED))
        vm.console.expect(rf'line {lines:04} [^\n]*\n')
        vm.wait_done()
        after = vm.console.text().removeprefix(attacks.UNPROTECTED)
        stolen = vm.bytes_seen()
        assert before + stolen + after == attacks.text(lines), (before, stolen, after)
        assert before and stolen and after, (before, stolen, after)


def test_map_swapped(bare_kvm):
    swapped(bare_kvm, 40)


def test_map_swapped_old_kernel(bare_kvm_61):
    swapped(bare_kvm_61, 40)


def test_map_swapped_at_times(bare_kvm):
    """For a byte now and then: L0 looks at times that L1 cannot foresee, and it takes
    only one of them to find out."""
    with bare_kvm('race', lines=9999) as vm:
        reported(vm)
        assert vm.seen()


def test_not_bound(bare_kvm):
    attacks.not_ours(bare_kvm)


def test_not_bound_old_kernel(bare_kvm_61):
    attacks.not_ours(bare_kvm_61)


def test_not_asked_for(bare_kvm):
    attacks.not_asked_for(bare_kvm)


def test_bound_again(bare_kvm):
    attacks.bound_again(bare_kvm, 0)


def test_bound_again_beside_another(bare_kvm):
    attacks.bound_again(bare_kvm, 1)


def test_calls(bare_kvm):
    attacks.calls(bare_kvm, ['vmmcall'])


def test_calls_old_kernel(bare_kvm_61):
    attacks.calls(bare_kvm_61, ['KVM hypercall'])


def test_wild_buffers(bare_kvm):
    attacks.wild_buffers(bare_kvm)


def test_wild_buffers_old_kernel(bare_kvm_61):
    attacks.wild_buffers(bare_kvm_61)
