# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM that is nothing but an attack: what it can do, and what comes of that on each
platform. Each cell is a test of its own, test_ATTACK_PLATFORM.

With TCG, or KVM with the change in contrib/, all is in vain, hence nothing is reported.
Under KVM of a stock kernel, what L1 does to the map of I/O permissions that is held is in
vain; that it uses another is reported."""

import inspect

from lab import attacks

# platform: (what starts the cloud VM there, a bound guest's protection)
PLATFORMS = {
    'tcg': ('bare', 'forced'),
    'kvm': ('bare_kvm', 'watched'),
    'kvm_61': ('bare_kvm_61', 'watched'),
    'forced': ('bare_forced', 'forced'),
}


def expect(check, *args, **options):
    return lambda bare, protection: check(bare, *args, **options)


def unseen(scenario, **options):
    return lambda bare, protection: attacks.unseen(bare, scenario, protection, **options)


# That L1 reads its own ones: there is no need to hold the map.
OWN = {'says': 'READ ff'}
# That L1 reads what the processor has.
HELD = {'says': 'READ 0', 'says_not': 'READ ff'}
SWAP_UNSEEN = unseen('swap', says='INFO swap')
SWAP_REPORTED = expect(attacks.swap_reported, lines=40)
RACE_UNSEEN = unseen('race', lines=40)
MOVE_UNSEEN = unseen('move', map=1)
NOT_OURS = expect(attacks.not_ours)
NOT_ASKED_FOR = expect(attacks.not_asked_for)
BOUND_AGAIN = expect(attacks.bound_again, 0)
BOUND_BESIDE = expect(attacks.bound_again, 1)
NOBODY = expect(attacks.served_by_nobody)
KEPT = expect(attacks.kept)
OVER = expect(attacks.over)
TOLD_APART = expect(attacks.told_apart)
VMMCALL = expect(attacks.calls, ['vmmcall'])
BUFFERS = expect(attacks.wild_buffers)
# With KVM L0 takes no calls in guest mode.
DOORBELL = expect(attacks.doorbell, nested=1)
DOORBELL_KVM = expect(attacks.doorbell, nested=0)


def callers(cycles, unbound=True, **options):
    return expect(attacks.race_lost, cycles, unbound, **options)


def claimed(check, then):
    return expect(check, 'claim', 'claim', then=then)


def removed(whole, **options):
    return expect(attacks.removed, whole, **options)


# None: not tried there, since what is tried at its left covers it
TABLE = {
    # attack                  tcg, kvm, kvm_61, forced
    'nothing_tried': [unseen('plain')] * 4,
    'as_linux_tells_what_has_not_changed': [unseen('plain', clean=1), None, None, None],
    'map_restored': [unseen('restore', **OWN), unseen('restore', **HELD), None,
                     unseen('restore', **OWN)],
    'map_restored_by_dma': [unseen('dma', **OWN), unseen('dma', **HELD), None, None],
    'map_swapped': [SWAP_UNSEEN, SWAP_REPORTED, SWAP_REPORTED, SWAP_UNSEEN],
    'map_swapped_at_times': [RACE_UNSEEN, expect(attacks.race_reported), None, RACE_UNSEEN],
    'many_vmcbs': [MOVE_UNSEEN, unseen('move', clean=1), None, MOVE_UNSEEN],
    'not_bound': [NOT_OURS] * 4,
    'not_asked_for': [NOT_ASKED_FOR, NOT_ASKED_FOR, None, NOT_ASKED_FOR],
    'bound_again': [BOUND_AGAIN, BOUND_AGAIN, None, BOUND_AGAIN],
    'bound_again_beside_another': [BOUND_BESIDE, BOUND_BESIDE, None, BOUND_BESIDE],
    'cookie_absent': [NOBODY, NOBODY, None, NOBODY],
    'cookie_back_in_time': [expect(attacks.waited_for), None, None, None],
    'cookie_changed': [OVER, OVER, None, OVER],
    'bound_by_another': [KEPT, KEPT, None, KEPT],
    'twin_process': [TOLD_APART, TOLD_APART, None, TOLD_APART],
    'bound_on_another_cpu': [callers(1000, bind=1, exits=1), None, None, None],
    'bound_on_another_cpu_not_asked_for': [callers(1000, bind=1), None, None, None],
    'unbound_on_another_cpu': [callers(400, False, exits=1), None, None, None],
    'unbound_on_another_cpu_not_asked_for': [callers(400), None, None, None],
    'device_removed': [removed(False, exits=1), None, None, None],
    'device_removed_not_asked_for': [removed(False), None, None, None],
    'guest_removed': [removed(True, exits=1), None, None, None],
    'guest_removed_not_asked_for': [removed(True), None, None, None],
    'claimed': [unseen('claim', then='nothing'), expect(attacks.no_claims), None, None],
    'claimed_many_vmcbs': [unseen('claim', then='vmcb'), None, None, None],
    'claimed_page_moved': [unseen('claim', then='moved'), None, None, None],
    'claimed_page_absent': [claimed(attacks.served_by_nobody, 'absent'), None, None, None],
    'claimed_cookie_lost': [claimed(attacks.over, 'lost'), None, None, None],
    'claimed_root_of_another': [claimed(attacks.over, 'root'), None, None, None],
    'claimed_one_of_three': [expect(attacks.one_of_three), None, None, None],
    'claimed_on_another_cpu': [callers(200, False, claim=1, exits=1), None, None, None],
    'claimed_on_another_cpu_not_asked_for': [callers(200, claim=1), None, None, None],
    'calls': [VMMCALL, VMMCALL, expect(attacks.calls, ['KVM hypercall']), None],
    'wild_buffers': [BUFFERS, BUFFERS, BUFFERS, None],
    'doorbell_rung_for_others': [DOORBELL, DOORBELL_KVM, DOORBELL_KVM, None],
}


def cell(name, fixture, protection, check):
    """The test that the runner finds: its argument says what it needs."""
    def test(bare):
        check(bare, protection)

    test.__name__ = name
    test.__signature__ = inspect.Signature(
        [inspect.Parameter(fixture, inspect.Parameter.POSITIONAL_OR_KEYWORD)])
    return test


for attack, row in TABLE.items():
    for (platform, (starts, grade)), wanted in zip(PLATFORMS.items(), row):
        if wanted:
            test_name = f'test_{attack}_{platform}'
            globals()[test_name] = cell(test_name, starts, grade, wanted)
