# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM that is nothing but attacks on the private memory and registers of its guest,
guest/victim. That checks all of its registers again and again, and says so on its console; the
cloud VM looks for what is secret everywhere, after each exit, and checks what it is refused."""

from lab.patience import LONG


def attacked(bare, then, rounds=3):
    with bare('private', private=True, then=then, rounds=rounds) as vm:
        vm.wait_done()
        assert 'changed' not in vm.console.text(), vm.console.text()
        # The last one is written before the exit that L1 counts.
        vm.console.expect('ok\\r\\n' * rounds)
        said = vm.console.text()
        assert 'changed' not in said and 'bad' not in said, said
        memory = vm.guest()['memory']
        assert memory['launched'] and memory['vcpus'] == 1
        refused = next(int(line.split()[2]) for line in vm.report()
                       if line.startswith('COUNT refused'))
        assert memory['refused'] <= refused
        print(f'# {then}: {[line for line in vm.report() if line.startswith("COUNT")]}')
        return refused


def test_nothing_seen(bare):
    assert attacked(bare, 'nothing') == 0


def test_save_area_edited(bare):
    assert attacked(bare, 'edit', 40) > 20


def test_events_injected(bare):
    assert attacked(bare, 'inject', 20) > 10000


def test_rip_changed(bare):
    assert attacked(bare, 'rip', 5) > 10000


def test_all_intercepted(bare):
    assert attacked(bare, 'intercept') == 0


def test_nested_paging_changed(bare):
    assert attacked(bare, 'paging') > 100


def test_ended_while_a_cpu_is_inside(bare):
    """What the CPU goes on writing to is nobody else's memory meanwhile."""
    with bare('private-over', private=True, cpus=2) as vm:
        vm.wait_done()
        said = vm.console.text()
        assert 'changed' not in said and 'bad' not in said, said
