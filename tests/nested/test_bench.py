# SPDX-License-Identifier: GPL-2.0-or-later
"""What bench.py makes of figures, and that its nested benchmarks run; not how fast."""

import struct
import sys
import types

import bench
import lab
from benchmarks import Env, Goal
from lab import relay

A, B = 'ours', 'theirs'


def silent(_):
    pass


class Fake:
    """A benchmark that gives figures from lists, and notes who was asked"""

    def __init__(self, name, figures, goals, **options):
        self.asked = []
        fake = self

        class Bench:
            def __init__(self, env):
                pass

            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

            def series(self):
                return {name: lambda name=name: fake.ask(name) for name in figures}

        self.figures = {name: iter(values) for name, values in figures.items()}
        module = types.ModuleType(f'benchmarks.{name}')
        vars(module).update(NAME=name, TITLE=name, UNIT='s', GOALS=goals, Bench=Bench,
                            **options)
        sys.modules[module.__name__] = module

    def ask(self, name):
        self.asked.append(name)
        return next(self.figures[name])


def measure(figures, *goals, name='fake', count=None, **options):
    fake = Fake(name, figures, list(goals), **options)
    rows, failed = bench.run_all([name], Env(None, silent), count)
    assert not failed
    return fake, rows


def test_rounds_alternate_and_pair():
    fake, (row,) = measure({A: [99, 10, 20, 30, 40, 200], B: [1, 10, 10, 10, 10, 10]},
                           Goal(A, B, at_most=3))
    assert fake.asked == [B, A] + [A, B, B, A] * 2 + [A, B], fake.asked
    assert (row['value'], row['peer_value'], row['ratio']) == (30, 10, 3), row
    assert row['spread'] == [1, 20] and row['met'] and len(row['rounds']) == 5, row
    assert (row['name'], row['unit'], row['peer']) == ('fake', 's', B), row


def test_median_is_of_the_ratios():
    # Each side's median is 3; the machine was slow at different times.
    _, (row,) = measure({A: [0, 1, 2, 3, 4, 5], B: [0.1, 3, 4, 5, 2, 1]}, Goal(A, B, at_most=1))
    assert row['value'] == row['peer_value'] == 3 and row['ratio'] == 0.6, row


def test_goals():
    cases = [(Goal(A, B, at_least=2), 'at least 2 x', [(20, True), (19, False)]),
             (Goal(A, B, at_most=1 / 50), 'at most 1/50', [(0.2, True), (0.21, False)]),
             (Goal(A, B, at_most=1.2), 'at most 1.2 x', [(12, True), (12.1, False)]),
             (Goal(A, B, at_most=1, plus=2), 'at most 1 x and 2 s', [(12, True), (13, False)]),
             (Goal(A, limit=7), 'at most 7 s', [(7, True), (8, False)])]
    for goal, text, values in cases:
        for value, met in values:
            _, (row,) = measure({A: [value] * 6, B: [10] * 6}, goal)
            assert row['goal'] == text and row['met'] is met, (row, value)


def test_goal_of_all_rounds():
    """What must not happen is not met if it happens once."""
    for values, met in (([9, 10, 8, 9, 9], True), ([1, 1, 1, 1, 10.1], False)):
        for goal in (Goal(A, B, at_most=1, always=True), Goal(A, limit=10, always=True),
                     Goal(B, A, at_least=1, always=True)):
            _, (row,) = measure({A: [0.1] + values, B: [10] * 6}, goal)
            assert bench.verdict(row) == ('yes' if met else 'NO'), row


def test_rounds_that_do_not_agree():
    """A spread that is wider than what the goal asks for tells nothing, either way."""
    for values, verdict in (([9, 9, 9, 9, 9], 'yes'), ([11, 11, 11, 11, 11], 'NO'),
                            ([9, 9, 9, 9, 11], 'unresolved'), ([11, 11, 9, 11, 11], 'unresolved')):
        _, (row,) = measure({A: [0] + values, B: [10] * 6}, Goal(A, B, at_most=1))
        assert bench.verdict(row) == verdict, (row, verdict)


def test_outliers_of_many_rounds():
    """Of five rounds none is left out; of more, as many as still leave 90 % confidence."""
    assert [bench.outliers(n) for n in (1, 5, 7, 8, 11, 13)] == [0, 0, 0, 1, 2, 3]
    for high, verdict in ((2, 'yes'), (3, 'unresolved'), (6, 'unresolved'), (9, 'NO')):
        _, (row,) = measure({A: [0] + [11] * high + [9] * (11 - high), B: [10] * 12},
                            Goal(A, B, at_most=1), count=11)
        assert bench.verdict(row) == verdict, (row, verdict)
    _, (row,) = measure({A: [0, 1, 99, 2, 3, 4, 5, 6, 7, 8, 9, 0.1], B: [1] * 12},
                        Goal(A, B, at_most=10), count=11)
    assert row['spread'] == [2, 8] and row['ratio'] == 5, row


def test_what_is_counted():
    """So many rounds as it says, whatever is asked for, and no warm-up"""
    for count in (None, 1, 9):
        fake, (row,) = measure({A: [3, 4], B: [3, 3]}, Goal(A, B, at_most=1), count=count,
                               COUNTED=2)
        assert fake.asked == [A, B, B, A] and row['exact'], (fake.asked, row)
        assert bench.verdict(row) == 'unresolved' and row['spread'] == [1, 4 / 3], row


def test_sections_of_a_stream():
    """What migration.py takes for the console's is all of its section, and nothing else."""
    def section(kind, name, data):
        return (bytes([kind]) + struct.pack('>IB', 7, len(name)) + name +
                struct.pack('>III', 0, 1, len(data)) + data + b'\x7e' + struct.pack('>I', 7))
    ahead = section(1, b'shadow-agent-history', b'h' * 300)
    state = section(4, b'shadow-agent', b'\x7e\n' * 50)
    stream = b'QEVM' + ahead + b'shadow-agent' * 3 + state + b'\0'
    assert relay.part_of(stream, 'shadow-agent-history') == len(ahead)
    assert relay.part_of(stream, 'shadow-agent') == len(state)
    for bad in (b'', stream + state, stream[:-7], stream.replace(b'\x7e\0\0\0\7\0', b'')):
        try:
            relay.part_of(bad, 'shadow-agent')
        except ValueError:
            continue
        raise AssertionError(bad)


def test_work_that_hooks_are_counted_by(bare):
    """As hooks.py has it do it: the console is there, and L1 sees each access to a free port"""
    with bare('work', entries=20, steps=100, bind=1) as vm:
        vm.wait_done()
        assert 'PASS entries' in vm.report(), vm.report()
        assert vm.protection() == 'forced', vm.guest()


def test_figures_of_one_measurement():
    _, rows = measure({A: [{'median': 1, 'p99': 5}] * 6, B: [{'median': 2, 'p99': 4}] * 6},
                      Goal(A, B, at_most=1, figure='median'),
                      Goal(A, B, at_most=1, figure='p99', title='the slowest', unit='ms'))
    assert [(row['name'], row['met'], row['unit']) for row in rows] == \
        [('fake-median', True, 's'), ('fake-p99', False, 'ms')], rows
    assert rows[1]['title'] == 'the slowest'


def test_a_failed_benchmark_does_not_stop_others():
    Fake('ends', {A: [1, 1]}, [Goal(A, limit=1)])
    Fake('runs', {A: [1] * 6}, [Goal(A, limit=1)])
    rows, failed = bench.run_all(['ends', 'runs'], Env(None, silent), None)
    assert failed == ['ends'] and [row['name'] for row in rows] == ['runs'], (rows, failed)


def test_consoles_can_be_measured(config):
    with Env(config, silent) as env:
        rows, failed = bench.run_all(['output', 'input', 'echo', 'port'], env, 1)
        # The consoles are given back as they were, their counts right.
        vm = env.shadow()
        vm.check_console()
        assert lab.wait_until(lambda: vm.state()['devices'][0]['output-produced'] ==
                              vm.console.end(), 30), (vm.console.end(), vm.state())
        assert vm.console.sent == vm.state()['devices'][0]['input-accepted'], vm.state()
    assert not failed and {row['name'] for row in rows} >= {'output-rate', 'input', 'echo-p99',
                                                            'port'}, (rows, failed)
    assert all(row['value'] > 0 and row['peer_value'] > 0 for row in rows), rows
