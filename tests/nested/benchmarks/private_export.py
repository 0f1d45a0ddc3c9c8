# SPDX-License-Identifier: GPL-2.0-or-later
"""Private memory that leaves, as root of the cloud VM gets it: a record of 512 pages, against the
same pages one by one, and against the encryption alone"""

import statistics

from lab.private import MEMORY, PrivateVm, fill

from . import Goal
from ._calls import paused
from ._own import Own
from ._together import together

NAME = 'private_export'
TITLE = 'a record of 512 private pages'
UNIT = 'us'
RECORD, PAGES, LEAST = 'EXPORT', 'page by page', 'AES-256-GCM and memcpy'
ONE_KEY, SHORT = 'page by page with one key', 'EXPORT of 14 pages at a time'
ALL = RECORD, PAGES, LEAST, ONE_KEY, SHORT      # as measure-pages has them
GOALS = [Goal(RECORD, PAGES, at_most=1 / 3), Goal(RECORD, LEAST, at_most=1.5)]
COUNT = 10
FILLED = 48         # MiB of the user VM's memory; a record has two


class Bench(Own):
    def __init__(self, env):
        super().__init__(env)
        self.ratios = []

    def start(self, stack):
        self.env.say('starting a cloud host')
        host = stack.enter_context(self.env.fresh_host(
            name='private', memory=768, extra=['-device', 'shadow-benchdev']))
        self.env.say('starting a user VM with private memory')
        self.vm = stack.enter_context(PrivateVm(host, user='root', chardev=True,
                                                memory=MEMORY)).login()
        fill(self.vm.console, FILLED)

    def __exit__(self, *error):
        for name, ratios in zip((ONE_KEY, SHORT), zip(*self.ratios)):
            self.env.note(f'{name} takes {statistics.median(ratios):.2f} times as long '
                          f'({min(ratios):.2f} to {max(ratios):.2f})')
        return super().__exit__(*error)

    def series(self):
        return together(ALL, self.measure)

    def measure(self):
        """One export gives all of them."""
        with paused(self.vm):
            text = self.vm.host.run(f'measure-pages {self.vm.guest} {COUNT}', check=True)[1]
        turns = zip(*(map(float, line.split()) for line in text.splitlines()))
        # What nothing has interrupted says most.
        took = dict(zip(ALL, map(min, turns), strict=True))
        self.ratios.append([took[name] / took[RECORD] for name in (ONE_KEY, SHORT)])
        return took
