# SPDX-License-Identifier: GPL-2.0-or-later
"""Endurance, in short; soak.py is the long form."""

import lab


@lab.long
def test_three_migrations(pair):
    from lab.soak import Soak
    with pair.waiting_target(), Soak(pair) as soak:
        for _ in range(3):
            soak.migrate()
        soak.finish()
        # Hosts that have just begun still grow.
        leaks = soak.leaks(slack=32 * 1024)
        assert not leaks, (leaks, soak.growth())
