# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM with a shadow console, and its user."""

import contextlib
import secrets

import lab

from .chardev import ChardevClient
from .doors import UserClient
from .host import InnerError


class UserVm:
    """On one host; the user is connected before the machine starts, through a door or else as
    a plain client of the chardev."""

    def __init__(self, host, guest='vm1', ports=1, user=lab.USER, append='quiet',
                 chardev=False, device=(), **options):
        """device: properties of its serial ports"""
        self.host, self.guest, self.ports, self.user = host, guest, ports, user
        self.hosts, self.chardev, self.device = [host], chardev, dict(device)
        self.options = {'append': append, **options}
        self.inner = None
        self.removed = False

    def __enter__(self):
        self.give()
        self.console = self.connect()
        self.boot()
        return self

    def give(self):
        """What L0's operator gives it"""
        self.host.add_guest(self.guest, secrets.token_bytes(32), self.ports, **self.device)

    def connect(self, port=1):
        """Somebody at the console"""
        if self.chardev:
            return ChardevClient().connect(self.host, self.guest, port)
        return UserClient(self, self.guest, port)

    def boot(self):
        """Start the inner QEMU, also after another one that has ended."""
        again = self.inner
        self.inner = self.host.start_inner(self.guest, **self.options)
        if again:
            self.console.come_back(self.host)
        return self

    def login(self, user=None):
        """The user's name and password typed and checked, and echo off meanwhile."""
        screen = self.console.login(user or self.user, lab.PASSWORD)
        assert lab.PASSWORD not in screen, 'the password was echoed'
        return self

    def check_console(self):
        assert self.console.command('echo $((6*7))') == (0, '42\n')

    def state(self):
        return self.host.guest(self.guest)

    def checks(self, command, timeout=2 * lab.LONG, at=None):
        """A program that prints PASS and FAIL, in L2 or at another place."""
        status, output = (at or self.console.command)(command, timeout)
        return report_checks(command, status, output)

    def remove(self):
        """What L0's operator has given is taken away."""
        self.console.close()
        self.host.remove_guest(self.guest, self.ports)
        self.removed = True

    def __exit__(self, *_):
        if self.host.alive():
            if self.inner:
                self.inner.stop()
            if not self.removed:
                self.remove()


class TwoVms:
    def __init__(self, host):
        self.host = host
        self.one = UserVm(host, 'vm1', ports=2, user='root')
        self.two = UserVm(host, 'vm2', cpus=2)

    def __enter__(self):
        from .trace import PioTrace
        trace = PioTrace(self.host).start()
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.one)
            self.second = self.one.connect(2)
            stack.enter_context(self.two)
            self.one.login()
            self.two.login()
            self.second.send('\r')
            self.second.login('root', lab.PASSWORD)
            self.seen = trace.stop()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self.second.close()
        return self._stack.__exit__(*error)


def report_checks(command, status, output):
    """What a guest program printed: all must have passed, and some there must be."""
    passed = output.count('PASS ')
    failed = [line for line in output.splitlines() if line.startswith('FAIL ')]
    assert status == 0 and passed and not failed, \
        f'{command}: status {status}, {passed} passed, failed:\n' + \
        '\n'.join(failed or [output[-2000:]])
    print(f'# {command}: {passed} checks passed', flush=True)
    return output


def refused(host, name, **options):
    """An inner QEMU that must not start: what it says."""
    with contextlib.suppress(InnerError):
        host.start_inner(name, **options)
        raise AssertionError(f'{name}: the inner QEMU has started')
    return host.run(f'cat /tmp/{name}.log')[1]
