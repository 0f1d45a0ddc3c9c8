# SPDX-License-Identifier: GPL-2.0-or-later
"""What hypervisors in the cloud VM rely on and QEMU's TCG has not always done: see patches/."""

import lab


def all_is_well(bare, scenario, **options):
    """L1 checks, and counts what failed."""
    with bare(scenario, **options) as vm:
        vm.wait_done()


def test_saving_registers_that_are_lazy(bare):
    all_is_well(bare, 'lazy')


def test_intercepts_of_reads(bare):
    all_is_well(bare, 'intercepts')


def test_assists(bare):
    """Next RIPs, decode assists, and what VMRUN makes of a next RIP"""
    all_is_well(bare, 'assists')


def test_flags_of_the_first_cpu(bare):
    """Are its own: another CPU that loads FPU registers does not change them."""
    all_is_well(bare, 'flags', cpus=2)


def test_events_of_other_cpus(bare):
    """None is lost at an entry into a guest for which an interrupt waits."""
    all_is_well(bare, 'events', cpus=2)


def test_priorities(bare):
    """A guest changes its own while an interrupt waits for it."""
    all_is_well(bare, 'priorities')


def test_task_register(bare):
    """That holds no TSS: the guest's fault"""
    all_is_well(bare, 'task')


def test_step_over_a_halt(bare):
    all_is_well(bare, 'step')


def test_tables_in_devices(bare):
    all_is_well(bare, 'devices')


def test_breakpoint(bare):
    """Where the code segment has a base"""
    all_is_well(bare, 'breakpoint')


def test_blocks_across_pages(bare):
    """FNSAVE writes to what its addresses say, not to what follows in memory."""
    all_is_well(bare, 'straddle')


def test_exit_on_the_way_to_long_mode(bare):
    all_is_well(bare, 'halfway')


def random_guests(bare, seeds):
    for seed in seeds:
        all_is_well(bare, 'random', cpus=2, seed=seed)


@lab.long
def test_random_guests(bare):
    """Of all modes, with any control block: L1 goes on, and so does the outer hypervisor."""
    random_guests(bare, range(1, 7))


@lab.long
def test_many_random_guests(bare):
    random_guests(bare, range(100, 200))
