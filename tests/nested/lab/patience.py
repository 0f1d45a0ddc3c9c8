# SPDX-License-Identifier: GPL-2.0-or-later
"""How long to wait: all that depends on time limits is here.

A limit is given in seconds of an idle machine of the speed of the one on which it was
chosen. On a machine that is slower, or has more to do, it is longer by as much. And it
is a limit for standing still: as long as anything arrives of a guest (console output,
an answer, an event) the wait goes on, to MOVING times the limit.
"""

import functools
import os
import threading
import time

from . import state

# Even an idle machine's guests may be slow. SHADOW_HANGS: for code that is known to hang.
LONG = int(os.environ.get('SHADOW_HANGS', 300))
MOVING = 4
CALIBRATION = 0.075     # seconds for calibrate() on the machine of docs/performance.rst


class WaitTimeout(TimeoutError):
    pass


def calibrate():
    """Seconds of processor time for a fixed piece of work"""
    started, value = time.thread_time(), 0
    for n in range(2_000_000):
        value = (value * 31 + n) & 0xffff
    return time.thread_time() - started


@functools.cache
def slower():
    """How many times slower this machine is; measured once"""
    return max(1, min(calibrate() for _ in range(3)) / CALIBRATION)


def busier():
    """How many wish to run for each processor: other programs count too"""
    return max(1, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


def scaled(seconds=LONG):
    """The limit as it is here and now, in seconds"""
    return seconds * slower() * busier()


def longest(seconds=LONG):
    """For a limit that something else keeps, as a program in a guest: whole seconds"""
    return int(MOVING * scaled(seconds)) + 60


class Moved:
    """Counts what arrives of any guest."""
    count = 0
    _lock = threading.Lock()

    @classmethod
    def note(cls):
        with cls._lock:
            cls.count += 1


class Patience:
    """One wait: ask over() again and again, which is told what shows progress; by
    default that is anything that arrives of a guest."""

    def __init__(self, seconds=LONG, moving=MOVING):
        self._seconds, self._most = seconds, moving
        self._started = self._moved = time.monotonic()
        self._seen = None

    def over(self, seen=None):
        now, limit = time.monotonic(), scaled(self._seconds)
        seen = Moved.count if seen is None else seen
        if seen != self._seen:
            self._seen, self._moved = seen, now
        return now - self._moved > limit or now - self._started > self._most * limit

    def waited(self):
        return time.monotonic() - self._started

    def still(self):
        """For how long nothing has moved"""
        return time.monotonic() - self._moved

    def error(self, what):
        """To be raised when it is over, and no lock is held: what was waited for, for
        how long, and how all guests are."""
        return WaitTimeout(
            f'{what}: waited {self.waited():.0f} s, nothing has moved for '
            f'{self.still():.0f} s (limit here {scaled(self._seconds):.0f} s: machine '
            f'{slower():.1f} times slower, load {busier():.1f} for each processor)\n'
            f'{state.describe()}')


def wait_until(condition, seconds=LONG):
    """Whether the condition came true in time; if not, how all guests are is printed."""
    patience = Patience(seconds)
    while not (true := condition()):
        if patience.over():
            print('# ' + str(patience.error('a condition')).replace('\n', '\n# '), flush=True)
            break
        time.sleep(0.1)
    return true
