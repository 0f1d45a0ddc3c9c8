# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud host of which the machine is emulated, so that its outer QEMU has KVM."""

import base64
import itertools
import shlex
import time

from . import wait_until
from .host import CloudHost
from .kvm import ACCEL_OPTIONS, emulated
from .kvmhost import KvmHost
from .machine import HostError, RootShell, forward_port, machine_options
from .qmp import Qmp

QMP, SHELL, CONSOLES = 5000, 5001, 6000     # TCP ports of the emulated machine
# Not the emulated machine's own: 10.0.2.2 leads the cloud VM, too, to where this runs.
SUBNET = '10.0.3'
RUN = '/run/outer'


class EmulatedCloudHost(CloudHost):
    """As a CloudHost, but that all of it is reached through the emulated machine."""

    # In migrations that took 90 seconds and more the idle user VM's watchdog has missed 25 to
    # 64 of them (why is not established), and told so in the midst of a transfer.
    # And what costs port accesses, page faults or time at each entry to the kernel, and is no
    # part of any test, is left out: three levels down a port access takes 10 ms.
    USER_KERNEL = 'nosoftlockup nowatchdog edd=off mitigations=off 8250.nr_uarts=2 '

    def __init__(self, config, name='host', cpus=1, memory=1024, ultracall=True, extra=(),
                 kernel='6.12', modules=None, overlays=()):
        super().__init__(config, name, 'kvm')
        self.memory = memory
        self.base = KvmHost(config, f'{name}-machine', kernel, modules, overlays,
                            memory=memory + 1024)
        self._ports = {}
        self._numbers = itertools.count(CONSOLES)
        # Stopped until the shell is connected: what the port gives before that is lost.
        self.command = [
            '/bin/qemu', '-S', '-L', '/firmware', *ACCEL_OPTIONS['kvm'],
            '-netdev', f'user,id=net0,net={SUBNET}.0/24',
            *machine_options(name, cpus, memory, '/l1/vmlinuz', '/l1/l1.cpio',
                             f'subnet={SUBNET}'),
            '-serial', f'file:{RUN}.ttyS0',
            '-serial', f'tcp:0.0.0.0:{SHELL},server=on,wait=off',
            '-qmp', f'tcp:0.0.0.0:{QMP},server=on,wait=off']
        if ultracall:
            self.command += ['-device', 'ultracall,id=uc0']
        self.command += extra

    def describe(self):
        if self.qmp:
            yield from super().describe()

    def launch(self):
        self.base.launch()
        self.process = self.base.process
        return self

    def wait_ready(self):
        if not self.qmp:
            self.base.wait_ready()
            self._started = time.monotonic()
            self._start_outer()
        return super().wait_ready()

    def _start_outer(self):
        command = ' '.join(shlex.quote(word) for word in self.command)
        program = shlex.quote(f'{command} >{RUN}.log 2>&1; echo $? >{RUN}.rc')
        self.base.run(f'setsid sh -c {program} >/dev/null 2>&1 &', check=True)
        try:
            self.qmp = Qmp(('127.0.0.1', self.base.forward(QMP)), self.name,
                           alive=self.alive)
        except ConnectionError as error:
            raise HostError(f'{error}\n{self.log()}') from error
        self.shell = RootShell(('127.0.0.1', self.base.forward(SHELL)), self.name, self.alive)
        if not wait_until(self._shell_connected):
            raise HostError(f'{self.name}: the root shell does not connect')
        self.qmp.cmd('cont')

    def _shell_connected(self):
        shell, = (c for c in self.qmp.cmd('query-chardev') if c['label'] == 'serial1')
        return not shell['filename'].startswith('disconnected:')

    def alive(self):
        return self.base.alive() and self.base.run(f'test -e {RUN}.rc')[0] != 0

    def log(self):
        log = self.base.log()
        if self.base.alive():
            log += self.base.run(f'cat {RUN}.log')[1]
        return log

    def kernel_log(self):
        log = self.base.kernel_log()
        if self.base.alive():
            log += self.base.run(f'cat {RUN}.ttyS0')[1]
        return log

    def forward(self, port):
        if port not in self._forwards:
            outer = forward_port(self.qmp, port, '0.0.0.0')
            self._forwards[port] = self.base.forward(outer)
        return self._forwards[port]

    def add_secret(self, name, key):
        self.qmp.cmd('object-add', qom_type='secret', id=name, format='base64',
                     data=base64.b64encode(key).decode())

    def _port(self, *name):
        """Of the emulated machine, what has that name is to listen at"""
        if name not in self._ports:
            self._ports[name] = next(self._numbers)
        return self._ports[name]

    def door_listens(self, name):
        return f'0.0.0.0:{self._port(name)}'

    def door_address(self, name):
        return f'tcp:127.0.0.1:{self.base.forward(self._port(name))}'

    def console_listens(self, guest, port):
        return {'type': 'inet', 'data': {'host': '0.0.0.0',
                                         'port': str(self._port(guest, port))}}

    def console_address(self, guest='vm1', port=1):
        return '127.0.0.1', self.base.forward(self._port(guest, port))

    def close(self):
        super().close()
        self.base.close()


def cloud_host(config, name='host', accel=None, **options):
    accel = accel or config.accel
    if emulated(accel):
        return EmulatedCloudHost(config, name, **options)
    return CloudHost(config, name, accel, **options)
