# SPDX-License-Identifier: GPL-2.0-or-later
"""
The directive ``guest-life``: the life of a shadow guest as a picture and as a table, both from the
table in hw/core/shadow-life.c that decides.
"""

import html
import math
import pathlib
import re

from docutils import nodes
from docutils.parsers.rst import Directive

SOURCE = pathlib.Path(__file__).parents[2] / 'hw' / 'core' / 'shadow-life.c'
STEP = re.compile(r'\[SHADOW_STEP_(\w+)\] = \{ "[^"]*",\s*([A-Z| ]+),\s*([A-Z| ]+) \}')

# What makes a guest take each step. A new one has to be added here.
NAMES = {
    'SAVE': 'SAVE', 'COMMIT': 'COMMIT', 'ABORT': 'ABORT', 'RESTORE': 'RESTORE',
    'TAKE_BACK': 'ABORT after COMMIT',
    'RUN': 'nested entry, RUN', 'UNBIND': 'UNBIND', 'RESUME': 'shadow-guest-resume',
    'RESET': 'RESET', 'SNAPSHOT': 'SAVE of a snapshot', 'GO_BACK': 'RESTORE of a snapshot',
}
# Where each state stands in the picture, in pixels
PLACES = {
    'active': (110, 160), 'frozen': (430, 50), 'gone': (750, 160),
    'restored': (430, 270), 'incoming': (750, 330),
}
WIDTH, HEIGHT, BOX, BEND, LINE = 860, 370, (50, 19), 26, 14


def states(text):
    return [state.strip().lower() for state in text.split('|')]


def read():
    """{step: {from: [to]}}, as the table has it"""
    life = {}
    for step, origins, ends in STEP.findall(SOURCE.read_text(encoding='utf-8')):
        life[step] = {state: [state] if state in states(ends) else
                      [end for end in states(ends) if len(states(origins)) == 1 or
                       end not in states(origins)]
                      for state in states(origins)}
    if set(life) != set(NAMES):
        raise ValueError(f'{SOURCE}: steps {set(life) ^ set(NAMES)} are only in one of two tables')
    return life


def arrows(life):
    """{(from, to): [step]}"""
    found = {}
    for step, ways in life.items():
        for origin, ends in ways.items():
            for end in ends:
                found.setdefault((origin, end), []).append(NAMES[step])
    return found


def edge(at, toward):
    """Where a line from a box's middle leaves it"""
    (x, y), (dx, dy) = at, (toward[0] - at[0], toward[1] - at[1])
    scale = min(BOX[n] / abs(d) for n, d in enumerate((dx, dy)) if d)
    return x + dx * scale, y + dy * scale


def words(x, y, lines):
    top = y - (len(lines) - 1) * LINE / 2 + 4
    return ''.join(f'<text class="step" x="{x:.0f}" y="{top + n * LINE:.0f}">{html.escape(line)}</text>'
                   for n, line in enumerate(lines))


def draw_loop(state, steps):
    x, y = PLACES[state]
    top = y - BOX[1]
    return (f'<path d="M{x - 22} {top} C{x - 50} {top - 50} {x + 50} {top - 50} {x + 22} {top}"/>' +
            words(x, top - 48 - (len(steps) - 1) * LINE / 2, steps))


def draw_arrow(origin, end, steps, both):
    (x0, y0), (x1, y1) = PLACES[origin], PLACES[end]
    length = math.hypot(x1 - x0, y1 - y0)
    bend = BEND if both else 0
    # to the left of the way, so that the way back has its own
    mx = (x0 + x1) / 2 + bend * (y1 - y0) / length
    my = (y0 + y1) / 2 - bend * (x1 - x0) / length
    (sx, sy), (ex, ey) = edge((x0, y0), (mx, my)), edge((x1, y1), (mx, my))
    return (f'<path d="M{sx:.0f} {sy:.0f} Q{mx:.0f} {my:.0f} {ex:.0f} {ey:.0f}"/>' +
            words((sx + 2 * mx + ex) / 4, (sy + 2 * my + ey) / 4, steps))


def picture(life):
    found = arrows(life)
    parts = [draw_loop(origin, steps) if origin == end else
             draw_arrow(origin, end, steps, (end, origin) in found)
             for (origin, end), steps in found.items()]
    for state, (x, y) in PLACES.items():
        parts.append(f'<rect x="{x - BOX[0]}" y="{y - BOX[1]}" width="{2 * BOX[0]}" '
                     f'height="{2 * BOX[1]}" rx="8"/><text class="state" x="{x}" y="{y + 5}">'
                     f'{state}</text>')
    return f'''<svg viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg" role="img"
  aria-label="The states of a shadow guest and what leads from one to another">
<style>.guest-life path {{ fill: none; stroke: #667; stroke-width: 1.4; marker-end: url(#head) }}
.guest-life rect {{ fill: #eef3fa; stroke: #357; stroke-width: 1.5 }}
.guest-life text {{ text-anchor: middle; font-family: sans-serif }}
.guest-life .state {{ font-size: 15px; font-weight: bold; fill: #135 }}
.guest-life .step {{ font-size: 12px; fill: #333; stroke: white; stroke-width: 4;
  paint-order: stroke }}</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"
  orient="auto"><path d="M0 0L8 4L0 8Z" style="fill: #667; stroke: none"/></marker></defs>
<g class="guest-life">{''.join(parts)}</g></svg>'''


def cell(ways, life, step, state):
    """What comes of a step in a state: where it leads, or its refusal"""
    if state in ways:
        return ' or '.join(ways[state])
    ends = {end for way in life[step].values() for end in way}
    return '-EALREADY' if state in ends else '-EBUSY'


def row(texts):
    return nodes.row('', *(nodes.entry('', nodes.paragraph(text=text)) for text in texts))


def table(life):
    group = nodes.tgroup(cols=len(PLACES) + 1)
    group += [nodes.colspec(colwidth=width) for width in [24] + [14] * len(PLACES)]
    group += nodes.thead('', row(['', *PLACES]))
    group += nodes.tbody('', *(row([NAMES[step], *(cell(ways, life, step, state)
                                                   for state in PLACES)])
                               for step, ways in life.items() if step != 'UNBIND'))
    return nodes.table('', group)


class GuestLife(Directive):
    def run(self):
        life = read()
        self.state.document.settings.env.note_dependency(str(SOURCE))
        return [nodes.raw('', picture(life), format='html'), table(life)]


def setup(app):
    app.add_directive('guest-life', GuestLife)
    return {'parallel_read_safe': True}
