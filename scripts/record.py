#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
./shadow demo | scripts/record.py FILE.svg

Copy what a command prints, and make an animated picture of it, of which each line appears when it
was printed: SPEED times faster, and after PAUSE seconds at the latest. It starts anew after HOLD.
"""

import html
import sys
import time

SPEED, PAUSE, HOLD = 4, 1.2, 6          # seconds
COLUMNS, ROWS, MARGIN = 110, 30, 12
WIDTH, HEIGHT = 7.8, 17                 # of a character, in pixels
DARK, LIGHT, DIM = '#1b1f27', '#d7dce2', '#8c96a3'


def read(stream):
    """(seconds of the recording, line), cut to the terminal's width"""
    lines, now, last = [], 0.0, time.monotonic()
    for text in stream:
        sys.stdout.write(text)
        sys.stdout.flush()
        at = time.monotonic()
        now, last = now + min((at - last) / SPEED, PAUSE), at
        text = text.rstrip('\n')
        for start in range(0, max(len(text), 1), COLUMNS):
            lines.append((now, text[start:start + COLUMNS]))
    return lines


def percent(at, total):
    return f'{100 * at / total:.3f}%'


def appear(number, at, total):
    """A line is there from its time on."""
    if not at:
        return ''
    before, then = percent(max(at - 0.01, 0), total), percent(at, total)
    frames = f'0%, {before} {{ opacity: 0 }} {then}, 100% {{ opacity: 1 }}'
    return (f'@keyframes l{number} {{ {frames} }}\n'
            f'#l{number} {{ animation: l{number} {total:.2f}s infinite }}\n')


def scroll(lines, total):
    """Once the window is full, each further line moves the text up by one."""
    steps = ['0% { transform: translateY(0) }']
    for number, (at, _) in enumerate(lines):
        if number >= ROWS:
            up = (number - ROWS + 1) * HEIGHT
            steps.append(f'{percent(at, total)} {{ transform: translateY(-{up}px) }}')
    return (f'@keyframes up {{ {" ".join(steps)} }}\n'
            f'#text {{ animation: up {total:.2f}s step-end infinite }}\n')


def draw(lines, command):
    total = lines[-1][0] + HOLD
    width = COLUMNS * WIDTH + 2 * MARGIN
    height = (ROWS + 1) * HEIGHT + 2 * MARGIN
    style = ''.join(appear(number, at, total) for number, (at, _) in enumerate(lines))
    rows = '\n'.join(f'<text id="l{number}" xml:space="preserve" x="0" '
                     f'y="{(number + 1) * HEIGHT}">{html.escape(text)}</text>'
                     for number, (_, text) in enumerate(lines))
    return f'''<!-- SPDX-License-Identifier: GPL-2.0-or-later; made by scripts/record.py -->
<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"
     viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{html.escape(command)}">
<style>
text {{ font: 13px monospace; fill: {LIGHT}; white-space: pre }}
#command {{ fill: {DIM} }}
{style}{scroll(lines, total)}</style>
<rect width="100%" height="100%" rx="6" fill="{DARK}"/>
<text id="command" x="{MARGIN}" y="{MARGIN + HEIGHT - 4}">$ {html.escape(command)}</text>
<svg x="{MARGIN}" y="{MARGIN + HEIGHT}" width="{width - 2 * MARGIN:.0f}"
     height="{ROWS * HEIGHT + 4}">
<g id="text">
{rows}
</g>
</svg>
</svg>
'''


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    lines = read(sys.stdin)
    if not lines:
        sys.exit('record.py: there was nothing to record')
    with open(sys.argv[1], 'w', encoding='utf-8') as file:
        file.write(draw(lines, './shadow demo'))


if __name__ == '__main__':
    main()
