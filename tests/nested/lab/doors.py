# SPDX-License-Identifier: GPL-2.0-or-later
"""Users of a console who come through doors, with shadow-console."""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time

import lab

from .console import Console
from .patience import Patience, wait_until

PROGRAM = os.environ.get('SHADOW_CONSOLE', f'{lab.ROOT}/build/client/shadow-console')


def add_door(host, guest='vm1', port=1, role='write', **options):
    """Its address, for shadow-console"""
    name = f'{guest}-door{port}-{role}'
    host.qmp.cmd('object-add', qom_type='shadow-door', id=name, guest=guest,
                 device=f'{guest}-com{port}', addr=host.door_listens(name), role=role,
                 host_name=host.name, **options)
    return host.door_address(name)


def add_doors(where, path, **options):
    """One at each of its hosts; the file of hosts is written to @path."""
    with open(path, 'w', encoding='utf-8') as file:
        for host in where.hosts:
            file.write(add_door(host, **options) + '\n')
    return path


class DoorClient(Console):
    """A program that follows the guest by itself, shadow-console or an ssh to it"""

    def __init__(self, command):
        super().__init__()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for function in (self._copy, self._complain):
            threading.Thread(target=function, daemon=True).start()
        self.said = b''
        self.sent = 0               # bytes that were typed

    def _copy(self):
        while data := os.read(self.process.stdout.fileno(), 65536):
            self._came(data)

    def _complain(self):
        while data := os.read(self.process.stderr.fileno(), 4096):
            self.said += data

    @property
    def connected(self):
        return self.process.poll() is None

    def describe(self):
        yield f'{self}: running={self.connected}, {len(self.output)} bytes, ' \
              f'said {self.said[-500:]!r}'

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.sent += len(data)
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def follow(self, *_):
        """The program does it."""

    come_back = follow

    def close(self):
        self.process.terminate()
        self.process.wait()


class UserClient(DoorClient):
    """The user of a guest that is at one of the hosts of a Pair or a UserVm, who has the
    keyboard. What has happened is told by the events of shadow-console."""

    def __init__(self, where, guest, port=1, start='end'):
        self.events = tempfile.NamedTemporaryFile(prefix='shadow-events-')
        hosts = f'{where.hosts[0].dir}/{guest}-com{port}.hosts'
        if not os.path.exists(hosts):
            add_doors(where, hosts, guest=guest, port=port)
        super().__init__([PROGRAM, 'attach', '--wait', '--events', self.events.name,
                          '--from', str(start), '--hosts', hosts, guest])
        self.guest, self.port = guest, port
        wait_until(lambda: not self.connected or self.told('keyboard'))
        assert self.told('keyboard'), list(self.describe())

    def told(self, event):
        """All such events"""
        return [each for each in self.news() if each['event'] == event]

    def news(self):
        with open(self.events.name, encoding='utf-8') as file:
            return [json.loads(line) for line in file if line.endswith('\n')]

    @property
    def gap(self):
        return self.news()[-1]['output-lost']


class Recorder:
    """A recording of the console at one host, until it has moved away"""

    def __init__(self, path, hosts, *options):
        self.path = path
        self.process = subprocess.Popen(
            [PROGRAM, 'record', '--wait', '--events', f'{path}.events', *options, hosts, path],
            stderr=subprocess.PIPE)

    def finish(self, terminate=False):
        if terminate:
            self.process.terminate()
        patience = Patience()
        while self.process.poll() is None and not patience.over():
            time.sleep(0.1)
        assert self.process.poll() == 0, (self.process.poll(), self.process.stderr.read())

    def played(self):
        """The bytes in it"""
        data = b''
        with open(self.path, encoding='utf-8') as file:
            next(file)
            for line in file:
                _, code, text = json.loads(line)
                data += text.encode() if code == 'o' else \
                    bytes.fromhex(text) if code == 'b' else b''
        return data

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
