# SPDX-License-Identifier: GPL-2.0-or-later
"""Users of doors who keep to no rule, while one works at the console's chardev."""

from test_attack import check_all_is_well, spare_guest

EACH, CONNECTIONS = 6, 60


def test_enemies(numa_vm):
    """They are many, at a door for readers and at one for writers, and L1 binds and unbinds
    another guest meanwhile. The user who has the keyboard loses no byte, gets none of theirs,
    and nobody is left over."""
    from lab.doors import add_door
    from lab.enemies import Enemy
    from lab.transfer import Transfer
    vm, host = numa_vm, numa_vm.host
    paths = [add_door(host, role=role, max_clients=EACH).removeprefix('unix:')
             for role in ('read', 'write')]
    enemies = [Enemy(path, seed, CONNECTIONS) for seed, path in enumerate(paths * EACH)]
    for enemy in enemies:
        enemy.start()
    with spare_guest(vm) as guest:
        transfer = Transfer(vm.console).start()
        vm.checks(f'attack-running unbind {guest} 1000', at=vm.host.run)
        from_guest, to_guest = transfer.finish()
    for enemy in enemies:
        enemy.join()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest, transfer.strange)
    heard = {kind for enemy in enemies for kind in enemy.answers}
    assert {b'H', b'W', b'R', b'E', b'O', b'P'} <= heard, heard
    assert not any(enemy.granted for enemy in enemies)
    for role in ('read', 'write'):
        host.qmp.cmd('object-del', id=f'vm1-door1-{role}')
    device = vm.state()['devices'][0]
    assert device['clients'] == [] or all(c['client'] == 0 for c in device['clients']), device
    assert host.alive()
    check_all_is_well(vm)
