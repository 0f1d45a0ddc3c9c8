# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups of tests at the same time, each in one of several processes."""

import contextlib
import multiprocessing
import os
from multiprocessing import connection

MEMORY = 4 * 1024       # MiB: of two cloud hosts, or of an emulated one with another in it


def memory():
    """MiB that programs can have without swapping"""
    with open('/proc/meminfo', encoding='ascii') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('MemAvailable')) // 1024


def how_many():
    """As many as there are processors, and memory for"""
    return max(1, min(len(os.sched_getaffinity(0)), memory() // MEMORY))


def serve(work, groups, taken, pipe):
    """In a process: take one group after the other, and say what came of each test."""
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value += 1
        if number >= len(groups):
            break
        for result in work(groups[number]):
            pipe.send(result)


def run(work, groups, count):
    """What work(group), a generator, yields of all groups, count at a time, the first ones
    first. Of one whose process ends early the rest is missing."""
    context = multiprocessing.get_context('fork')
    taken = context.Value('i', 0)
    pipes = []
    for _ in range(count):
        ours, theirs = context.Pipe(duplex=False)
        context.Process(target=serve, args=(work, groups, taken, theirs), daemon=True).start()
        theirs.close()      # so that the end of the process is the end of the pipe
        pipes.append(ours)
    while pipes:
        for pipe in connection.wait(pipes):
            try:
                yield pipe.recv()
            except (EOFError, OSError):
                pipes.remove(pipe)
                with contextlib.suppress(OSError):
                    pipe.close()
