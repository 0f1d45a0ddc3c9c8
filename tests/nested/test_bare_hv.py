# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM that is nothing but an attack, under TCG: it sees nothing, whatever it does,
hence nothing is reported. test_kvm_attack.py is the same under KVM."""

from lab import attacks


def nothing_seen(bare, scenario, **options):
    report, protection = attacks.nothing_seen(bare, scenario, **options)
    assert protection == 'forced', protection
    return report


def test_nothing_tried(bare):
    nothing_seen(bare, 'plain')


def test_as_linux_tells_what_has_not_changed(bare):
    nothing_seen(bare, 'plain', clean=1)


def test_map_restored(bare):
    assert 'READ ff' in nothing_seen(bare, 'restore')


def test_map_restored_by_dma(bare):
    assert 'READ ff' in nothing_seen(bare, 'dma')


def test_map_swapped(bare):
    assert 'INFO swap' in nothing_seen(bare, 'swap')


def test_map_swapped_at_times(bare):
    nothing_seen(bare, 'race', lines=40)


def test_many_vmcbs(bare):
    nothing_seen(bare, 'move', map=1)


def test_not_bound(bare):
    attacks.not_ours(bare)


def test_not_asked_for(bare):
    attacks.not_asked_for(bare)


def test_bound_again(bare):
    attacks.bound_again(bare, 0)


def test_bound_again_beside_another(bare):
    attacks.bound_again(bare, 1)


def test_calls(bare):
    attacks.calls(bare, ['vmmcall'])


def test_wild_buffers(bare):
    attacks.wild_buffers(bare)
