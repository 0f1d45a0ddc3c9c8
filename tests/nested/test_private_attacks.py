# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM that is nothing but attacks on the private memory and registers of its guest,
guest/victim. That checks all of its registers again and again, and says so on its console; the
cloud VM looks for what is secret everywhere, after each exit, and checks what it is refused."""


def attack(bare, then, **options):
    """What L1 says of it, by the first words of its lines"""
    with bare('private', private=True, then=then, **options) as vm:
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
        assert 'changed' not in text and 'bad' not in text, text
        memory = vm.guest()['memory']
        assert memory['launched'] and memory['vcpus'] == 1
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


def test_save_area(bare):
    tabled(bare, 'save')


def test_control_area(bare):
    tabled(bare, 'control')


def test_nmi_within_nmi(bare):
    assert attacked(bare, 'nmi', 10) == 0


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
