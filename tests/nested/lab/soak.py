# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM that goes back and forth, with traffic all the time, and what to look at
after each migration."""

import dataclasses
import time

import lab

from .private import MEMORY
from .transfer import ENDLESS, Transfer
from .usage import cloud_used, usage

# What TCG notes of the code that it has translated is a twelfth of that, with ordinary memory and
# with private. Of that code there are 3 MiB of each migration, and 7 of a private user VM's: an
# envelope of 512 KiB that is forgotten shows after a hundred. And the noise.
NOTES = 0.1
SLACK_KIB = 8 * 1024
FILES = 8
# What a cloud VM may need more of its memory: its kernel's caches, mostly
CLOUD_KIB = 64 * 1024
# Of private memory that has been given back: what the mapping itself takes
GIVEN_BACK_KIB = 1024


class SoakError(RuntimeError):
    pass


@dataclasses.dataclass
class Round:
    """One migration."""
    number: int
    source: str
    epoch: int
    envelope: int           # bytes
    save_us: int
    restore_us: int
    downtime_ms: int
    total_ms: int
    seconds: float          # with all that is done here besides
    from_guest: int         # bytes since the last one
    to_guest: int
    usage: dict             # of both outer QEMUs, by name of the host
    cloud: dict             # KiB that both cloud VMs use


def require(what, true, *values):
    if not true:
        raise SoakError(f'not so: {what}: {values}' if values else f'not so: {what}')


class Soak:
    """The pair's login session is on the first port, a transfer on the second."""

    def __init__(self, pair):
        self.pair = pair
        self.rounds = []
        self.counts = None          # (from guest, to guest), since the start

    def __enter__(self):
        pair = self.pair
        self.second = pair.user(port=2)
        self.second.send('\r')
        self.second.login(lab.USER, lab.PASSWORD)
        self.transfer = Transfer(self.second, ENDLESS, window=32).start()
        self._epoch = max(host.guest()['epoch'] for host in pair.hosts)
        self.counts = self._synchronize()
        return self

    def migrate(self):
        """There or back, and all that must be so then."""
        started = time.monotonic()
        pair = self.pair
        pair.migrate_start()
        info, saved, restored = pair.migrate_finish(pair.console, self.second)
        require('the migration has completed', info['status'] == 'completed', info)
        self._check_hosts(saved, restored)
        before, self.counts = self.counts, self._synchronize()
        pair.check_session()
        require('no gap in the output', self.second.gap == 0, self.second.gap)
        self.rounds.append(Round(
            len(self.rounds) + 1, pair.target.name, self._epoch, saved['bytes'],
            saved['duration-us'], restored['duration-us'], info['downtime'],
            info['total-time'], time.monotonic() - started,
            self.counts[0].bytes - before[0].bytes,
            self.counts[1].bytes - before[1].bytes, self._usage(),
            {host.name: cloud_used(host) for host in pair.hosts}))
        return self.rounds[-1]

    def growth(self):
        """By host: what it used after the first, the middle and the last migration, of those
        after which the user VM was where it is after the last."""
        last = len(self.rounds) - 1
        points = [self.rounds[n] for n in range(last % 2, last + 1, 2)]
        points = points[0], points[(len(points) - 1) // 2], points[-1]
        return {host.name: {
            **{field: [getattr(point.usage[host.name], field) for point in points]
               for field in ('rss', 'own', 'code', 'files')},
            'cloud': [point.cloud[host.name] for point in points]} for host in self.pair.hosts}

    def leaks(self, slack=SLACK_KIB):
        """What has grown by more than it may."""
        found = []
        for name, used in self.growth().items():
            _, middle, end = used['code']
            notes = int(NOTES * (end - middle))
            for what, field, most in ((name, 'own', slack + notes),
                                      (f"{name}'s cloud VM", 'cloud', CLOUD_KIB)):
                _, middle, end = used[field]
                if end - middle > most:
                    found.append(f'{what} grew by {end - middle} KiB in the second half; '
                                 f'allowed are {most}')
            start, _, end = used['files']
            if end - start > FILES:
                found.append(f'{name} has {end - start} more files open; allowed '
                             f'are {FILES}')
        return found

    def _usage(self):
        private = MEMORY << 20 if self.pair.private else None
        if private:
            left = self.pair.target
            require('the private memory is given back where it was', lab.wait_until(
                lambda: usage(left, private).private < GIVEN_BACK_KIB), usage(left, private))
        return {host.name: usage(host, private) for host in self.pair.hosts}

    def _check_hosts(self, saved, restored):
        there, here = self.pair.target.guest(), self.pair.source.guest()
        require('gone at the source', there['state'] == 'gone', there)
        require('active at the target', here['state'] == 'active', here)
        require('all agree on the epoch', saved['epoch'] == restored['epoch'] ==
                there['epoch'] == here['epoch'], saved, restored, there, here)
        require('the epoch rises', here['epoch'] > self._epoch, here, self._epoch)
        self._epoch = here['epoch']

    def _synchronize(self):
        """All bytes of both directions so far: numbers and checksums."""
        counts = self.transfer.sync()
        for way, count in zip(('from the guest', 'to the guest'), counts):
            require(f'nothing lost {way}', count.good(), count)
        return counts

    def finish(self):
        """The transfer's last line, and the sessions as they were."""
        self.transfer.stop()
        self.counts = self.transfer.finish()
        require('a good end of the transfer', all(c.good() for c in self.counts),
                self.counts)
        require("the transfer's own session", self.transfer.report['finished'] == 'yes')
        self.second.expect(r'\$ ')
        self.second.send('exit\r')
        self.second.expect('login: ')
        self.pair.check_session()

    def __exit__(self, *_):
        self.second.close()
