# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM that moves to and fro, and what is measured of that."""

import contextlib

import lab
from lab.chardev import ChardevClient
from lab.private import add_memory


class MovingVm:
    """Starts at the pair's first host, root logged in; self.console is there."""

    def __init__(self, pair, guest, private=False, memory=128, **options):
        self.hosts = list(pair.hosts)
        self.guest = guest
        self.options = {'append': 'quiet', 'private': private, 'memory': memory, **options}
        pair.add_guest(guest)
        if private:
            for host in self.hosts:
                add_memory(host, host.config, guest, memory=memory)
        self.console = ChardevClient().connect(self.hosts[0], guest)
        self.inner = self.hosts[0].start_inner(guest, **self.options)
        self.console.login('root', lab.PASSWORD)

    @contextlib.contextmanager
    def moving(self, through=lambda uri: uri):
        """Its migration has begun, and the inner QEMU waits at the other host, which is yielded;
        afterwards it has to have ended well: the VM is there then. self.info is what was said."""
        target = self.hosts[1]
        new = target.start_inner(self.guest, incoming=True, **self.options)
        self.inner.migrate_start(through(new.listen()))
        yield new
        self.info = self.inner.migrate_wait()
        if self.info['status'] != 'completed':
            raise RuntimeError(f'the migration has {self.info["status"]}: {self.info}')
        self.inner.stop()
        self.inner = new
        self.hosts.reverse()

    def move(self, through=lambda uri: uri):
        with self.moving(through):
            pass
        return self.info

    def log(self, host):
        """What its inner QEMU has said there, the last one that was started"""
        return host.run(f'cat /tmp/{self.guest}.log', check=True)[1]
