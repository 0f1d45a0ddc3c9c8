# SPDX-License-Identifier: GPL-2.0-or-later
"""A binding holds while its guest runs, whatever else goes on in L1 and on its other CPU."""

import itertools
import threading

import lab
from test_attack import check_all_is_well, spare_guest

FOREIGN = '\ufffd'      # a byte of guest/attack-running.c in a log, which is no UTF-8
COMPACT = 'n=0; while [ $n -lt 5 ]; do echo 1 >/proc/sys/vm/compact_memory; ' \
          'head -c 20000000 /dev/zero >/tmp/junk; rm /tmp/junk; n=$((n+1)); done'
OUTPUT = '/tmp/attack'     # of a program in L1
MOVED = ('numa_pte_updates', 'compact_migrate_scanned')


def kernel_counts(vm):
    lines = vm.host.run('cat /proc/vmstat', check=True)[1].splitlines()
    counts = dict(line.split() for line in lines)
    return {name: int(counts[name]) for name in MOVED}


def busy_while(vm, thread):
    """The user has something to read for as long as it takes."""
    thread.start()
    for number in itertools.count(1):
        assert vm.console.command(f'seq {number} {number + 99}')[1].split() == \
            [str(n) for n in range(number, number + 100)]
        if not thread.is_alive():
            break
    thread.join()


def test_memory_moves(numa_vm):
    """L1's kernel takes pages away for a moment, to see who uses them or to move them."""
    from lab.trace import PioTrace
    vm = numa_vm
    assert vm.seen.serial == 0 and vm.seen.lost == 0, vm.seen
    before = kernel_counts(vm)
    trace = PioTrace(vm.host).start()
    busy_while(vm, threading.Thread(target=vm.host.run, args=(COMPACT,)))
    seen = trace.stop()
    moved = kernel_counts(vm)
    assert all(moved[name] > 0 for name in MOVED), moved
    assert moved['compact_migrate_scanned'] > before['compact_migrate_scanned'], moved
    assert seen.serial == 0 and seen.lost == 0, seen
    assert vm.state()['bound-by-process'], vm.state()
    assert not vm.host.qmp.find_event('SHADOW_GUEST_UNBOUND', guest='vm1')
    check_all_is_well(vm)


def attacked(vm, mode, guest, how):
    """No access goes to L1's own port either, of which L0 keeps what was written."""
    vm.checks(f'attack-running {mode} {guest} {how}', 2 * lab.LONG, vm.host.run)
    assert vm.host.alive() and FOREIGN not in vm.host.kernel_log()


def test_bound_again_on_another_cpu(numa_vm):
    with spare_guest(numa_vm) as guest:
        attacked(numa_vm, 'bind', guest, 20000)
    check_all_is_well(numa_vm)


def test_unbound_on_another_cpu(numa_vm):
    with spare_guest(numa_vm) as guest:
        attacked(numa_vm, 'unbind', guest, 4000)
    check_all_is_well(numa_vm)


def test_wild_calls_on_another_cpu(numa_vm):
    """Four threads make any call with any flag, in any order."""
    with spare_guest(numa_vm) as guest:
        attacked(numa_vm, 'stress', guest, 20000)
    check_all_is_well(numa_vm)


def start(vm, command):
    """In L1, beside what else is done there"""
    vm.host.run(f'rm -f {OUTPUT}*; ({command} >{OUTPUT} 2>&1; echo $? >{OUTPUT}.rc) '
                f'</dev/null >/dev/null 2>&1 &', check=True)


def finish(vm):
    vm.checks(f'while [ ! -e {OUTPUT}.rc ]; do usleep 100000; done; cat {OUTPUT}; '
              f'exit $(cat {OUTPUT}.rc)', 2 * lab.LONG, vm.host.run)
    assert vm.host.alive() and FOREIGN not in vm.host.kernel_log()


def test_removed_on_another_cpu(numa_vm):
    """L0's operator takes a device away, or all of the guest, and gives it back."""
    vm, host = numa_vm, numa_vm.host
    with spare_guest(vm) as guest:
        start(vm, f'attack-running outside {guest} {OUTPUT}.stop')
        for cycle in range(20):
            host.remove_device(guest, 1)
            if cycle % 2:
                host.remove_object(guest)
                host.add_guest(guest, bytes(32))
            else:
                host.add_device(guest, 1)
        host.run(f'touch {OUTPUT}.stop', check=True)
        finish(vm)
    check_all_is_well(vm)


def test_reset_on_another_cpu(numa_vm):
    """The cloud VM itself ends in the midst of it; what it does next time is as good."""
    vm = numa_vm
    with spare_guest(vm) as guest:
        start(vm, f'attack-running outside {guest} {OUTPUT}.stop')
        vm.host.reset()
        attacked(vm, 'bind', guest, 200)
    vm.boot().login()
    check_all_is_well(vm)
