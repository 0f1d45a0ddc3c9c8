# SPDX-License-Identifier: GPL-2.0-or-later
"""A private user VM that is made ready while other things go on, and moves later."""

import concurrent.futures
import contextlib

from .found import Secrets
from .pair import Pair
from .private import MemoryWork


class Beside:
    """Two cloud hosts of its own, launched by the main thread; a user logs in and leaves secrets.
    Then both stand still, until go_on()."""

    def __init__(self, config):
        self.pair = Pair(config, memory=768, names=('host-c', 'host-d'))
        self.secrets = Secrets()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(1))
            self.pair.launch(stack)
            self.session = self.pool.submit(self._session)
            self._stack = stack.pop_all()
        return self

    def _session(self):
        pair = self.pair
        pair.wait_ready()
        pair.start_session(private=True)
        pair.add_target(2)
        self.work = MemoryWork(pair.console)
        self.secrets.use(pair.console)
        for host in pair.hosts:
            host.qmp.cmd('stop')
        return pair.source.guest()

    def wait(self):
        """Until the secrets are there: what L0's operator is told"""
        return self.session.result()

    def go_on(self):
        for host in self.pair.hosts:
            host.qmp.cmd('cont')
        return self.pair

    def search(self):
        """When it has moved; goes on while other things do. result() is what was found."""
        return self.pool.submit(self._search)

    def _search(self):
        pair = self.pair
        self.secrets.type_password(pair.source, pair.console)
        found = self.secrets.found_everywhere(pair.source, pair.inner)
        return {**found, 'left': self.secrets.found(pair.target)}

    def kept(self):
        """Whether what was in its memory and its registers is, after all that"""
        self.secrets.password_typed(self.pair.console)
        self.work.check()
        return self.secrets.told_register(self.pair.console)

    def __exit__(self, *error):
        for host in self.pair.hosts:
            host.kill()         # what waits for it ends
        return self._stack.__exit__(*error)
