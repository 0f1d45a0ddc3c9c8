# SPDX-License-Identifier: GPL-2.0-or-later
"""Benchmarks: a module each, run by bench.py, which says what it must have.

    NAME, TITLE, UNIT     what it is called, what it measures, in what unit
    GOALS                 a list of Goal, one for each row of the results
    class Bench(env)      a context manager; series() is a dict of named functions, each of
                          which measures once and returns a figure, or a dict of figures
    ROUNDS                if it needs more than others
    COUNTED = N           if it counts what hardly varies: N rounds, no warm-up
    ALONE = True          if it starts guests of its own, and no others shall run meanwhile
"""

import contextlib
import dataclasses
import os
import statistics

import lab

PLAIN_PORT = 'ttyS2'


@dataclasses.dataclass
class Goal:
    """What a series is to reach: of a peer, or (limit) in its own unit."""
    value: str
    peer: str = None
    at_least: float = None      # value >= R * peer
    at_most: float = None       # value <= R * peer + plus
    plus: float = 0.0
    limit: float = None         # value <= limit
    figure: str = None          # which, of a series that returns several
    always: bool = False        # in each round, not in most
    title: str = None           # if not the module's
    unit: str = None

    @property
    def bound(self):
        """What the ratio of value and peer is held against"""
        return next((r for r in (self.at_least, self.at_most) if r is not None), 1.0)

    def __str__(self):
        return self._bound() + (', always' if self.always else '')

    def _bound(self):
        if self.limit is not None:
            return f'at most {self.limit:g} {self.unit}'
        if self.at_least is not None:
            return f'at least {self.at_least:g} x'
        bound = self.at_most
        ratio = f'1/{1 / bound:g}' if bound < 1 and (1 / bound).is_integer() else f'{bound:g} x'
        more = f' and {self.plus:g} {self.unit}' if self.plus else ''
        return f'at most {ratio}{more}'

    def met(self, pairs):
        """Of most rounds, or of all, each a (value, peer)"""
        if self.at_least is not None:
            which = min if self.always else statistics.median
            return which(v / p for v, p in pairs) >= self.at_least
        which = max if self.always else statistics.median
        if self.limit is not None:
            return which(v for v, _ in pairs) <= self.limit
        return which(v - p * self.at_most for v, p in pairs) <= self.plus


class Env:
    """What benchmarks share, made when first asked for."""

    def __init__(self, config, say):
        self.config, self.say = config, say
        self.build = os.environ.get('SHADOW_BUILD', f'{lab.ROOT}/build')
        self.qemu = os.environ.get('QEMU_BINARY', f'{self.build}/qemu/qemu-system-x86_64')
        self.notes = []
        self._made = {}
        self._stack = contextlib.ExitStack()

    def note(self, text):
        """A line of the results, about what is measured now"""
        if text not in self.notes:
            self.notes.append(text)

    def fresh_host(self, serial=(), **options):
        """A cloud host for one benchmark, up; a context manager. It has the further serial
        ports that are named, each a socket of that name in its folder."""
        from lab.host import CloudHost
        with contextlib.ExitStack() as stack:
            host = stack.enter_context(CloudHost(self.config, **options))
            for name in serial:
                host.command += ['-serial', f'unix:{host.dir}/{name},server=on,wait=off']
            host.launch().wait_ready()
            stack.pop_all()
        return host

    def host(self):
        """The cloud host that benchmarks share, with one virtual CPU"""
        def start():
            self.say('starting the cloud host')
            return self.fresh_host(name='bench', serial=[PLAIN_PORT],
                                   extra=['-device', 'shadow-benchdev'])
        return self._share('host', start)

    def plain(self):
        """There, a user VM with an ordinary serial port, root logged in. The port leads to one
        of the cloud VM's: by its network it would be a third slower."""
        def start():
            from lab.plain import PlainVm
            host = self.host()
            self.say('starting the user VM with an isa-serial')
            return PlainVm(host, serial=f'/dev/{PLAIN_PORT}', address=f'{host.dir}/{PLAIN_PORT}')
        return self._share('plain', start, self._login)

    def shadow(self):
        """There, a user VM with a shadow console, root logged in"""
        def start():
            from lab.uservm import UserVm
            host = self.host()
            self.say('starting the user VM with a shadow console')
            return UserVm(host, user='root', chardev=True)
        return self._share('shadow', start, self._login)

    def _share(self, name, start, after=None):
        if name not in self._made:
            thing = self._stack.enter_context(start())
            if after:
                after(thing)
            self._made[name] = thing
        return self._made[name]

    @staticmethod
    def _login(vm):
        if hasattr(vm, 'wait_login'):
            vm.wait_login()
            vm.console.send('\r')
        vm.console.login('root', lab.PASSWORD)

    def drop(self):
        """End all that is shared: of a failed benchmark, or for one that wants to be alone."""
        if 'host' in self._made:
            self._made['host'].kill()
        self._made.clear()
        with contextlib.suppress(Exception):
            self._stack.close()
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._made.clear()
        self._stack.close()
