# SPDX-License-Identifier: GPL-2.0-or-later
"""The consoles that are compared: of two user VMs in one cloud VM, and of that itself."""

import contextlib

from ._wire import console_wire, shell_wire

SHADOW, ISA, OWN = 'shadow', 'inner isa-serial', "L1's own serial"


class Nested:
    """Base of benchmarks that measure all of them"""

    def __init__(self, env):
        self.env = env

    def __enter__(self):
        self.host = self.env.host()
        self.vms = {ISA: self.env.plain(), SHADOW: self.env.shadow()}
        return self

    def __exit__(self, *_):
        pass

    @contextlib.contextmanager
    def wire(self, name):
        """The user's end of a console, with a shell of root's behind it"""
        with contextlib.ExitStack() as stack:
            if name == OWN:
                wire = stack.enter_context(shell_wire(self.host))
                # As a terminal of a login has it: a newline becomes two characters.
                wire.shell('stty opost onlcr < /dev/ttyS1')
                stack.callback(wire.shell, 'stty -opost < /dev/ttyS1')
            else:
                wire = stack.enter_context(console_wire(self.vms[name].console))
            yield wire
