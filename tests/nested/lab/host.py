# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud host: an outer QEMU (L0), its cloud VM (L1), and inner QEMUs (L2) in it."""

import contextlib
import os
import secrets
import shlex
import time

from . import state
from .kvm import ACCEL_OPTIONS
from .kvmhost import cloud_vm
from .machine import HostError, Machine
from .patience import LONG, Patience, WaitTimeout, longest
from .qmp import ExecuteError, Qmp, QMPError

__all__ = ['CloudHost', 'ExecuteError', 'HostError', 'InnerError', 'QMPError', 'WaitTimeout']

PORTS = {1: (0x3f8, 4), 2: (0x2f8, 3)}


class InnerError(HostError):
    """An inner QEMU ended where it should not; the text is its output."""


def two_nodes(memory):
    """Of the outer QEMU's command line: two NUMA nodes, each with a CPU and half of the memory"""
    return [word for n in (0, 1) for word in (
        '-object', f'memory-backend-ram,id=node{n},size={memory // 2}M',
        '-numa', f'node,nodeid={n},cpus={n},memdev=node{n}')]


class CloudHost(Machine):
    """Start with launch(), which returns at once, then wait_ready()."""

    USER_KERNEL = ''        # options of the user VM's kernel

    def __init__(self, config, name='host', accel='tcg', cpus=1, memory=1024, ultracall=True,
                 extra=(), files=(), images=('l1.cpio',), append=''):
        """images, files: what L1 has, one over the other, files as write_cpio() takes them;
        append: to its kernel's command line"""
        super().__init__(config, name)
        self.memory = memory
        self.inners = {}
        self.keys = None
        self.guest_properties = {}
        self._slots = {}        # which ports of L1 are whose
        self.command = [
            config.qemu, *ACCEL_OPTIONS[accel],
            *self.common_options(cpus, memory, f'{config.images}/vmlinuz',
                                 cloud_vm(config, self.dir, files, images), append)]
        if ultracall:
            self.command += ['-device', 'ultracall,id=uc0']
        self.command += extra

    def wait_ready(self):
        super().wait_ready()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f'{self.dir}/l1.cpio')
        return self

    # --- what the operator of L0 does ---

    def add_secret(self, name, key):
        keyfile = f'{self.dir}/{name}'
        with open(os.open(keyfile, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600),
                  'wb') as file:
            file.write(key)
        self.qmp.cmd('object-add', qom_type='secret', id=name, file=keyfile)

    def add_keys(self):
        """Keys of this host, for guests whose hosts share no secret."""
        self.add_secret('host-key', secrets.token_bytes(32))
        self.qmp.cmd('object-add', qom_type='shadow-host', id='host0', secret='host-key')
        self.keys = 'host0'

    def public_key(self, which):
        host, = self.qmp.cmd('query-shadow-hosts')
        return host[f'{which}-key']

    def add_guest(self, guest='vm1', key=None, ports=1, incoming=False, bind_secret=None,
                  state_file=None, **options):
        """Create a shadow guest with its consoles, at run time over QMP."""
        self.add_secret(f'{guest}-key', key)
        properties = {'incoming': incoming, **self.guest_properties}
        if self.keys:
            properties['host'] = self.keys
        if bind_secret:
            self.add_secret(f'{guest}-bind', bind_secret)
            properties['bind-secret'] = f'{guest}-bind'
        if state_file:
            properties['state-file'] = state_file
        self.qmp.cmd('object-add', qom_type='shadow-guest', id=guest,
                     secret=f'{guest}-key', **properties)
        for n in range(1, ports + 1):
            self.add_device(guest, n, **options)

    def add_device(self, guest, n, **options):
        iobase, irq = PORTS[n]
        self.qmp.cmd('chardev-add', id=f'{guest}-chr{n}', backend={
            'type': 'socket', 'data': {
                'addr': self.console_listens(guest, n), 'server': True, 'wait': False}})
        self.qmp.cmd('device_add', driver='shadow-serial', id=f'{guest}-com{n}',
                     guest=guest, chardev=f'{guest}-chr{n}', iobase=iobase, irq=irq,
                     **options)

    def remove_device(self, guest, n):
        since = self.qmp.mark()
        self.qmp.cmd('device_del', id=f'{guest}-com{n}')
        self.qmp.wait_event('DEVICE_DELETED', since, device=f'{guest}-com{n}')
        self.qmp.cmd('chardev-remove', id=f'{guest}-chr{n}')

    def remove_object(self, guest):
        self.qmp.cmd('object-del', id=guest)
        for thing in self.qmp.cmd('qom-list', path='/objects'):
            if thing['name'] in (f'{guest}-key', f'{guest}-bind'):
                self.qmp.cmd('object-del', id=thing['name'])

    def remove_guest(self, guest='vm1', ports=1):
        for n in range(1, ports + 1):
            self.remove_device(guest, n)
        self.remove_object(guest)

    def guest(self, guest='vm1'):
        return next(g for g in self.qmp.cmd('query-shadow-guests') if g['id'] == guest)

    def door_listens(self, name):
        """The addr of a shadow-door"""
        return f'unix:{self.dir}/{name}'

    def door_address(self, name):
        """The same, for shadow-console; another user may run it, for an sshd"""
        os.chmod(self.dir, 0o755)
        os.chmod(f'{self.dir}/{name}', 0o777)
        return f'unix:{self.dir}/{name}'

    def console_listens(self, guest, port):
        """QEMU's SocketAddressLegacy of a console"""
        return {'type': 'unix', 'data': {'path': self.console_address(guest, port)}}

    def console_address(self, guest='vm1', port=1):
        """Where its user connects: a path or a (host, port) pair"""
        return f'{self.dir}/{guest}-com{port}'

    # --- what root of L1 does ---

    def start_inner(self, name='vm1', **options):
        slot = self._slots.setdefault(name, len(self._slots))
        inner = InnerVm(self, name, slot, **options)
        self.inners[name] = inner
        return inner.start()

    def reset(self):
        """Reset the cloud VM, and wait until it is up again."""
        for inner in list(self.inners.values()):
            if inner.qmp:
                inner.qmp.close()
        self.inners.clear()
        self.qmp.cmd('set-action', reboot='reset')
        self._started = time.monotonic()
        self.ready = False
        self.qmp.cmd('system_reset')
        return self.wait_ready()

    def describe(self):
        yield from super().describe()
        if self.qmp:
            yield f'{self}: {state.accesses(self.qmp)}'
        for name, inner in self.inners.items():
            if inner.qmp:
                yield f'{self}/{name}: {inner.qmp.cmd("query-status", state.BRIEF)}, ' \
                      f'{state.registers(inner.qmp)}'

    def close(self):
        for inner in list(self.inners.values()):
            if inner.qmp:
                inner.qmp.close()
        super().close()


class InnerVm:
    """An inner QEMU with KVM and its user VM, managed as L1's root does: over QMP."""

    def __init__(self, host, name, slot, shadow=True, guest=None, cpus=1, memory=128,
                 append='', incoming=False, extra='', agent=None, serial=None,
                 emulator='/bin/qemu', private=False, launch='/bin/shadow-launch.bin',
                 machine='pc', disk=False):
        """private: L0 has the user VM's kernel; launch: what asks for it; disk: it boots from a
        disk, which extra has"""
        self.host, self.name = host, name
        self.qmp = None
        self.shadow = shadow
        self.ports = {'qmp': 4000 + 10 * slot, 'migration': 4001 + 10 * slot,
                      'console': 4002 + 10 * slot}
        if shadow:
            serial = f'-serial {serial or "none"} -device {agent or "shadow-agent"},' \
                     f'guest={guest or name}'
        else:
            where = serial or f'tcp:0.0.0.0:{self.ports["console"]},server=on,wait=off'
            serial = f'-serial {where}'
        # Without an HPET the kernel, which knows the frequencies from KVM, starts neither it
        # nor the PIT. Their interrupts come by way of the PIC, with port accesses for each:
        # in an emulated host with KVM those alone took all the time there was.
        self.command = (
            f'{emulator} -L /firmware -accel kvm -cpu host -machine {machine},graphics=off,hpet=off '
            f'-smp {cpus} -m {memory} -display none -nodefaults -no-user-config '
            f'{self.kernel(append, launch if private else None, disk)} {serial} '
            f'-qmp tcp:0.0.0.0:{self.ports["qmp"]},server=on,wait=off '
            f'{"-incoming defer" if incoming else ""} {extra}')

    def kernel(self, append, launch, disk):
        if disk:
            return ''
        if launch:
            return f'-kernel {launch}'
        words = f'console=ttyS0 {self.host.USER_KERNEL}{append}'.strip()
        return f'-kernel /l2/vmlinuz -initrd /l2/l2.cpio.gz -append {shlex.quote(words)}'

    def start(self):
        log = f'/tmp/{self.name}'
        program = shlex.quote(f'echo $$ >{log}.pid; exec {self.command}')
        self.host.run(f'rm -f {log}.rc {log}.pid; (setsid sh -c {program} >{log}.log 2>&1; '
                      f'echo $? >{log}.rc) >/dev/null 2>&1 & '
                      f'while [ ! -e {log}.pid ]; do usleep 10000; done', check=True)
        try:
            self.qmp = Qmp(('127.0.0.1', self.host.forward(self.ports['qmp'])),
                           f'{self.host.name}/{self.name}', LONG, self.alive)
        except ConnectionError:
            raise InnerError(self.log()) from None
        capabilities = [{'capability': name, 'state': True}
                        for name in ('return-path', 'events')]
        self.qmp.cmd('migrate-set-capabilities', capabilities=capabilities)
        return self

    def alive(self):
        return self.host.run(f'test -e /tmp/{self.name}.rc')[0] != 0

    def log(self):
        return self.host.run(f'cat /tmp/{self.name}.log')[1]

    def console_address(self):
        return '127.0.0.1', self.host.forward(self.ports['console'])

    def listen(self):
        """On the destination: wait for a migration; the URI for the source."""
        self.qmp.cmd('migrate-incoming', uri=f'tcp:0.0.0.0:{self.ports["migration"]}')
        return f'tcp:10.0.2.2:{self.host.forward(self.ports["migration"])}'

    def set_capability(self, name, on):
        self.qmp.cmd('migrate-set-capabilities',
                     capabilities=[{'capability': name, 'state': on}])

    def run_job(self, command, **arguments):
        """A QMP command that starts a job; wait for its end."""
        self.qmp.cmd(command, job_id=command, **arguments)
        patience = Patience(120)
        while (job := self.qmp.cmd('query-jobs')[0])['status'] != 'concluded':
            if patience.over():
                raise patience.error(f'{command}: {job}')
            time.sleep(0.05)
        self.qmp.cmd('job-dismiss', id=command)
        if 'error' in job:
            raise HostError(f'{command}: {job["error"]}')

    def add_disk(self, path):
        """A new qcow2 image, for snapshots; no device of the user VM has it."""
        self.run_job('blockdev-create',
                     options={'driver': 'file', 'filename': path, 'size': 0})
        self.qmp.cmd('blockdev-add', driver='file', node_name='image', filename=path)
        self.run_job('blockdev-create',
                     options={'driver': 'qcow2', 'file': 'image', 'size': 1 << 20})
        self.qmp.cmd('blockdev-add', driver='qcow2', node_name='disk', file='image')

    def migrate_start(self, uri):
        self._migrate_mark = self.qmp.mark()
        self.qmp.cmd('migrate', uri=uri)

    def migration_ended(self):
        """How the migration ended, or None while it goes on."""
        return next((s for s in ('completed', 'failed', 'cancelled')
                     if self.qmp.find_event('MIGRATION', self._migrate_mark, status=s)),
                    None)

    def migrate_wait(self, timeout=2 * LONG):
        """Wait until the migration has ended, either way; the last query-migrate."""
        patience = Patience(timeout)
        while not self.migration_ended():
            self.qmp.wait_change(1)
            info = self.qmp.cmd('query-migrate')
            if patience.over(info.get('ram', {}).get('transferred')):
                raise patience.error(f'migration: {info}')
        return self.qmp.cmd('query-migrate')

    def stop(self):
        """End the inner QEMU and wait until it is gone."""
        try:
            self.qmp.cmd('quit', timeout=60)
        except (QMPError, TimeoutError, ExecuteError):
            pass
        self.qmp.close()
        self.host.run(f'n=0; while [ ! -e /tmp/{self.name}.rc ]; do n=$((n+1)); '
                      f'[ $n -gt {longest(60)} ] && kill -KILL $(cat /tmp/{self.name}.pid); '
                      f'usleep 100000; done', check=True)
        self.host.inners.pop(self.name, None)

    def signal(self, name):
        self.host.run(f'kill -{name} $(cat /tmp/{self.name}.pid)', check=True)

    def kill(self):
        """Without any farewell, if it has not ended by itself."""
        self.host.run(f'kill -KILL $(cat /tmp/{self.name}.pid)')
        self.stop()
