# SPDX-License-Identifier: GPL-2.0-or-later
"""One access to a port: the UART's scratch register, which does nothing else"""

import re

from . import Goal
from ._nested import ISA, Nested, OWN, SHADOW

NAME = 'port'
TITLE = 'one port access in L2'
UNIT = 'ns'
GOALS = [Goal(SHADOW, ISA, at_most=1 / 50), Goal(SHADOW, OWN, at_most=1.2)]
# The register of the first port, and of the second, which is the one the cloud VM's shell has.
SCRATCH = {SHADOW: 0x3ff, ISA: 0x3ff, OWN: 0x2ff}
COUNT = {SHADOW: 4000000, ISA: 4000, OWN: 4000000}


class Bench(Nested):
    def series(self):
        return {name: lambda name=name: self.measure(name) for name in (SHADOW, ISA, OWN)}

    def measure(self, name):
        """By the guest's clock, from one in() to the next in a loop"""
        with self.wire(name) as wire:
            wire.run(f'measure port {SCRATCH[name]:#x} {COUNT[name]}', b' ns')
            return float(re.search(rb'([\d.]+)$', wire.before)[1])
