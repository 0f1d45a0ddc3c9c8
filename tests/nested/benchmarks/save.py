# SPDX-License-Identifier: GPL-2.0-or-later
"""SAVE, seen from L1, with a full history"""

from . import Goal
from ._calls import COUNT, LEAST, FullConsole, paused, turns

NAME = 'save'
TITLE = 'SAVE ultracall'
UNIT = 'us'
WAITED = 'SAVE while input arrives'
GOALS = [Goal('SAVE', LEAST, at_most=3),
         Goal('SAVE', LEAST, at_most=4, figure='total', title=WAITED)]


class Bench(FullConsole):
    def measure(self):
        with paused(self.vm):
            return self.vm.host.run(f'measure-save save {self.vm.guest} {COUNT}', check=True)[1]

    def series(self):
        return turns('SAVE', self.measure)
