# SPDX-License-Identifier: GPL-2.0-or-later
"""shadow-console as its users have it: on a terminal, or on pipes."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.realpath(f'{HERE}/../..')
PROGRAM = os.environ.get('SHADOW_CONSOLE', f'{TOP}/build/client/shadow-console')

sys.path.insert(0, f'{TOP}/tests/nested')
from lab.patience import Patience    # noqa: E402

LONG = int(os.environ.get('SHADOW_HANGS', 60))


def wait_for(condition, what='a condition', seconds=LONG):
    patience = Patience(seconds)
    while not (true := condition()):
        if patience.over():
            raise AssertionError(f'{what} has not come true')
        time.sleep(0.01)
    return true


def hosts_file(folder, *hosts, name='hosts'):
    path = os.path.join(folder, name)
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\n'.join(['# where vm1 may be', *(h.address for h in hosts)]) + '\n')
    return path


def events(path):
    with contextlib.suppress(FileNotFoundError), open(path, encoding='utf-8') as file:
        return [json.loads(line) for line in file]
    return []


class Person:
    """At a terminal of 24 by 80"""

    def __init__(self, *args, env=(), rows=24, cols=80):
        self.data, self.position = b'', 0
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(env)
            os.environ['TERM'] = 'xterm'
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))
                os.execv(PROGRAM, [PROGRAM, *args])
            finally:
                os._exit(127)
        self.status = None

    def read(self, seconds=0.05):
        while select.select([self.terminal], [], [], seconds)[0]:
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.data += data
            seconds = 0
        return True

    def expect(self, text, seconds=LONG):
        """The match of a pattern in what comes after the last match"""
        pattern = re.compile(text if isinstance(text, bytes) else text.encode(), re.DOTALL)
        patience = Patience(seconds)
        goes_on = True
        while not (match := pattern.search(self.data, self.position)):
            if not goes_on or patience.over():
                raise AssertionError(f'no {text!r} but {self.data[self.position:][-1500:]!r}')
            goes_on = self.read()
        self.position = match.end()
        return match

    def silent(self, text, seconds=0.3):
        """It does not come within that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
        assert text not in self.data[self.position:], self.data[self.position:]

    def type(self, text):
        os.write(self.terminal, text if isinstance(text, bytes) else text.encode())

    def escape(self, key):
        self.type(b'\x1d' + key.encode())

    def wait(self, seconds=LONG):
        patience = Patience(seconds)
        while self.status is None:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif patience.over():
                raise AssertionError(f'does not end: {self.data[-1000:]}')
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.status = -9
        os.close(self.terminal)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Reader:
    """One that writes into a file"""

    def __init__(self, *args):
        self.file = tempfile.TemporaryFile()
        self.process = subprocess.Popen([PROGRAM, *args], stdin=subprocess.DEVNULL,
                                        stdout=self.file)

    def output(self):
        return os.pread(self.file.fileno(), 1 << 24, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.file.close()


def run(*args, stdin=b'', status=0, seconds=LONG):
    """Its standard output; the status is checked."""
    done = subprocess.run([PROGRAM, *args], input=stdin, capture_output=True, check=False,
                          timeout=seconds * 4)
    assert done.returncode == status, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    run.stderr = done.stderr.decode(errors='replace')
    return done.stdout
