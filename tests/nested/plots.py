#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw what bench.py has measured: plots.py ROWS.json FOLDER

ratios: each row's ratio against what it is to reach. console: the figures of output, input
and echo as they are. Each as PNG and SVG, the same for the same rows.
"""

import json
import os
import sys

import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt

# Of Okabe and Ito: told apart by those who see few colours, and by the marks besides.
MET, MISSED, UNRESOLVED, PLAIN = '#0072B2', '#D55E00', '#B8860B', '#999999'
BAND, TEXT, FAINT = '#DCEAF4', '#222222', '#666666'
STYLE = {
    'svg.hashsalt': 'shadow', 'font.family': 'DejaVu Sans', 'font.size': 9,
    'text.color': TEXT, 'xtick.color': FAINT, 'axes.edgecolor': '#CCCCCC',
    'figure.facecolor': 'white', 'savefig.facecolor': 'white',
}


def save(figure, folder, name):
    for kind, metadata in (('png', {'Software': None}), ('svg', {'Date': None, 'Creator': None})):
        figure.savefig(f'{folder}/{name}.{kind}', dpi=150, metadata=metadata)
    plt.close(figure)


def number(value):
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


def fraction(ratio):
    if not ratio:
        return '0'
    if ratio < 0.6:
        return f'1/{number(1 / ratio)}'
    return f'{ratio:.3f}' if ratio < 1.1 else number(ratio)


def color_of(row):
    if not row['resolved']:
        return UNRESOLVED
    return MET if row['met'] else MISSED


def draw_row(axes, y, row, low, high):
    color = color_of(row)
    bound = row['bound']
    good = (bound, high) if row['higher_is_better'] else (low, bound)
    axes.barh(y, good[1] - good[0], left=good[0], height=0.62, color=BAND, zorder=1)
    axes.plot([bound, bound], [y - 0.31, y + 0.31], color=MET, linewidth=1.5, zorder=2)
    axes.plot([max(end, low) for end in row['spread']], [y, y], color=color, linewidth=1.5,
              solid_capstyle='butt', zorder=3)
    axes.plot([max(row['ratio'], low)], [y], marker='o' if row['met'] else 'X', markersize=8, color=color,
              markeredgecolor='white', zorder=4)


def label_row(axes, y, row):
    peer = row['peer'] if row['peer'] != 'limit' else \
        f'{number(row["peer_value"])} {row["unit"]}'
    side = axes.get_yaxis_transform()
    axes.text(-0.01, y + 0.02, row['title'], ha='right', va='bottom', transform=side)
    axes.text(-0.01, y - 0.04, f'{row["series"]} / {peer}', ha='right', va='top', color=FAINT,
              fontsize=7.5, transform=side)
    axes.text(1.01, y, fraction(row['ratio']), ha='left', va='center', fontweight='bold',
              color=color_of(row), transform=side)
    said = '' if row['met'] and row['resolved'] else \
        'missed' if row['resolved'] else 'unresolved'
    axes.text(1.16, y, row['goal'], ha='left', va='bottom' if said else 'center',
              color=FAINT, transform=side)
    axes.text(1.16, y - 0.04, said, ha='left', va='top', color=color_of(row), fontsize=7.5,
              transform=side)


def log_ticks(low, high):
    ticks = [10.0 ** n for n in range(-6, 7) if low <= 10.0 ** n <= high]
    return ticks, [f'1/{1 / tick:,.0f}' if tick < 1 else f'{tick:,.0f}' for tick in ticks]


def draw_ratios(rows, folder):
    height = 0.5 * len(rows) + 1.3
    figure, axes = plt.subplots(figsize=(10, height))
    figure.subplots_adjust(left=0.31, right=0.72, top=1 - 0.75 / height, bottom=0.5 / height)
    ends = [end for row in rows for end in (*row['spread'], row['bound']) if end > 0]
    low, high = min(ends) / 3, max(ends) * 3
    for index, row in enumerate(rows):
        draw_row(axes, -index, row, low, high)
        label_row(axes, -index, row)
    axes.axvline(1, color='#BBBBBB', linewidth=0.8, zorder=0)
    axes.set(xscale='log', xlim=(low, high), ylim=(-len(rows) + 0.4, 0.6), yticks=[])
    axes.set_xticks(*log_ticks(low, high))
    axes.minorticks_off()
    for side in ('left', 'right', 'top'):
        axes.spines[side].set_visible(False)
    few = ', for development only: too few rounds' if any(r['development'] for r in rows) else ''
    figure.text(0.01, 1 - 0.22 / height, f'Ratio of paired rounds{few}', fontsize=11,
                fontweight='bold', va='center')
    figure.text(0.01, 1 - 0.48 / height, 'dot: median; line: spread; shaded: where the '
                'goal is met', color=FAINT, va='center')
    axes.text(1.01, 0.72, 'ratio', color=FAINT, transform=axes.get_yaxis_transform())
    axes.text(1.16, 0.72, 'to reach', color=FAINT, transform=axes.get_yaxis_transform())
    save(figure, folder, 'bench-ratios')


def bars_of(rows, name):
    """(name, median, all rounds) of each series that rows of one name have"""
    bars = {}
    for row in rows:
        if row['name'] == name:
            bars[row['series']] = row['value'], [value for value, _ in row['rounds']]
            bars[row['peer']] = row['peer_value'], [peer for _, peer in row['rounds']]
    return [(series, *bar) for series, bar in bars.items()]


def draw_panel(axes, title, bars):
    top = max(max(values) for _, _, values in bars)
    for index, (series, median, values) in enumerate(bars):
        color = MET if series == 'shadow' else PLAIN
        axes.barh(-index, median, height=0.6, color=color)
        axes.plot([min(values), max(values)], [-index, -index], color=TEXT, linewidth=1)
        axes.text(max(values) + top * 0.02, -index, number(median), va='center',
                  fontweight='bold')
    axes.set(xlim=(0, top * 1.18), xticks=[], ylim=(-len(bars) + 0.4, 0.6))
    axes.set_yticks([-index for index in range(len(bars))], [series for series, _, _ in bars])
    axes.tick_params(length=0)
    axes.set_title(title, loc='left', fontsize=9.5, fontweight='bold')
    for side in ('right', 'top', 'bottom'):
        axes.spines[side].set_visible(False)


def draw_console(rows, folder):
    better = {True: 'more', False: 'less'}
    panels = [(f'{row["title"]}: {row["unit"]}, {better[row["higher_is_better"]]} is better',
               bars_of(rows, name))
              for name in ('output-rate', 'input', 'echo-median', 'echo-p99')
              for row in [next((row for row in rows if row['name'] == name), None)] if row]
    if not panels:
        return
    lengths = [len(bars) for _, bars in panels]
    height = sum(lengths) * 0.32 + len(panels) * 0.5 + 0.3
    figure, all_axes = plt.subplots(len(panels), 1, figsize=(8, height), squeeze=False,
                                    gridspec_kw={'height_ratios': lengths})
    for axes, (title, bars) in zip(all_axes[:, 0], panels):
        draw_panel(axes, title, bars)
    figure.text(0.99, 0.1 / height, 'bar: median; line: all rounds', ha='right', color=FAINT,
                fontsize=8)
    figure.tight_layout(rect=(0, 0.15 / height, 1, 1))
    save(figure, folder, 'bench-console')


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding='utf-8') as file:
        rows = json.load(file)
    os.makedirs(sys.argv[2], exist_ok=True)
    with plt.rc_context(STYLE):
        draw_ratios(rows, sys.argv[2])
        draw_console(rows, sys.argv[2])


if __name__ == '__main__':
    main()
