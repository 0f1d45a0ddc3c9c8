# SPDX-License-Identifier: GPL-2.0-or-later
"""More and more shadow guests in one outer QEMU: what each takes, and what it costs the others."""

import contextlib
import re
import resource
import socket
import statistics
import time

import lab
from lab.host import CloudHost
from lab.usage import cpu_seconds, usage

from . import Goal
from ._door import DoorWire, door, door_connection
from ._wire import console_wire, shell_wire

NAME = 'scale'
TITLE = 'an ultracall'
UNIT = 'ns'
NUMBERS = {'1 guest': 1, '10 guests': 10, '100 guests': 100, '1,000 guests': 1000}
ONE, *MORE = NUMBERS
ALL = MORE[-1]
USERS = f'{ALL}, each with a user'
READERS = '1 guest with 1,000 readers'
FLAT = {'peer': ONE, 'at_most': 1.2}
GOALS = [
    *(Goal(name, figure='call', title=f'an ultracall, of {name}', **FLAT)
      for name in (*MORE, USERS, READERS)),
    *(Goal(name, figure='port', title=f'a port access, of {name}', **FLAT)
      for name in (*MORE, USERS, READERS)),
    *(Goal(name, figure='memory', title=f'memory of one of {name}', unit='KiB', limit=64)
      for name in MORE),
]
# In five rounds a port access with 1,000 users was 0.93 to 1.24 times that with one guest.
ROUNDS = 11
# A part takes some milliseconds, in each of which the main loop has a turn.
CALLS, ACCESSES = 6000, 50000
IDLE_SECONDS = 0.3
RATE = re.compile(r'([\d.]+) ns')


class Guests:
    """Of which nobody makes use; the first has another name, and is there already."""

    def __init__(self, host):
        self.host, self.number = host, 1
        if not any(thing['name'] == 'scale-key'
                   for thing in host.qmp.cmd('qom-list', path='/objects')):
            host.add_secret('scale-key', bytes(32))

    def set(self, number):
        for n in range(self.number, number):
            self._add(f'scale-{n}')
        for n in range(number, self.number):
            self._remove(f'scale-{n}')
        self.number = number

    def _add(self, guest):
        cmd = self.host.qmp.cmd
        cmd('object-add', qom_type='shadow-guest', id=guest, secret='scale-key')
        cmd('chardev-add', id=f'{guest}-chr1', backend={'type': 'socket', 'data': {
            'addr': self.host.console_listens(guest, 1), 'server': True, 'wait': False}})
        cmd('device_add', driver='shadow-serial', id=f'{guest}-com1', guest=guest,
            chardev=f'{guest}-chr1')

    def _remove(self, guest):
        cmd = self.host.qmp.cmd
        cmd('device_del', id=f'{guest}-com1')
        cmd('chardev-remove', id=f'{guest}-chr1')
        cmd('object-del', id=guest)

    @contextlib.contextmanager
    def users(self):
        """One at each console"""
        with contextlib.ExitStack() as stack:
            for n in range(1, self.number):
                user = stack.enter_context(socket.socket(socket.AF_UNIX))
                user.connect(self.host.console_address(f'scale-{n}', 1))
            self._wait(True)
            yield
        self._wait(False)

    def _wait(self, connected):
        def seen():
            return all(guest['devices'][0]['connected'] == connected
                       for guest in self.host.qmp.cmd('query-shadow-guests')
                       if guest['id'].startswith('scale-'))
        assert lab.wait_until(seen)


@contextlib.contextmanager
def readers(host, number):
    """So many at one console, who have read all that there is"""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(door(host, 'vm1', 'vm1-com1', role='read',
                                        max_clients=number))
        for _ in range(number):
            DoorWire(stack.enter_context(door_connection(path)), reads_only=True)
        yield


def memory_each(env, number):
    """What an outer QEMU that has never run takes for each, in KiB: what else changes its
    memory is not there, nor what earlier guests have left."""
    with CloudHost(env.config, name='scale', extra=('-S',)).launch() as host:
        before = usage(host).own
        Guests(host).set(number + 1)
        return (usage(host).own - before) / number


class Bench:
    def __init__(self, env):
        self.env = env
        self.idle = {}
        self.added = []

    def __enter__(self):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.vm = self.env.shadow()
        self.host = self.env.host()
        self.guests = Guests(self.host)
        self.memory = {name: memory_each(self.env, NUMBERS[name]) for name in MORE}
        return self

    def __exit__(self, *_):
        self.guests.set(1)
        self.env.note(f'adding 900 guests takes {statistics.median(self.added):.1f} s; the CPU '
                      'time of an outer QEMU whose guests are idle, in ms/s: ' +
                      '; '.join(f'{statistics.median(times):.0f} ({name})'
                                for name, times in self.idle.items()))

    def series(self):
        series = {name: lambda name=name: self.measure(name) for name in NUMBERS}
        series[USERS] = self.measure_with_users
        series[READERS] = self.measure_with_readers
        return series

    def measure(self, name):
        started = time.monotonic()
        before = self.guests.number
        self.guests.set(NUMBERS.get(name, NUMBERS[ALL]))
        if self.guests.number - before == 900:
            self.added.append(time.monotonic() - started)
        return self.figures(name)

    def measure_with_users(self):
        self.guests.set(NUMBERS[ALL])
        with self.guests.users():
            return self.figures(USERS)

    def measure_with_readers(self):
        self.guests.set(1)
        with readers(self.host, NUMBERS[ALL]):
            return self.figures(READERS)

    def figures(self, name):
        last = f'scale-{self.guests.number - 1}' if self.guests.number > 1 else 'vm1'
        figures = {'call': (self.call('poll', 'vm1') + self.call('query', last)) / 2,
                   'port': self.port(), 'memory': self.memory.get(name, 0)}
        before = cpu_seconds(self.host)
        time.sleep(IDLE_SECONDS)
        used = cpu_seconds(self.host) - before
        self.idle.setdefault(name, []).append(used * 1000 / IDLE_SECONDS)
        return figures

    def call(self, what, guest):
        with shell_wire(self.host) as wire:
            return float(RATE.search(wire.shell(f'measure-cost {what} {guest} {CALLS}'))[1])

    def port(self):
        with console_wire(self.vm.console) as wire:
            wire.run(f'measure-cost port 0x3ff {ACCESSES}', b' ns')
            return float(RATE.search(wire.before.decode() + ' ns')[1])
