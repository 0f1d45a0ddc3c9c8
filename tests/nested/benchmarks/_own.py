# SPDX-License-Identifier: GPL-2.0-or-later
"""What benchmarks share that start guests of their own."""

import contextlib


class Own:
    """Base of these; start() fills the stack with what ends with the benchmark, and says in
    self.vms which user VMs measure() is to have, a series each, unless series() is another."""

    def __init__(self, env):
        self.env = env

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def series(self):
        return {name: lambda vm=vm: self.measure(vm) for name, vm in self.vms.items()}
