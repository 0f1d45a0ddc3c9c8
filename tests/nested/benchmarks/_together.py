# SPDX-License-Identifier: GPL-2.0-or-later
"""Series of figures that are measured together"""


def together(names, measure):
    """So many series; measure() gives the figures of all of them in a round at once: a dict."""
    waiting = {}

    def take(name):
        if name not in waiting:
            waiting.update(measure())
        return waiting.pop(name)
    return {name: lambda name=name: take(name) for name in names}
