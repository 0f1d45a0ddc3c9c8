# SPDX-License-Identifier: GPL-2.0-or-later
"""What the outer QEMU says of a host when it starts there."""

import contextlib

GUEST = ('-display none -nodefaults -no-user-config -L /firmware -S -m 64 '
         '-object secret,id=key1,data=0123456789abcdef0123456789abcdef '
         '-object shadow-guest,id=vm1,secret=key1{options} -device ultracall '
         '-monitor stdio -cpu host{cpu}')
OFF = ''.join(f',kvm-pv-{name}=off' for name in ('unhalt', 'ipi', 'sched-yield', 'tlb-flush'))


def start(bare, options='', cpu=OFF):
    """Start and, if it starts, end it; its status and what it said."""
    machine, = bare.hosts
    command = GUEST.format(options=options, cpu=cpu)
    return machine.run(f'echo quit | timeout 120 qemu -accel kvm {command}')


@contextlib.contextmanager
def without_nesting(bare):
    """The host's KVM runs no nested guests, as any KVM without SVM."""
    machine, = bare.hosts
    reload = 'rmmod kvm_amd && insmod /modules/kvm_amd.ko nested={}'
    machine.run(reload.format(0), check=True)
    yield
    machine.run(reload.format(1), check=True)


def test_can_protect(bare_kvm):
    status, output = start(bare_kvm)
    assert status == 0 and 'warning' not in output, output


def test_conflicting_features(bare_kvm):
    status, output = start(bare_kvm, cpu=',kvm-pv-unhalt=on,kvm-pv-tlb-flush=on,'
                                         'kvm-pv-ipi=off,kvm-pv-sched-yield=off')
    assert status == 0, output
    assert 'kvm-pv-unhalt=off,kvm-pv-tlb-flush=off' in output, output
    assert 'kvm-pv-ipi' not in output, output


def test_refused(bare_kvm):
    with without_nesting(bare_kvm):
        status, output = start(bare_kvm)
        assert status == 1 and "shadow-guest 'vm1' cannot be protected" in output, output
        assert 'nested=1' in output and 'unprotected=on' in output, output


def test_unprotected(bare_kvm):
    with without_nesting(bare_kvm):
        status, output = start(bare_kvm, ',unprotected=on')
        assert status == 0 and 'warning' in output and 'nested=1' in output, output
