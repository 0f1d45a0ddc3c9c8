# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM without Linux, guest/bare-hv, and what its small user VM writes."""

import itertools
import re
import shlex
import shutil
import subprocess
import tempfile
import time

from .chardev import ChardevClient
from .counted import Counts, counted
from .kvm import ACCEL_OPTIONS
from .kvmhost import KvmHost
from .machine import HostError
from .patience import LONG, Patience
from .qmp import Qmp

PROGRAM = 'bare-hv'
COM1 = 0x3f8
SAW = re.compile(r'SAW (in|out) (\w+) (\d) (\w+)')


class Here:
    """This machine, with TCG or, if it has that, KVM."""

    def __init__(self, config, accel):
        self.qemu, self.accel, self.firmware = config.qemu, accel, config.firmware
        self.program = f'{config.images}/kvm/{PROGRAM}'
        self.victim = f'{config.images}/kvm/victim.bin'
        self.dir = tempfile.mkdtemp(prefix='shadow-bare-')
        self.process = None

    def listens(self, name):
        return {'type': 'unix', 'path': f'{self.dir}/{name}'}

    def address(self, name):
        return f'{self.dir}/{name}'

    def start(self, command):
        with open(f'{self.dir}/log', 'wb') as log:
            self.process = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL'] + command,
                                            stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)

    def alive(self):
        return self.process.poll() is None

    def read(self, name):
        try:
            with open(f'{self.dir}/{name}', encoding='latin-1', newline='') as file:
                return file.read()
        except FileNotFoundError:
            return ''

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class There:
    """An emulated machine, with KVM."""

    accel, qemu, firmware, program = 'kvm', '/bin/qemu', ['/firmware'], f'/bin/{PROGRAM}'
    numbers = itertools.count(7000)

    def __init__(self, machine):
        self.machine = machine
        self.dir = f'/run/bare-{next(self.numbers)}'
        self.ports = {}
        machine.run(f'mkdir -p {self.dir}', check=True)

    def listens(self, name):
        self.ports[name] = next(self.numbers)
        return {'type': 'inet', 'host': '0.0.0.0', 'port': self.ports[name]}

    def address(self, name):
        return '127.0.0.1', self.machine.forward(self.ports[name])

    def start(self, command):
        program = ' '.join(shlex.quote(word) for word in command)
        program = shlex.quote(f'echo $$ >{self.dir}/pid; exec {program}')
        self.machine.run(f'(setsid sh -c {program} >{self.dir}/log 2>&1; '
                         f'echo $? >{self.dir}/rc) >/dev/null 2>&1 &', check=True)

    def alive(self):
        return self.machine.run(f'test -e {self.dir}/rc')[0] != 0

    def read(self, name):
        return self.machine.run(f'cat {self.dir}/{name} 2>/dev/null')[1]

    def kill(self):
        self.machine.run(f'kill -KILL $(cat {self.dir}/pid); '
                         f'while [ ! -e {self.dir}/rc ]; do usleep 10000; done')

    def close(self):
        if self.machine.alive():
            self.kill()


def listener(where, name):
    address = where.listens(name)
    if address['type'] == 'unix':
        return f'path={address["path"]}'
    return f'host={address["host"]},port={address["port"]}'


class Bare:
    """What tests are given: vm = bare(scenario, option=...)"""

    def __init__(self, make_where, hosts=()):
        self.make_where, self.hosts = make_where, list(hosts)

    def __call__(self, scenario, **options):
        return BareCloudVm(self.make_where(), scenario, **options)


def start_there(config, stack, **options):
    """An emulated machine, for what stays in the stack"""
    machine = stack.enter_context(KvmHost(config, 'bare-kvm', cloudvm=False, memory=1024,
                                          **options).launch()).wait_ready()
    return Bare(lambda: There(machine), [machine])


class BareCloudVm:
    """One scenario, on one of the above. The user is connected from the start, and has
    typed something. What it costs is counted, if asked for, where KVM is emulated."""

    def __init__(self, where, scenario, cpus=1, more=(), typed=b'', count=False,
                 private=False, imported=False, register=False, **options):
        self.where, self.typed = where, typed
        words = ' '.join(f'{name}={value}' for name, value in options.items())
        self.command = [
            where.qemu, '-S', *ACCEL_OPTIONS[where.accel], '-m', '64', '-smp', str(cpus),
            '-display', 'none', '-nodefaults', '-no-user-config',
            *(word for path in where.firmware for word in ('-L', path)),
            '-chardev', f'socket,id=qmp,{listener(where, "qmp")},server=on,wait=off',
            '-mon', 'chardev=qmp,mode=control',
            '-object', f'secret,id=key,data={"k" * 32}',
            '-object', f'shadow-guest,id=vm1,secret=key{",register=on" if register else ""}',
            '-object', 'shadow-guest,id=vm2,secret=key',
            '-chardev', f'socket,id=user,{listener(where, "console")},server=on,wait=off',
            '-device', 'ultracall',
            '-device', 'shadow-serial,id=vm1-com1,guest=vm1,chardev=user',
            '-device', 'shadow-serial,id=vm2-com1,guest=vm2',
            *(word for tag in more for word in (
                '-object', f'shadow-guest,id={tag},secret=key',
                '-device', f'shadow-serial,id={tag}-com1,guest={tag}')),
            *(word for tag in ('vm1', 'vm2')[:private] for word in (
                '-device', f'shadow-memory,id={tag}-ram,guest={tag},size=16M,'
                f'kernel={where.victim}')),
            *(['-device', 'shadow-memory,id=vm1-ram,guest=vm1,size=48M'] if imported else []),
            '-debugcon', f'file:{where.dir}/report', '-serial', f'file:{where.dir}/com1',
            '-kernel', where.program, '-append', f'scenario={scenario} {words}']
        if count:
            self.command = counted(self.command, self.counts_file)
        self.qmp = self.console = None

    def __enter__(self):
        try:
            self.where.start(self.command)
            self.qmp = Qmp(self.where.address('qmp'), 'bare', alive=self.where.alive)
            self.connect()
            self.console.send(self.typed)
            self.qmp.cmd('cont')
        except Exception as error:
            log = self.where.read('log')
            self.__exit__()
            raise HostError(f'{error}\n{log}') from error
        return self

    def connect(self):
        """The user comes, or comes back; what was sent before is in the old client."""
        since = self.qmp.mark()
        self.console = ChardevClient().connect_plain(self.where.address('console'))
        self.qmp.wait_event('SHADOW_CONSOLE_CONNECTED', since)
        return self.console

    def __exit__(self, *_):
        if self.console:
            self.console.close()
        if self.qmp:
            self.qmp.close()
        self.where.close()

    def report(self):
        # The last line may be there in part.
        return self.where.read('report').rpartition('\n')[0].splitlines()

    def wait_done(self, timeout=LONG):
        """Until L1 has come to its end, with nothing amiss that it has noticed."""
        patience = Patience(timeout)
        while not (last := self.report()[-1:]) or not last[0].startswith('done '):
            if patience.over(len(self.report())) or not self.where.alive():
                raise patience.error(f'L1 has not come to its end: {self.report()[-20:]}; '
                                     f'{self.where.read("log")}')
            time.sleep(0.1)
        assert last == ['done 0 failed'], self.failed()

    @property
    def counts_file(self):
        return f'{self.where.dir}/counts'

    def counts(self):
        """What the outer QEMU has asked of KVM since it was started"""
        return Counts.read(self.where.machine, self.counts_file)

    def failed(self):
        return [line for line in self.report() if not line.startswith(('PASS', 'SAW'))]

    def seen(self):
        """What L1 got to see of port accesses: (direction, port, size, value)"""
        found = (SAW.match(line) for line in self.report())
        return [(m[1], int(m[2], 16), int(m[3]), int(m[4], 16)) for m in found if m]

    def bytes_seen(self):
        """What was written to COM1 a byte at a time"""
        return ''.join(chr(value) for direction, port, size, value in self.seen()
                       if (direction, port, size) == ('out', COM1, 1))

    def com1(self):
        return self.where.read('com1')

    def guest(self):
        return next(g for g in self.qmp.cmd('query-shadow-guests') if g['id'] == 'vm1')

    def protection(self):
        return self.guest()['protection']

    def unprotected_event(self):
        return self.qmp.find_event('SHADOW_GUEST_UNPROTECTED', guest='vm1')
