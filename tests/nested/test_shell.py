# SPDX-License-Identifier: GPL-2.0-or-later
"""shell.py as a person uses it, on a terminal."""

import os
import pty
import re
import select
import sys

import lab
from lab.patience import Patience

HERE = os.path.dirname(os.path.abspath(__file__))


class Person:
    def __init__(self, command):
        self.data, self.position = b'', 0
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def expect(self, pattern, timeout=lab.LONG):
        patience = Patience(timeout)
        while not (match := re.compile(pattern.encode()).search(self.data,
                                                                self.position)):
            if not select.select([self.terminal], [], [], 1)[0]:
                if patience.over(len(self.data)):
                    raise patience.error(f'no {pattern}: {self.data[-1000:]}')
                continue
            try:
                self.data += os.read(self.terminal, 4096)
            except OSError:     # the end, as a terminal reports it
                raise AssertionError(f'ended before {pattern}: {self.data[-1000:]}') \
                    from None
        self.position = match.end()
        return match

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait_end(self, timeout=lab.LONG):
        patience = Patience(timeout)
        while not patience.over(len(self.data)):
            if select.select([self.terminal], [], [], 0.2)[0]:
                try:
                    self.data += os.read(self.terminal, 4096)
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
        raise patience.error(f'has not ended: {self.data[-1000:]}')

    def close(self):
        if self.pid:
            os.kill(self.pid, 15)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)


def session(person):
    person.expect(r'login: ')
    person.type(f'{lab.USER}\r')
    person.expect('Password: ')
    person.type(f'{lab.PASSWORD}\r')
    person.expect(r'\$ ')
    assert lab.PASSWORD.encode() not in person.data[-200:]
    person.type('mark=kept-$((40+2)); echo pid-$$-\r')
    pid = person.expect(r'pid-(\d+)-\r')[1]
    person.type('\x1dq')
    person.expect('shadow> ')
    person.type('status\r')
    person.expect('is on host-a: running')
    person.expect('host-a: active')
    person.expect('host-b: incoming')
    person.expect('shadow> ')
    person.type('wrong\r')
    person.expect('migrate  .*')
    person.expect('shadow> ')
    person.type('migrate\r')
    person.expect('migrating from host-a')
    # the screen as it was, and what is typed while the user VM moves
    person.expect(r'pid-\d+-')
    person.type('echo typed-$((1+1))\r')
    person.expect('typed-2')
    person.expect(r'now on host-b, after [0-9.]+ s; down for \d+ ms')
    person.type('echo $mark pid-$$-\r')
    match = person.expect(r'kept-42 pid-(\d+)-\r')
    assert match[1] == pid, (match[1], pid)
    person.type('\x1dq')
    person.expect('shadow> ')
    person.type('\r')
    person.expect(r'kept-42 pid-')
    person.type('echo back-$((1+1))\r')
    person.expect('back-2')
    person.type('\x1dq')
    person.expect('shadow> ')
    person.type('quit\r')
    assert person.wait_end() == 0, person.data[-1000:]


def test_shell(config):
    command = [sys.executable, f'{HERE}/shell.py', '--images', config.images,
               '--qemu', config.qemu]
    person = Person(command)
    try:
        session(person)
    finally:
        person.close()
