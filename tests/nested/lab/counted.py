# SPDX-License-Identifier: GPL-2.0-or-later
"""What an outer QEMU in an emulated host asks of KVM, as kvm/lib/count-kvm.c counts it."""

import dataclasses

from .patience import wait_until

LIBRARY = '/lib/count-kvm.so'
KINDS = 'port', 'nested', 'cloud', 'other'
SPARE = 16      # bytes that a UART may have in its FIFO, and loses when this is switched on


def counted(command, path):
    """The command, with its counts in that file of its host"""
    return ['env', f'LD_PRELOAD={LIBRARY}', f'SHADOW_COUNTS={path}', *command]


@dataclasses.dataclass
class Cost:
    exits: int = 0          # KVM_RUN has come back
    ioctls: int = 0         # all others
    copied: int = 0         # bytes, by these, in and out

    def __sub__(self, other):
        return Cost(self.exits - other.exits, self.ioctls - other.ioctls,
                    self.copied - other.copied)

    def __add__(self, other):
        return Cost(self.exits + other.exits, self.ioctls + other.ioctls,
                    self.copied + other.copied)


@dataclasses.dataclass
class Counts:
    """For port accesses of nested guests, for all else that nested guests come to QEMU
    with, for the cloud VM, and by threads that are no CPU's."""
    of: dict
    kicks: int
    seconds: float          # of the host's clock

    @classmethod
    def read(cls, machine, path):
        output = machine.run(f'cat /proc/uptime && od -A n -v -t u8 {path}', check=True)[1]
        uptime, _, words = output.partition('\n')
        numbers = [int(word) for word in words.split()]
        *costs, kicks = numbers
        assert len(costs) == 3 * len(KINDS), output
        return cls({kind: Cost(*costs[3 * n:3 * n + 3]) for n, kind in enumerate(KINDS)},
                   kicks, float(uptime.split()[0]))

    def __sub__(self, other):
        return Counts({kind: cost - other.of[kind] for kind, cost in self.of.items()},
                      self.kicks - other.kicks, self.seconds - other.seconds)

    @property
    def port(self):
        return self.of['port']

    @property
    def all(self):
        return sum(self.of.values(), Cost())


def transfer(bare, read=0, written=0):
    """What a bound guest's port accesses have cost when it has read so many bytes, which
    were there before, and written so many; with the few that switch its UART on"""
    typed = b'x' * (read + SPARE)
    with bare('transfer', typed=typed, count=True, out=written, **{'in': read}) as vm:
        vm.wait_done()
        return vm.counts().port


def idle(bare, guests=1, busy=False, seconds=20):
    """What so many bound guests cost in that time while none of them does anything; the
    cloud VM's CPU stands still or, if busy, runs another guest that has no ports"""
    tags = [f'v{n:02}' for n in range(1, guests + 1)]
    with bare('idle', more=tags, count=True, guests=guests, busy=int(busy)) as vm:
        assert wait_until(lambda: 'INFO idle' in vm.report()), vm.report()
        before = vm.counts()
        vm.where.machine.run(f'sleep {seconds}', check=True)
        return vm.counts() - before
