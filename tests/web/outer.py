# SPDX-License-Identifier: GPL-2.0-or-later
"""An outer QEMU without a cloud VM: its guest is played by the test, through shadow-testdev."""

import json
import os
import socket
import subprocess
import time

# hw/misc/shadow-testdev.h: it stands in for a CPU of the cloud VM
TESTDEV = 0xfe000000
CALL, ARGUMENTS, STATUS, PROCESS = (TESTDEV + offset for offset in (0x10000, 0x10008, 0x10030, 0x10040))
BIND, COMMIT = 1, 8     # include/ultracall.h
COM1 = TESTDEV + 0x3f8
TAG, COOKIE = 0x100000, 0x101000
READY, BREAK = 1, 0x10  # LSR: a byte has come, a BREAK has
LIMIT = 60 * int(os.environ.get('SHADOW_HANGS', 1))


def connect(path, process):
    """When it listens"""
    end = time.monotonic() + LIMIT
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return connection.makefile('rw', encoding='utf-8')
        except OSError:
            connection.close()
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)


class Outer:
    """folder: an empty one; door: more options of its door; incoming: waits for the guest; authority: of its
    certificate, if it has one; asks: whether it wants to see its users' certificates"""

    def __init__(self, folder, name, door='', incoming=False, authority=None, asks=False):
        self.folder = folder
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        command = [
            'setpriv', '--pdeathsig', 'KILL', os.environ['QEMU_BINARY'], '-accel', 'qtest', '-machine', 'q35',
            '-m', '16', '-display', 'none', '-nodefaults', '-no-user-config',
            '-object', 'secret,id=key0,data=' + 'k' * 32,
            '-object', 'shadow-guest,id=vm1,secret=key0' + (',incoming=on' if incoming else ''),
            '-device', 'ultracall', '-device', 'shadow-testdev', '-device', 'shadow-serial,id=com1,guest=vm1',
            '-qtest', f'unix:{folder}/qtest,server=on,wait=off', '-qmp', f'unix:{folder}/qmp,server=on,wait=off']
        with open(f'{folder}/log', 'wb') as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._qmp = connect(f'{folder}/qmp', self.process)
            self._qtest = connect(f'{folder}/qtest', self.process)
        except OSError as error:
            with open(f'{folder}/log', encoding='utf-8') as log:
                raise RuntimeError(log.read()) from error
        self._qmp.readline()
        self.qmp('qmp_capabilities')
        self.call(BIND, COOKIE, 8)
        self.url = f'{"wss" if authority else "ws"}://127.0.0.1:{self.port}'
        if authority:
            self.qmp('object-add', **{'qom-type': 'tls-creds-x509', 'id': 'tls0', 'endpoint': 'server',
                                      'dir': authority.folder, 'verify-peer': asks})
            door += ',tls-creds=tls0'
        self.add_door(name, door)

    def add_door(self, name='', options=''):
        more = dict(pair.split('=') for pair in options.split(',') if pair)
        more = {key: True if value == 'on' else value for key, value in more.items()}
        self.qmp('object-add', **{'qom-type': 'shadow-door', 'id': 'd1', 'guest': 'vm1', 'device': 'com1',
                                  'addr': f'127.0.0.1:{self.port}', 'websocket': True, 'host-name': name, **more})

    def remove_door(self):
        self.qmp('object-del', id='d1')

    def close(self):
        self.process.kill()
        self.process.wait()

    def qmp(self, command, **arguments):
        self._qmp.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self._qmp.flush()
        while True:
            answer = json.loads(self._qmp.readline())
            assert 'error' not in answer, (command, answer)
            if 'return' in answer:
                return answer['return']

    def _run(self, *commands):
        self._qtest.write(''.join(f'{command}\n' for command in commands))
        self._qtest.flush()
        answers = [self._qtest.readline().split() for _ in commands]
        assert all(answer[0] == 'OK' for answer in answers), answers
        return [int(answer[1], 0) if len(answer) > 1 else 0 for answer in answers]

    def call(self, number, *arguments):
        """An ultracall about vm1"""
        values = [TAG, 3, *arguments, 0, 0, 0][:5]
        self._run(f'write {TAG:#x} 3 0x{b"vm1".hex()}', f'writeq {PROCESS:#x} 0x1000',
                  *[f'writeq {ARGUMENTS + 8 * n:#x} {value:#x}' for n, value in enumerate(values)],
                  f'writel {CALL:#x} {number}')
        status, = self._run(f'readq {STATUS:#x}')
        assert status == 0, status

    def print(self, text):
        """The guest prints it."""
        commands = [f'writeb {COM1:#x} {byte:#x}' for byte in text.encode()]
        while commands:     # as many as fit in its socket, answers and all
            self._run(*commands[:256])
            del commands[:256]

    def read(self, count):
        """What the guest reads, when so many bytes were typed"""
        got = bytearray()
        end = time.monotonic() + LIMIT
        while len(got) < count:
            ready, = self._run(f'readb {COM1 + 5:#x}')
            if ready & READY:
                got += bytes(self._run(f'readb {COM1:#x}'))
            elif time.monotonic() > end:
                raise TimeoutError(f'only {bytes(got)} was typed')
            else:
                time.sleep(0.01)
        return got.decode()

    def read_break(self):
        """Wait for one, and take it away."""
        end = time.monotonic() + LIMIT
        while not self._run(f'readb {COM1 + 5:#x}')[0] & BREAK:
            if time.monotonic() > end:
                raise TimeoutError('no BREAK has come')
            time.sleep(0.01)
        self._run(f'readb {COM1:#x}')

    def nothing(self):
        ready, = self._run(f'readb {COM1 + 5:#x}')
        return not ready & READY

    def life(self):
        """Of its console, once somebody has come"""
        guest, = self.qmp('query-shadow-guests')
        return guest['devices'][0]['life']

    def save(self):
        path = f'{self.folder}/state'
        self.qmp('shadow-state-save', guest='vm1', file=path)
        return path

    def restore(self, path):
        """And the guest runs."""
        self.qmp('shadow-state-restore', guest='vm1', file=path)
        self._run(f'readb {COM1 + 7:#x}')
