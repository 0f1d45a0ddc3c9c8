# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hooks cost a user VM that does not use its console

The same user VM in two cloud hosts. One has a shadow console; the other's outer QEMU was built
without the hooks, and it has no serial port at all. Both tell how they do by an isa-debugcon.
"""

import concurrent.futures
import contextlib
import dataclasses
import glob
import os
import secrets
import socket
import subprocess
import sys
import time

import lab
from lab.host import CloudHost
from lab.patience import scaled

from . import Goal

NAME = 'speed'
TITLE = "L2's own speed, console idle"
UNIT = 'ms'
SHADOW, WITHOUT = 'shadow', 'without hooks'
GOALS = [
    Goal(SHADOW, WITHOUT, at_most=1.01, figure='loop', title='a loop in L2, console idle'),
    Goal(SHADOW, WITHOUT, at_most=1.01, figure='boot', title='a boot of L2, console idle'),
]
LOOP_SECONDS = 2
PORTS = {'loop': 4500, 'boot': 4501}        # of L1, to the isa-debugcon


def unhooked(env):
    """The emulator without hooks, which is built first if need be"""
    source = os.environ.get('QEMU_SOURCE') or sorted(glob.glob(f'{env.build}/src/qemu-*'))[-1]
    return subprocess.run([sys.executable, f'{lab.ROOT}/scripts/unhooked.py',
                           os.path.dirname(env.qemu)],
                          env={'JOBS': str(os.cpu_count()), **os.environ, 'QEMU_SOURCE': source},
                          stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def processor_seconds(host):
    """Of the thread that is the host's virtual processor"""
    cpu, = host.qmp.cmd('query-cpus-fast')
    with open(f'/proc/{host.process.pid}/task/{cpu["thread-id"]}/schedstat',
              encoding='ascii') as file:
        return int(file.read().split()[0]) / 1e9


class TellingVm:
    """A user VM, stopped, and what it has to say"""

    def __init__(self, host, name, shadow):
        # Where there is no graphics SeaBIOS writes to the serial port, and long if there is none;
        # and the first process needs a console to be there.
        extra = (f'-S -machine graphics=on -device isa-debugcon,iobase=0xe9,chardev=told '
                 f'-chardev socket,id=told,host=0.0.0.0,port={PORTS[name]},server=on,wait=off')
        self.inner = host.start_inner(name, shadow=shadow, serial='none', extra=extra,
                                      append=f'console=tty0 quiet measure={name}')
        self._told = socket.create_connection(('127.0.0.1', host.forward(PORTS[name])))
        self._data = b''

    def run(self):
        self.inner.qmp.cmd('cont')

    def pause(self):
        self.inner.qmp.cmd('stop')

    def line(self):
        """Nanoseconds"""
        while b'\n' not in self._data:
            self._told.settimeout(scaled())
            data = self._told.recv(4096)
            if not data:
                raise ConnectionError('the inner QEMU has ended')
            self._data += data
        line, _, self._data = self._data.partition(b'\n')
        return int(line)

    def end(self):
        self._told.close()
        self.inner.stop()


class Side:
    """A cloud host: measure() does a loop in a user VM that is there, and boots another."""

    def __init__(self, config, shadow):
        self.shadow = shadow
        self.host = CloudHost(config, 'shadow' if shadow else 'unhooked', ultracall=shadow)

    def ready(self):
        self.host.wait_ready()
        for name in PORTS if self.shadow else ():
            self.host.add_guest(name, secrets.token_bytes(32))
        self.loop = TellingVm(self.host, 'loop', self.shadow)
        self.loop.run()
        self.loop.line()
        self.loop.pause()

    def measure(self):
        return {'loop': self.measure_loop() * 1e3, 'boot': self.measure_boot() * 1e3}

    def measure_loop(self):
        """By L2's clock, the least disturbed of many"""
        self.loop.run()
        end = time.monotonic() + LOOP_SECONDS
        self.loop.line()            # in which it was paused
        times = []
        while time.monotonic() < end or not times:
            times.append(self.loop.line() / 1e9)
        self.loop.pause()
        return min(times)

    def measure_boot(self):
        vm = TellingVm(self.host, 'boot', self.shadow)
        start = processor_seconds(self.host)
        vm.run()
        vm.line()
        spent = processor_seconds(self.host) - start
        vm.end()
        return spent


class Bench:
    def __init__(self, env):
        self.env = env

    def __enter__(self):
        self.env.say('building an emulator without hooks, starting two cloud hosts')
        config = self.env.config
        self.sides = {
            SHADOW: Side(config, True),
            WITHOUT: Side(dataclasses.replace(config, qemu=unhooked(self.env)), False)}
        with contextlib.ExitStack() as stack:
            for side in self.sides.values():
                stack.enter_context(side.host).launch()
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(Side.ready, self.sides.values()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def series(self):
        return {name: side.measure for name, side in self.sides.items()}
