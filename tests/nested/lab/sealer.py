# SPDX-License-Identifier: GPL-2.0-or-later
"""An outer QEMU without a cloud VM, that seals a guest's state as often as it is asked to.

RESTORE takes only what another host has sealed, and each time something newer.
"""

import os
import socket
import subprocess

from .machine import Machine
from .qmp import Qmp

# hw/misc/shadow-testdev.h: it stands in for a CPU of the cloud VM
TESTDEV = 0xfe000000
CALL, ARGUMENTS, STATUS, PROCESS = (TESTDEV + offset for offset in
                                    (0x10000, 0x10008, 0x10030, 0x10040))
BIND = 1            # include/ultracall.h
COM1 = 0x3f8
BATCH = 1000        # commands before their answers are read


class Sealer(Machine):
    """What it seals is of a guest with one port, whose history is full."""

    def __init__(self, config, guest, key):
        super().__init__(config, 'sealer')
        self.guest = guest
        keyfile = f'{self.dir}/key'
        with open(os.open(keyfile, os.O_CREAT | os.O_WRONLY, 0o600), 'wb') as file:
            file.write(key)
        self.command = [
            config.qemu, '-accel', 'qtest', '-machine', 'pc', '-m', '16', '-display', 'none',
            '-nodefaults', '-no-user-config', '-object', f'secret,id=key0,file={keyfile}',
            '-object', f'shadow-guest,id={guest},secret=key0', '-device', 'ultracall',
            '-device', 'shadow-testdev', '-device', f'shadow-serial,id={guest}-com1,guest={guest}',
            '-qtest', f'unix:{self.dir}/qtest,server=on,wait=off',
            '-qmp', f'unix:{self.dir}/qmp,server=on,wait=off']
        for path in config.firmware:
            self.command += ['-L', path]

    def launch(self):
        with open(f'{self.dir}/qemu.log', 'wb') as log:
            self.process = subprocess.Popen(
                ['setpriv', '--pdeathsig', 'KILL'] + self.command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.qmp = Qmp(f'{self.dir}/qmp', self.name, alive=self.alive)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f'{self.dir}/qtest')
        self._qtest = connection.makefile('rw', encoding='ascii')
        self._bind()
        return self

    def _run(self, commands):
        for start in range(0, len(commands), BATCH):
            batch = commands[start:start + BATCH]
            self._qtest.write(''.join(f'{command}\n' for command in batch))
            self._qtest.flush()
            answers = [self._qtest.readline() for _ in batch]
            assert all(answer.startswith('OK') for answer in answers), answers[-1]
        return answers[-1].split()

    def _bind(self):
        tag, cookie = 0x100000, 0x101000
        arguments = [tag, len(self.guest), cookie, 8, 0]
        self._run([f'write {tag:#x} {len(self.guest)} 0x{self.guest.encode().hex()}',
                   f'writeq {PROCESS:#x} 0x1000'] +
                  [f'writeq {ARGUMENTS + 8 * n:#x} {value:#x}'
                   for n, value in enumerate(arguments)] + [f'writel {CALL:#x} {BIND}'])
        status = self._run([f'readq {STATUS:#x}'])
        assert int(status[1], 0) == 0, status

    def fill_history(self):
        """As much output as the port keeps, and a little more."""
        device, = self.qmp.cmd('query-shadow-guests')[0]['devices']
        text = b'What the console has shown is kept, to the last of these lines.\r\n'
        while not device['output-start']:
            self._run([f'writeb {TESTDEV + COM1:#x} {byte}' for byte in text * 100])
            device, = self.qmp.cmd('query-shadow-guests')[0]['devices']

    def envelopes(self, count):
        """One after the other, newer and newer"""
        path = f'{self.dir}/envelope'
        for _ in range(count):
            self.qmp.cmd('shadow-state-save', guest=self.guest, file=path)
            self.qmp.cmd('shadow-guest-resume', guest=self.guest)
            with open(path, 'rb') as file:
                yield file.read()
            os.unlink(path)
