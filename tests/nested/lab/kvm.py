# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM as the outer accelerator: what it takes, and whether this machine has it."""

import os

CPUINFO = '/proc/cpuinfo'
NESTED = '/sys/module/kvm_amd/parameters/nested'
# With the ultracalls on, all hypercalls of L1 go to the outer QEMU, which knows none of KVM's own.
NO_HYPERCALLS = ''.join(f',kvm-pv-{name}=off'
                        for name in ('unhalt', 'ipi', 'sched-yield', 'tlb-flush'))
ACCEL_OPTIONS = {
    'tcg': ['-accel', 'tcg', '-cpu', 'max,+svm,+npt,la57=off'],
    'kvm': ['-accel', 'kvm', '-cpu', f'host{NO_HYPERCALLS}'],
}


def read(path):
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except OSError:
        return ''


def missing():
    """What this machine lacks for a cloud VM that has KVM itself; empty: nothing."""
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR))
    except OSError as error:
        return f'/dev/kvm: {error.strerror}'
    if not any(line.startswith('flags') and 'svm' in line.split()
               for line in read(CPUINFO).splitlines()):
        return 'its processor has no SVM'
    if read(NESTED).strip() not in ('1', 'Y'):
        return f'{NESTED} is not 1'
    return ''


def emulated(accel):
    """Whether the hosts are emulated, since this machine cannot be one."""
    return accel == 'kvm' and missing() != ''


def describe(accel):
    """For people: what is L0's accelerator."""
    if accel == 'tcg':
        return 'TCG'
    if emulated(accel):
        return f'KVM, in an emulated AMD host each (this machine: {missing()})'
    return "KVM of this machine"
