# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM that is nothing but attacks on the private memory and registers of its guest,
guest/victim. That checks all of its registers again and again, and says so on its console; the
cloud VM looks for what is secret everywhere, after each exit, and checks what it is refused."""

import time

from lab.patience import LONG, Patience


def attack(bare, then, scenario='private', vcpus=1, private=True, **options):
    """What L1 says of it, by the first words of its lines"""
    with bare(scenario, private=private, then=then, **options) as vm:
        vm.wait_done()
        assert 'changed' not in vm.console.text(), vm.console.text()
        said = {}
        for line in vm.report():
            first, _, rest = line.partition(' ')
            said.setdefault(first, []).append(rest)
        counts = {name: int(n) for name, n in (line.split() for line in said['COUNT'])}
        # The last one is written before the exit that L1 counts.
        vm.console.expect('ok\\r\\n' * counts['rounds'])
        text = vm.console.text()
        assert 'changed' not in text and 'bad' not in text and '!' not in text, text
        memory = vm.guest()['memory']
        assert memory['launched'] and memory['vcpus'] == vcpus
        assert memory['refused'] <= counts['refused']
        print(f'# {then}: {counts}')
        return counts, said


def attacked(bare, then, rounds=3):
    return attack(bare, then, rounds=rounds)[0]['refused']


def tabled(bare, then):
    """Each field of the VMCB at each kind of exit"""
    table = attack(bare, then, rounds=4000)[1]['TABLE']
    print('\n'.join(f'# {then}, {row}' for row in table))
    assert len(table) == 18
    for row in table:
        numbers = [int(word) for word in row.replace(',', '').split() if word.isdigit()]
        refused, nothing, elsewhere = numbers
        assert refused >= 9 and nothing > 250 and elsewhere < 9, row


def test_nothing_seen(bare):
    assert attacked(bare, 'nothing') == 0


def test_bound_by_tag(bare):
    """A guest that says itself which one it is has its ports when it is private, and no other that
    L1 runs by the same tables."""
    counts = attack(bare, 'nothing', rounds=5, bind='tag', register=True)[0]
    assert counts['refused'] == 0


def test_save_area(bare):
    tabled(bare, 'save')


def test_control_area(bare):
    tabled(bare, 'control')


def test_nmi_within_nmi(bare):
    assert attacked(bare, 'nmi', 10) == 0


def test_interrupts_with_steps(bare):
    assert attacked(bare, 'steps', 10) == 0


def test_cloud_vm_without_paging(bare):
    assert 'entries without paging' in attack(bare, 'unpaged', rounds=10)[1]['PASS']


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


def test_reset_of_a_cpu_inside(bare):
    """INIT: the guest leaves the CPU as at any exit, and goes on on another one."""
    with bare('private-over', private=True, cpus=2, then='reset') as vm:
        vm.wait_done()
        said = vm.console.text()
        assert 'changed' not in said and 'bad' not in said, said


def test_reset_by_call(bare):
    """As the other end of a life: a machine that begins anew is none that goes on."""
    with bare('private-over', private=True, cpus=2, then='call') as vm:
        vm.wait_done()
        said = vm.console.text()
        assert 'changed' not in said and 'bad' not in said, said
        assert vm.guest()['memory']['launched']


def test_started_anew_while_kept(bare):
    """A CPU that the guest has ended, and that L1 does not let out, has no successor beside it."""
    attack(bare, 'kept', 'private-cpus', vcpus=2, cpus=2, rounds=5)


def test_dma_and_other_means(bare):
    attack(bare, 'machine', 'private-machine', rounds=5)


def test_race_of_two_cpus(bare):
    attack(bare, 'race', 'private-race', cpus=2, rounds=6)


def test_two_cpus_of_the_guest(bare):
    attack(bare, 'cpus', 'private-cpus', vcpus=2, rounds=5)


def test_two_guests(bare):
    attack(bare, 'two', 'private-two', private=2, rounds=6)


def test_imported(bare):
    """A guest that L1 has started comes to be private: L1 gives each page once, and none when the
    guest has sealed its memory, which nobody else says for it."""
    with bare('import', imported=True) as vm:
        vm.wait_done()
        memory = vm.guest()['memory']
        assert memory['sealed'] and memory['refused'] == 1, memory
        assert vm.protection() == 'private'
        imported = memory['imported']
        assert 4 <= imported < 100, memory


def counts_of(vm):
    return {line.split()[1]: int(line.split()[2]) for line in vm.report()
            if line.startswith('COUNT ')}


def test_imported_by_two_cpus(bare):
    """Two CPUs of the guest touch each page at once, and L1 has another frame for each of them."""
    with bare('import-race', imported=True, cpus=2) as vm:
        vm.wait_done()
        print('\n'.join(f'# {line[5:]}' for line in vm.report() if line.startswith('INFO')))
        pages = counts_of(vm)['pages']
        memory = vm.guest()['memory']
        assert memory['vcpus'] == 2 and not memory['refused'], memory
        assert pages < memory['imported'] < pages + 100, memory


def test_sealed_by_others(bare):
    """Who has had the port until the guest was private says something just then: it is not heard."""
    with bare('import-others', imported=True, cpus=2) as vm:
        vm.wait_done()
        assert counts_of(vm)['rounds'] > 20
        assert not vm.guest()['memory']['sealed'], vm.guest()


def test_task_switch(bare):
    """An interrupt of L1's leads to another task of the guest's: L1 does not get to see that, nor
    what is in it, nor has it other tasks there."""
    with bare('import-tasks', imported=True) as vm:
        vm.wait_done()
        counts = counts_of(vm)
        assert counts['switches'] > 100
        assert vm.guest()['memory']['refused'] == counts['refused'] > 1000, vm.guest()


def stays_inside(bare):
    """One whose second CPU is in the guest, and does not leave it"""
    return bare('private-over', private=True, cpus=2, then='stay')


def wait_inside(vm, times=1):
    patience = Patience(LONG)
    while vm.report().count('INFO inside') < times:
        if patience.over(len(vm.report())) or not vm.where.alive():
            raise patience.error(f'no CPU is inside: {vm.report()[-20:]}')
        time.sleep(0.1)


def test_reset_while_a_cpu_is_inside(bare):
    """The next life is as good as the first, and has nothing of that."""
    with stays_inside(bare) as vm:
        for life in (1, 2):
            wait_inside(vm, life)
            assert vm.protection() == 'private'
            vm.qmp.cmd('system_reset')
        wait_inside(vm, 3)
        assert 'changed' not in vm.console.text()


def test_removed_with_a_cpu_inside(bare):
    """Its memory, then its console and the guest itself"""
    with stays_inside(bare) as vm:
        wait_inside(vm)
        vm.qmp.cmd('device_del', id='vm1-ram')
        assert vm.protection() == 'none' and 'memory' not in vm.guest()
        vm.qmp.cmd('device_del', id='vm1-com1')
        vm.qmp.cmd('object-del', id='vm1')
        assert not [g for g in vm.qmp.cmd('query-shadow-guests') if g['id'] == 'vm1']
        vm.qmp.cmd('system_reset')
        assert vm.where.alive()


def test_quit_while_a_cpu_is_inside(bare):
    with stays_inside(bare) as vm:
        wait_inside(vm)
        vm.qmp.cmd('quit')
        patience = Patience(LONG)
        while vm.where.alive():
            if patience.over(0):
                raise patience.error('it does not end')
            time.sleep(0.1)
        assert vm.where.process.returncode == 0, vm.where.read('log')
