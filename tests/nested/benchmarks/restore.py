# SPDX-License-Identifier: GPL-2.0-or-later
"""RESTORE, seen from L1, with a full history, to a guest that has one too"""

import secrets

from lab.sealer import Sealer

from . import Goal
from ._calls import COUNT, LEAST, send, turns

NAME = 'restore'
TITLE = 'RESTORE ultracall'
UNIT = 'us'
GOALS = [Goal('RESTORE', LEAST, at_most=3)]
GUEST = 'restored'


class Bench:
    def __init__(self, env):
        self.env = env

    def __enter__(self):
        key = secrets.token_bytes(32)
        self.host = self.env.host()
        self.env.say('starting a QEMU that seals')
        self.sealer = Sealer(self.env.config, GUEST, key).launch()
        self.sealer.fill_history()
        self.host.add_guest(GUEST, key, incoming=True)
        return self

    def __exit__(self, *_):
        self.sealer.close()
        if self.host.alive():
            self.host.remove_guest(GUEST)

    def measure(self):
        send(self.host, b''.join(self.sealer.envelopes(COUNT)), '/tmp/envelopes')
        return self.host.run(f'measure-save restore {GUEST} {COUNT} /tmp/envelopes && '
                             'rm /tmp/envelopes', check=True)[1]

    def series(self):
        return turns('RESTORE', self.measure)
