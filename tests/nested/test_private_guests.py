# SPDX-License-Identifier: GPL-2.0-or-later
"""Which user VMs have private memory: kernels, processors, memory and machines; and one that works
for a while."""

import os
import subprocess
import sys

import lab

KERNELS = {'6.1.': 'vmlinuz', '6.12.': 'vmlinuz-6.12'}


def check_guest(host, release, cpus, memory, machine, more='', nodes=None):
    from lab.private import PrivateVm, check_nothing_strange, disk
    host.run('dd if=/dev/urandom of=/tmp/disk bs=1M count=4', check=True)
    with PrivateVm(host, cpus=cpus, memory=memory, launch={'kernel': KERNELS[release]},
                   extra=f'-machine {machine} {disk("/tmp/disk")} {more}') as vm:
        run = vm.login().console.command
        assert run('uname -r')[1].startswith(release)
        assert run('nproc') == (0, f'{cpus}\n')
        total = int(run("sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")[1])
        # bounce buffers for what it shares have up to a sixteenth of it, or 64 MiB; what the
        # kernel knows of its pages, a 64th
        assert total > (memory - 128 - memory // 16 - memory // 64) << 10, total
        if nodes is not None:
            assert run('ls -d /sys/devices/system/node/node* | wc -l') == (0, f'{nodes}\n')
        assert run('l2-load')[0] == 0
        mine = run('sha256sum </dev/vda')[1]
        assert mine == host.run('sha256sum </tmp/disk')[1]
        check_nothing_strange(vm)


def test_one_after_the_other(private_host):
    """Where one was there is the next one's memory, with other code at the same addresses."""
    from lab.private import PrivateVm
    for release in ('6.12.', '6.1.'):
        with PrivateVm(private_host, launch={'kernel': KERNELS[release],
                                             'append': 'console=ttyS0 quiet nokaslr'}) as vm:
            assert vm.login().console.command('uname -r')[1].startswith(release)


def test_linux_6_12_two_cpus(private_host):
    check_guest(private_host, '6.12.', 2, 256, 'q35')


@lab.long
def test_numa(private_host):
    """Whatever nodes the cloud VM makes, the guest hears of RAM, and of CPUs."""
    check_guest(private_host, '6.12.', 2, 384, 'pc', ' '.join(
        f'-object memory-backend-ram,id=m{n},size={size}M -numa node,nodeid={n},memdev=m{n},cpus={n}'
        for n, size in enumerate((256, 128))), nodes=1)


@lab.long
def test_linux_6_12_large(private_host):
    check_guest(private_host, '6.12.', 1, 1024, 'pc')


@lab.long
def test_above_4_gib(config):
    """The cloud VM has memory above all devices, and all of its guest's that there can be."""
    from lab.host import CloudHost
    with CloudHost(config, 'large', cpus=2, memory=6144) as host:
        host.launch().wait_ready()
        check_guest(host, '6.12.', 2, 3072, 'pc')


@lab.long
def test_linux_6_1_large(private_host):
    check_guest(private_host, '6.1.', 2, 1024, 'q35')


@lab.long
def test_linux_6_1_one_cpu(private_host):
    check_guest(private_host, '6.1.', 1, 256, 'q35')


def work(config, release, memory, seconds):
    """A day of it"""
    from lab.host import CloudHost
    from lab.private import PrivateVm, check_nothing_strange, disk
    subprocess.run([f'{lab.ROOT}/scripts/workload.sh'], stdout=sys.stderr, check=True)
    with CloudHost(config, 'work', cpus=2, memory=2 * memory + 1024) as host:
        host.launch().wait_ready()
        host.run(f'truncate -s {memory + 128}M /tmp/disk', check=True)
        with PrivateVm(host, cpus=2, memory=memory, extra=disk('/tmp/disk'), launch={
                'kernel': KERNELS[release],
                'initrd': os.path.join(config.images, 'l2-workload.cpio.gz')}) as vm:
            vm.login()
            vm.checks(f'l2-workload {seconds}', 4 * lab.LONG)
            check_nothing_strange(vm)


@lab.long
def test_work_linux_6_1(config):
    work(config, '6.1.', 512, 20)


@lab.long
def test_work_linux_6_12(config):
    work(config, '6.12.', 512, 20)
