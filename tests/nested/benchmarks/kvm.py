# SPDX-License-Identifier: GPL-2.0-or-later
"""What KVM costs as the outer accelerator. Times of an emulated host say little; counts do:
exits to QEMU, ioctls, the bytes that these copy, and kicks of CPUs."""

from lab.bare import start_there
from lab.counted import idle, transfer
from lab.kvmhost import changed_modules

from . import Goal
from ._own import Own

NAME = 'kvm'
TITLE = 'what KVM costs'
UNIT = ''
COUNTED = 1
WATCHED, FORCED = 'watched', 'forced'
# KVM_RUN, by which every access comes to QEMU, is one of its ioctls.
IOCTLS = {WATCHED: 2, FORCED: 1}
BYTES, SECONDS = 1000, 30
DIRECTIONS = {'output': {'written': BYTES}, 'input': {'read': BYTES}}
# figure: what is idle, how many guests, whether the CPU runs another
IDLE = {'idle-1': ('of 1 guest', 1, False), 'idle-20': ('of 20 guests', 20, False),
        'busy-1': ('of 1 guest, CPU busy', 1, True)}


def goals():
    for name, ioctls in IOCTLS.items():
        for way in DIRECTIONS:
            yield Goal(name, figure=f'{way}-exits', unit='exits', limit=2,
                       title=f'a byte of {way}, {name}')
            yield Goal(name, figure=f'{way}-ioctls', unit='ioctls', limit=2 * ioctls,
                       title=f'a byte of {way}, {name}')
        for figure, (what, _, _) in IDLE.items():
            yield Goal(name, figure=figure, unit='kicks', limit=10,
                       title=f'an idle second {what}, {name}')


GOALS = list(goals())


class Bench(Own):
    def start(self, stack):
        self.hosts = {
            WATCHED: start_there(self.env.config, stack),
            FORCED: start_there(self.env.config, stack, modules=changed_modules())}

    def series(self):
        return {name: lambda name=name: self.measure(name) for name in IOCTLS}

    def measure(self, name):
        bare = self.hosts[name]
        figures, nothing = {}, transfer(bare)
        for way, size in DIRECTIONS.items():
            cost = transfer(bare, **size) - nothing
            figures |= {f'{way}-exits': cost.exits / BYTES,
                        f'{way}-ioctls': (cost.exits + cost.ioctls) / BYTES}
            self.env.note(f'{name}, {way}: beside KVM_RUN {cost.ioctls / BYTES:g} ioctls for a '
                          f'byte, which copy {cost.copied / BYTES:,.0f} bytes')
        for figure, (what, guests, busy) in IDLE.items():
            figures[figure] = self.idle(name, what, guests, busy)
        return figures

    def idle(self, name, what, guests, busy):
        counts = idle(self.hosts[name], guests, busy, SECONDS)
        each = 1 / counts.seconds
        self.env.note(
            f'{name}, an idle second {what}: {counts.all.exits * each:.1f} exits, '
            f'{counts.all.ioctls * each:.1f} ioctls beside KVM_RUN, which copy '
            f'{counts.all.copied * each:,.0f} bytes, {counts.kicks * each:.1f} kicks')
        return counts.kicks * each
