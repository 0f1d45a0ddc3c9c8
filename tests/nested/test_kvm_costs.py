# SPDX-License-Identifier: GPL-2.0-or-later
"""What KVM costs an outer QEMU, in counts: ./shadow bench --accel kvm has the figures."""

from lab.counted import idle, transfer

BYTES = 400
SET_UP = 3      # accesses that switch the guest's UART on
FIRST = 1       # ioctl of a forced guest's very first access: how L1's page tables are


def accesses(cost, most):
    """Two for each byte, each one exit to QEMU and so many ioctls at most"""
    print(f'# {BYTES} bytes: {cost}', flush=True)
    assert cost.exits == 2 * BYTES + SET_UP, cost
    assert cost.ioctls <= most * cost.exits + FIRST * (not most), cost


def test_watched_output(bare_kvm):
    accesses(transfer(bare_kvm, written=BYTES), 1)


def test_watched_input(bare_kvm):
    accesses(transfer(bare_kvm, read=BYTES), 1)


def test_forced_output(bare_forced):
    accesses(transfer(bare_forced, written=BYTES), 0)


def test_forced_input(bare_forced):
    accesses(transfer(bare_forced, read=BYTES), 0)


def kicked(counts, most):
    """A CPU is kicked so many times a second at most, and does nothing else."""
    print(f'# {counts.seconds:.0f} s: {counts}', flush=True)
    assert counts.kicks <= most * counts.seconds, counts
    assert counts.all.exits <= counts.kicks + 2, counts


def test_watched_idle(bare_kvm):
    kicked(idle(bare_kvm, 20), 11)


def test_watched_busy(bare_kvm):
    kicked(idle(bare_kvm, 1, busy=True), 11)


def test_forced_idle(bare_forced):
    kicked(idle(bare_forced, 20), 0.1)
