# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM that is nothing but an attack, under KVM with the change in contrib/: what
can only be reported without it is in vain."""

from lab import attacks


def nothing_seen(bare, scenario, **options):
    report, protection = attacks.nothing_seen(bare, scenario, **options)
    assert protection == 'forced', protection
    return report


def test_nothing_tried(bare_forced):
    nothing_seen(bare_forced, 'plain')


def test_map_restored(bare_forced):
    """There is no need to hold it."""
    assert 'READ ff' in nothing_seen(bare_forced, 'restore')


def test_map_swapped(bare_forced):
    assert 'INFO swap' in nothing_seen(bare_forced, 'swap')


def test_map_swapped_at_times(bare_forced):
    nothing_seen(bare_forced, 'race', lines=40)


def test_many_vmcbs(bare_forced):
    nothing_seen(bare_forced, 'move', map=1)


def test_not_bound(bare_forced):
    attacks.not_ours(bare_forced)


def test_not_asked_for(bare_forced):
    attacks.not_asked_for(bare_forced)


def test_bound_again(bare_forced):
    attacks.bound_again(bare_forced, 0)


def test_bound_again_beside_another(bare_forced):
    attacks.bound_again(bare_forced, 1)
