# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets of a user VM, and how often each is in the memory of its cloud VM."""

import hashlib
import mmap
import os
import secrets
import time

import lab

from .patience import Patience


class Secrets:
    """Typed, computed, read, and held in registers; each is searched for as it stands there."""

    def __init__(self):
        self.line = f'combination-{secrets.token_hex(8)}'
        self.hashed = secrets.token_hex(8)
        self.key = secrets.token_hex(16)
        self.register = secrets.token_hex(4)

    def use(self, console):
        """In a shell of the user VM"""
        run = console.command
        assert run(f': {self.line}')[0] == 0
        # what is computed is another thing than what is typed
        assert run(f'echo -n {self.hashed} | sha256sum >/tmp/sum && cat /tmp/sum')[0] == 0
        half = len(self.key) // 2
        assert run(f'(echo -n {self.key[:half]}; echo -n {self.key[half:]}) >/tmp/key; '
                   'cat /tmp/key >/dev/null')[0] == 0
        assert run(f'hold-register {self.register} >/tmp/register 2>&1 & sleep 2')[0] == 0

    def type_password(self, host, console):
        """It stands typed, and not yet entered, as at a login: afterwards it is wiped."""
        console.send('stty -echo; echo typ"e it"; cat >/dev/null; stty echo\r')
        console.expect(r'type it\r\n')
        console.send(lab.PASSWORD)
        patience = Patience(lab.LONG)
        while not all(d['input-taken'] == d['input-accepted'] for d in host.guest()['devices']):
            if patience.over():
                raise patience.error('the guest does not read what is typed')
            time.sleep(0.1)
        time.sleep(1)           # its driver has it, and its terminal soon

    @staticmethod
    def password_typed(console):
        """It is over: the shell has the terminal again."""
        console.send('\r\4')
        assert console.command('true')[0] == 0

    def told_register(self, console):
        """Whether the program that had one in its registers still has it; it says so and ends."""
        return console.command('killall -USR1 hold-register; while killall -0 hold-register; do '
                               'sleep 0.1; done 2>/dev/null; cat /tmp/register')[1].split() == \
            [self.register] * 2

    def leave(self, host, console):
        """All of them"""
        self.use(console)
        self.type_password(host, console)

    def patterns(self):
        return {
            'password': lab.PASSWORD.encode(),
            'typed line': self.line.encode(),
            'computed hash': hashlib.sha256(self.hashed.encode()).hexdigest().encode(),
            'key file': self.key.encode(),
            'register': self.register.encode()[::-1],
        }

    def found(self, host):
        """How often each is in all of the cloud VM's memory"""
        path = f'{host.dir}/memory'
        try:
            host.qmp.cmd('pmemsave', val=0, size=host.memory << 20, filename=path, timeout=600)
            return self.count(path)
        finally:
            os.unlink(path)

    def found_everywhere(self, host, inner):
        """The same, and what root of the cloud VM finds in the inner QEMU, and in its dump of
        the guest. The cloud VM is told what to look for when its own memory has been searched."""
        inner.qmp.cmd('stop')
        found = {'memory': self.found(host)}
        # It is dumped first: the emulator then has the registers, too.
        host.run(f'rm -f {DUMP}*; mkfifo {DUMP}; (search-memory - {self.hex()} <{DUMP} '
                 f'>{DUMP}.found 2>&1; touch {DUMP}.end) >/dev/null 2>&1 &', check=True)
        inner.qmp.cmd('dump-guest-memory', paging=False, protocol=f'file:{DUMP}')
        found['dump'] = self.said(host, f'while [ ! -e {DUMP}.end ]; do usleep 100000; done; '
                                        f'cat {DUMP}.found')
        found['process'] = self.said(host, f'search-memory $(cat /tmp/{inner.name}.pid) '
                                           f'{self.hex()}')
        inner.qmp.cmd('cont')
        return found

    def hex(self):
        return ' '.join(pattern.hex() for pattern in self.patterns().values())

    def said(self, host, command):
        """What search-memory has printed"""
        times = host.run(command, check=True)[1].split()
        return dict(zip(self.patterns(), map(int, times), strict=True))

    def count(self, path):
        with open(path, 'rb') as file, \
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            return {name: count(memory, pattern) for name, pattern in self.patterns().items()}


DUMP = '/tmp/dump'


def count(memory, pattern):
    times = at = 0
    while (at := memory.find(pattern, at)) >= 0:
        times += 1
        at += 1
    return times
