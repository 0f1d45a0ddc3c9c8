# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM as the outer accelerator: L1's permission map is held for as long as a user VM is
bound, and no longer; who else runs in L1 has its ports."""

import lab
from test_kvm import unseen


def watched_login(vm):
    """The user's VM starts anew; L1 watches."""
    from lab.trace import PioTrace
    trace = PioTrace(vm.host).start()
    vm.boot().login()
    vm.seen = trace.stop()
    unseen(vm.seen, vm.state(), ('watched', 'forced'))


@lab.long
def test_ordinary_vm_beside(kvm_vm):
    """Its isa-serial is L1's, though its port's bit in the map is held."""
    from lab.plain import PlainVm
    from lab.trace import PioTrace
    before = kvm_vm.state()['accesses']
    trace = PioTrace(kvm_vm.host).start()
    with PlainVm(kvm_vm.host) as plain:
        plain.wait_login()
        plain.login()
        assert plain.console.command('echo $((6*7))')[1] == '42\n'
    seen = trace.stop()
    assert seen.serial > 0 and lab.PASSWORD.encode() in seen.read, seen.serial
    assert kvm_vm.state()['accesses'] - before < seen.serial, (before, kvm_vm.state())
    kvm_vm.check_console()
    assert kvm_vm.state()['protection'] in ('watched', 'forced'), kvm_vm.state()


@lab.long
def test_module_reloaded(kvm_vm):
    """With the module goes the map; the next one is found."""
    kvm_vm.inner.stop()
    assert kvm_vm.state()['protection'] == 'none', kvm_vm.state()
    kvm_vm.host.run('rmmod kvm_amd && insmod /modules/kvm_amd.ko nested=0', check=True)
    watched_login(kvm_vm)


@lab.long
def test_inner_qemu_killed(kvm_vm):
    """It does not unbind; its process is missed, and nothing in L1 stays held."""
    from lab.plain import PlainVm
    kvm_vm.inner.kill()
    assert lab.wait_until(lambda: kvm_vm.state()['protection'] == 'none'), kvm_vm.state()
    kvm_vm.host.run('rmmod kvm_amd && insmod /modules/kvm_amd.ko nested=0', check=True)
    with PlainVm(kvm_vm.host) as plain:
        plain.wait_login()
    watched_login(kvm_vm)


@lab.long
def test_cloud_vm_reset(kvm_vm):
    since = kvm_vm.host.qmp.mark()
    kvm_vm.host.reset()
    kvm_vm.host.qmp.wait_event('SHADOW_GUEST_UNBOUND', since)
    assert kvm_vm.state()['protection'] == 'none', kvm_vm.state()
    watched_login(kvm_vm)


@lab.long
def test_who_may_call(kvm_vm):
    """As under TCG, but by this processor's instruction only."""
    from test_attack import run_as_l1_root, spare_guest
    with spare_guest(kvm_vm) as guest:
        run_as_l1_root(kvm_vm, f'attack-callers rights {guest}')


@lab.long
def test_admission(kvm_vm):
    from test_attack import test_admission as admission
    admission(kvm_vm)


@lab.long
def test_many_callers(kvm_vm):
    from test_attack import run_as_l1_root, spare_guest
    with spare_guest(kvm_vm) as guest:
        run_as_l1_root(kvm_vm, f'attack-callers hammer vm1 {guest} 4000')
