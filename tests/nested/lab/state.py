# SPDX-License-Identifier: GPL-2.0-or-later
"""How all machines and consoles are, for a test that has waited too long."""

import threading
import time
import weakref

# What describes itself, with describe(); each part may fail, and must not wait for long.
things = weakref.WeakSet()
BRIEF = 10      # seconds
_busy = threading.Lock()


def describe():
    """One line or more for each; nothing while another thread is at it."""
    if not _busy.acquire(blocking=False):
        return '(described elsewhere)'
    try:
        return '\n'.join(line for thing in sorted(things, key=str)
                         for line in _lines(thing))
    finally:
        _busy.release()


def _lines(thing):
    try:
        yield from thing.describe()
    except Exception as error:      # it is there to explain another failure
        yield f'{thing}: {type(error).__name__}: {error}'


def last_line(text):
    lines = [line.strip() for line in text[-2000:].splitlines() if line.strip()]
    return lines[-1][-200:] if lines else 'nothing'


def registers(qmp):
    """What the processors execute, and whether they halt"""
    text = qmp.cmd('human-monitor-command', BRIEF, command_line='info registers -a')
    return ', '.join(line for line in text.splitlines()
                     if line.startswith(('CPU#', 'RIP=', 'EIP=')))


def accesses(qmp):
    """The guests of an outer QEMU, and their accesses a second"""
    first, started = _accesses(qmp), time.monotonic()
    time.sleep(1)
    passed = time.monotonic() - started
    return ', '.join(f'{name} {state}: {count} accesses, {(count - first[name][1]) / passed:.1f}/s'
                     for name, (state, count) in _accesses(qmp).items()) or 'no guests'


def _accesses(qmp):
    return {guest['id']: (guest['state'], guest['accesses'])
            for guest in qmp.cmd('query-shadow-guests', BRIEF)}


EXITS = ('mount -t debugfs none /sys/kernel/debug 2>/dev/null; cd /sys/kernel/debug/kvm && '
         'a=$(cat exits) && sleep 2 && b=$(cat exits) && '
         'echo "exits $(((b - a) / 2))/s, io_exits $(cat io_exits), '
         'irq_injections $(cat irq_injections)"')
