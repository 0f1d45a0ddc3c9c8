#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure a shadow console side by side with what it replaces: all of benchmarks/.

Each figure is one of a pair that the same round has measured, so that a busy machine
slows both. A goal that is missed is reported; only a benchmark that cannot run is an error.
"""

import contextlib
import glob
import importlib
import math
import os
import statistics
import subprocess
import sys
import textwrap
import time
import traceback

import lab
from benchmarks import Env
from lab import program
from lab.patience import busier, slower
from lab.program import say

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = 5
# Programs that wish to run, for each processor, before anything has been started here
BUSY = 1.2
# That the true median is within the spread: 0.94 of five rounds, none of them left out
CONFIDENCE = 0.9
# As the results have them; others follow.
ORDER = ['output', 'input', 'echo', 'port', 'save', 'restore', 'envelope', 'migration', 'hooks',
         'scale', 'hostile']
# With --accel kvm these, and no others.
OF_KVM = ['kvm']


def find():
    """Names of all benchmarks; the modules are there when lab.Config has been made."""
    files = (os.path.basename(path)[:-3] for path in glob.glob(f'{HERE}/benchmarks/*.py'))
    names = {name for name in files if not name.startswith('_')}
    return [name for name in ORDER if name in names] + sorted(names - set(ORDER))


def brief(number):
    """Three digits and no exponent, or all of a whole number"""
    if float(number).is_integer() or abs(number) >= 1000:
        return f'{number:,.0f}'
    return f'{number:.3g}'


def figures_of(result):
    return result if isinstance(result, dict) else {None: result}


def measure_round(series, number, say):
    """One figure, or one dict of figures, of each series; forward and backward in turn."""
    order = list(series) if number % 2 else list(reversed(series))
    say(f'  round {number}' if number else '  warm-up')
    done = {}
    for name in order:
        done[name] = figures_of(series[name]())
        say(f'    {name}: ' + ', '.join(f'{figure} {brief(value)}' if figure else brief(value)
                                        for figure, value in done[name].items()))
    return done


def outliers(count):
    """How many of so many rounds, at each end of their order, its spread leaves out: what is
    left holds the true median nine times of ten, as the least and the greatest of five do."""
    left, beyond = 0, 1
    while 2 * (beyond + math.comb(count, left + 1)) <= (1 - CONFIDENCE) * 2 ** count:
        left += 1
        beyond += math.comb(count, left)
    return left


def spread(values):
    left = outliers(len(values))
    return sorted(values)[left:len(values) - left]


def row_of(module, goal, rounds):
    goal.title, goal.unit = goal.title or module.TITLE, goal.unit or module.UNIT
    values = [done[goal.value][goal.figure] for done in rounds]
    peers = [done[goal.peer][goal.figure] if goal.peer else goal.limit for done in rounds]
    ratios = [value / peer for value, peer in zip(values, peers)]
    alone = [bool(goal.met([pair])) for pair in zip(values, peers)]
    return {
        'name': f'{module.NAME}-{goal.figure}' if goal.figure else module.NAME,
        'unit': goal.unit, 'value': statistics.median(values),
        'peer': goal.peer or 'limit', 'peer_value': statistics.median(peers),
        'ratio': statistics.median(ratios), 'goal': str(goal),
        'met': bool(goal.met(list(zip(values, peers)))),
        # If too many rounds say so and too many say not, they do not tell.
        'resolved': goal.always or
                    min(map(alone.count, (True, False))) <= outliers(len(alone)),
        'title': goal.title, 'series': goal.value,
        'bound': goal.bound, 'higher_is_better': goal.at_least is not None,
        'spread': [spread(ratios)[0], spread(ratios)[-1]], 'rounds': list(zip(values, peers)),
    }


def run_one(module, env, count):
    """Rows of one benchmark."""
    counted = getattr(module, 'COUNTED', 0)
    count = counted or count or max(ROUNDS, getattr(module, 'ROUNDS', ROUNDS))
    env.say(f'{module.NAME}: {module.TITLE}')
    started = time.monotonic()
    env.notes = []
    if getattr(module, 'ALONE', False):
        env.drop()
    with module.Bench(env) as bench:
        series = bench.series()
        if not counted:
            measure_round(series, 0, env.say)
        rounds = [measure_round(series, number, env.say) for number in range(1, count + 1)]
    env.say(f'  took {time.monotonic() - started:.0f} s')
    rows = [row_of(module, goal, rounds) for goal in module.GOALS]
    for row in rows:
        row['exact'], row['notes'] = bool(counted), env.notes
    return rows


def run_all(names, env, count):
    rows, failed = [], []
    for name in names:
        try:
            rows += run_one(importlib.import_module(f'benchmarks.{name}'), env, count)
        except Exception:
            failed.append(name)
            env.say(f'  {name} has FAILED\n' + textwrap.indent(traceback.format_exc(), '# '))
            env.drop()
    return rows, failed


def brief_ratio(ratio):
    if 0 < ratio < 0.6:
        return f'1/{brief(1 / ratio)}'
    return f'{ratio:.4g}' if ratio < 1.5 else brief(ratio)


def verdict(row):
    if not row['resolved']:
        return 'unresolved'
    return 'yes' if row['met'] else 'NO'


def ratio_text(row):
    low, high = map(brief_ratio, row['spread'])
    text = brief_ratio(row['ratio'])
    return text + ('' if '/' in text else ' x') + \
        ('' if len(row['rounds']) == 1 else f' ({low} to {high})')


def print_rows(rows):
    table = [('what', 'value', 'compared with', '', 'ratio (spread)', 'to reach', 'met')]
    before = None
    for row in rows:
        same = (row['name'], row['series']) == before
        before = row['name'], row['series']
        table.append((
            '' if same else row['title'],
            '' if same else f'{brief(row["value"])} {row["unit"]}',
            row['peer'], f'{brief(row["peer_value"])} {row["unit"]}',
            ratio_text(row), row['goal'], verdict(row)))
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = ['  '.join(f'{cell:{width}}' for cell, width in zip(line, widths)).rstrip()
             for line in table]
    rule = '-' * max(map(len, lines))
    print('\n'.join(['', rule, lines[0], rule] + lines[1:] + [rule]))
    for name, note in dict.fromkeys((row['name'].split('-')[0], note)
                                    for row in rows for note in row['notes']):
        print(textwrap.fill(f'{name}: {note}', 100, subsequent_indent='  '))


def plot(path, folder):
    """In a program of its own: matplotlib may be the system's python's only."""
    for python in (sys.executable, '/usr/bin/python3'):
        with contextlib.suppress(OSError):
            if subprocess.run([python, '-c', 'import matplotlib'], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0:
                return subprocess.run([python, f'{HERE}/plots.py', path, folder],
                                      check=False).returncode == 0
    say('no plots: no python here has matplotlib (Debian: python3-matplotlib)')
    return False


def main():
    names = find()
    parser = lab.Config.parser(__doc__)
    parser.add_argument('--json', metavar='FILE', help='write the rows there too')
    parser.add_argument('--only', metavar='NAME', action='append', choices=names,
                        help=f'one of: {", ".join(names)}; may be repeated')
    parser.add_argument('--rounds', metavar='N', type=int,
                        help=f'instead of {ROUNDS} or what a benchmark needs; fewer are for '
                             'development only, and marked so')
    parser.add_argument('--plots', metavar='DIR', help='draw the rows there, as PNG and SVG')
    args = parser.parse_args()
    if args.rounds is not None and args.rounds < 1:
        parser.error('--rounds: at least 1')
    before = busier()
    able = [name for name in names if (name in OF_KVM) == (args.accel == 'kvm')]
    chosen = [name for name in able if not args.only or name in args.only]
    if not chosen:
        parser.error(f'with --accel {args.accel} there are: {", ".join(able)}')
    with Env(lab.Config.from_args(args), say) as env:
        rows, failed = run_all(chosen, env, args.rounds)
    short = args.rounds is not None and args.rounds < ROUNDS
    for row in rows:
        row['development'] = short
    path = args.json or f'{env.build}/bench.json'
    program.write_json(path, rows)
    if rows:
        print_rows(rows)
    if args.plots and rows and not plot(path, args.plots):
        failed.append('plots')
    if short:
        print(f'{args.rounds} rounds are too few: this was for development only.')
    print(f'This machine is {slower():.1f} times slower than the one that limits are for.' +
          (f' It had other work, {before:.1f} programs for each processor: what is timed here tells '
           'little.' if before > BUSY else ''))
    verdicts = [verdict(row) for row in rows]
    print(f'bench: {verdicts.count("yes")} goals reached, {verdicts.count("NO")} missed, '
          f'{verdicts.count("unresolved")} unresolved, '
          f'{len(failed)} benchmarks failed {" ".join(failed)}'.rstrip() +
          f' after {program.elapsed():.0f} s')
    return 1 if failed else 0


if __name__ == '__main__':
    program.run('bench', main)
