# SPDX-License-Identifier: GPL-2.0-or-later
"""What L1 has to carry, and what of that is the console's: its history, when it is full"""

from . import Goal
from ._calls import FullConsole, paused

NAME = 'envelope'
TITLE = 'size of a sealed envelope'
UNIT = 'bytes'
COUNTED = 1
GOALS = [Goal('envelope', 'payload', at_most=1, plus=128)]
FILE = '/tmp/envelope'


class Bench(FullConsole):
    def envelope(self):
        guest = self.vm.guest
        with paused(self.vm):
            text = self.vm.host.run(f'ultracall save {guest} {FILE} >/dev/null && wc -c <{FILE}; '
                                    f'ultracall abort {guest} >/dev/null; rm {FILE}', check=True)[1]
        return int(text)

    def payload(self):
        """Of which size class what the port has kept is, without any bookkeeping"""
        device, = self.vm.state()['devices']
        return 1 << (device['output-produced'] - device['output-start'] - 1).bit_length()

    def series(self):
        return {'envelope': self.envelope, 'payload': self.payload}
