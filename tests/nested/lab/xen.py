# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud host whose cloud VM has Xen, and domains in it as user VMs."""

import contextlib
import json
import os
import secrets
import shlex
import subprocess
import sys

from . import ROOT
from .chardev import ChardevClient
from .host import CloudHost
from .kvmhost import files_under
from .machine import NETWORK_CARD, HostError
from .pair import Pair
from .patience import LONG, longest, wait_until
from .xentrace import XenTrace

MIGRATION = 9402        # TCP port of the control domain that xl migrate comes to
PLAIN_CONSOLE = 4002    # and to the serial port of a domain's device model
DOM0_MEMORY = 1024      # MiB; half is for files, an image of a domain among them
SHIM_COMMAND = 16       # where xen/shim.c has Linux' command line, which begins with "quiet"
# A folder with programs that take the place of those of contrib/xen
VARIANT = os.environ.get('SHADOW_XEN')
# What the device model's serial port is given goes to a file: what L1 gets to see.
CONFIG = {'type': 'hvm', 'vcpus': 1, 'memory': 128, 'vga': 'none', 'nographic': 1, 'vnc': 0,
          'on_crash': 'destroy', 'on_reboot': 'destroy', 'tsc_mode': 'native',
          'timer_mode': 'no_missed_ticks_pending'}
GUESTS = {
    # a user VM as build/images has it, its user VM's kernel started by a shim
    'linux': {'firmware_override': '/l2/shim', 'bios': 'seabios',
              'bios_path_override': '/l2/linux'},
    # echoes what is typed, and knows of no shadow
    'echo': {'firmware_override': '/l2/echo', 'memory': 16},
    # registers itself as vm1, then the same
    'tagged': {'bios': 'seabios', 'bios_path_override': '/bin/tagged.bin', 'memory': 32},
}
# Options of a XenHost whose control domain is PVH. Xen gives no table of ACPI without an IOMMU, and
# takes Intel's on any processor; a virtio device is driven through it if it is told to be.
PVH = {'xen': 'dom0=pvh iommu=no-sharept', 'network': ',iommu_platform=on,disable-legacy=on',
       'extra': ['-machine', 'q35', '-device', 'intel-iommu,intremap=off,caching-mode=on']}


def set_up(images):
    """Debian's packages and the images, unless they are there."""
    if not os.path.realpath(images) == f'{ROOT}/build/images':
        return
    if subprocess.run([f'{ROOT}/scripts/xen.sh'], stdout=sys.stderr, check=False).returncode:
        raise HostError('scripts/xen.sh has failed')


class XenHost(CloudHost):
    """As a CloudHost, but that commands are run in Xen's control domain, and user VMs are
    its domains."""

    def __init__(self, config, name='host', memory=1536, xen='', extra=(), dom0='', network=''):
        """xen, dom0, network: further options of Xen, of the control domain's kernel, and of its
        network card"""
        files = files_under(VARIANT, 'bin/') if VARIANT else ()
        super().__init__(config, name, memory=memory, extra=extra, files=files,
                         images=('xen/dom0.cpio',))
        initrd = self.command[self.command.index('-initrd') + 1]
        self._set('-kernel', f'{config.images}/xen/xen')
        self._set('-initrd', f'{config.images}/vmlinuz console=hvc0 loglevel=4 panic=-1 {dom0},'
                             f'{initrd}')
        self._set('-append', 'com1=115200,8n1 console=com1 loglvl=warning '
                             f'dom0_mem={DOM0_MEMORY}M,max:{DOM0_MEMORY}M dom0_max_vcpus=1 '
                             f'noreboot {xen}'.strip())
        self.command[self.command.index(NETWORK_CARD)] += network

    def _set(self, option, value):
        self.command[self.command.index(option) + 1] = value

    # --- what root of the control domain does ---

    def wait_ready(self):
        super().wait_ready()
        self.start_xend()
        return self

    def start_xend(self):
        """It holds its lock when it has begun, and tells the state of domains that it finds."""
        self.run('shadow-xend 2>>/tmp/xend.log & echo $! >/tmp/xend.pid', check=True)

    def stop_xend(self):
        self.run('kill $(cat /tmp/xend.pid)', check=True)

    def xend_log(self):
        return self.run('cat /tmp/xend.log')[1]

    def shadow(self, name, guest):
        """Which shadow guest the domain has, now or when there is one"""
        self.run(f'xenstore-write /shadow/{name} {guest}', check=True)

    def write_config(self, name, kind, agent=None, **options):
        """Of a domain, for xl; the file's path. agent: the shadow guest of the agent in our QEMU, which
        is the device model then"""
        if agent:
            options = {'device_model_version': 'qemu-xen',
                       'device_model_override': '/bin/device-model',
                       'device_model_args_hvm': ['-device', f'shadow-agent,guest={agent}'],
                       **options}
        lines = {'name': name, 'serial': f'file:/tmp/{name}.serial', **CONFIG, **GUESTS[kind],
                 **options}
        text = '\n'.join(f'{key}={json.dumps(value)}' for key, value in lines.items())
        self.run(f'rm -f /tmp/{name}.serial; printf "%s\n" {shlex.quote(text)} >/tmp/{name}.cfg',
                 check=True)
        return f'/tmp/{name}.cfg'

    def create(self, name, kind, guest=None, paused=True, **options):
        """A domain, which stands still; with the id of a shadow guest, bound to it."""
        if guest:
            self.shadow(name, guest)
        path = self.write_config(name, kind, **options)
        self.run(f'xl create {"-p" if paused else ""} {path}', 2 * LONG, check=True)
        domain = Domain(self, name)
        return domain.wait_bound(guest) if guest else domain

    def quiet(self, on):
        """Whether the kernel of Linux domains that are created from now on is"""
        word = 'quiet' if on else '     '
        self.run(f'printf "{word}" | dd of=/l2/linux bs=1 seek={SHIM_COMMAND} conv=notrunc',
                 check=True)

    def domid(self, name):
        status, text = self.run(f'xl domid {name}')
        return int(text) if status == 0 else None

    def binding(self, name):
        """What shadow-xend says has become of the domain"""
        return self.run(f'xenstore-read /shadow/{name}/state')[1].strip()

    def listen(self, receiver=''):
        """On the destination: wait for one migration; the command that leads to it."""
        return self.listen_alone(f'/bin/shadow-xl-migrate --receive {receiver}')

    def listen_alone(self, receiver='/usr/lib/xen-4.17/bin/xl migrate-receive'):
        """The same, of a domain with an agent: nothing but xl takes part."""
        # one that nobody has come to
        self.run(f'rm -f /tmp/fake-go; netstat -ltn | grep -q :{MIGRATION} && '
                 'kill $(cat /tmp/listen.pid)')
        self.run(f'nc -l -p {MIGRATION} -e {receiver} '
                 '>/tmp/receive.log 2>&1 & echo $! >/tmp/listen.pid; until netstat -ltn | grep -q :'
                 f'{MIGRATION}; do usleep 10000; done', check=True)
        return f'tcpio 10.0.2.2 {self.forward(MIGRATION)}'

    def received(self):
        return self.run('cat /tmp/receive.log')[1]

    def model_log(self, name):
        """What the device model of a domain has said"""
        return self.run(f'cat /var/log/xen/qemu-dm-{name}.log')[1]


class Domain:
    """A domain of Xen; the console of its shadow guest is the host's."""

    def __init__(self, host, name):
        self.host, self.name = host, name
        self.domid = host.domid(name)

    def xl(self, command, *arguments):
        return self.host.run(' '.join(['xl', command, self.name, *arguments]), 4 * LONG,
                             check=True)[1]

    def wait_bound(self, guest='vm1'):
        wanted = f'bound {self.domid} to {guest}'
        wait_until(lambda: self.host.binding(self.name).startswith((wanted, 'error')))
        if not self.host.binding(self.name).startswith(wanted):
            raise HostError(f'{self.name}: {self.host.binding(self.name)}: '
                            f'{self.host.xend_log()}')
        return self

    def unpause(self):
        self.xl('unpause')
        return self

    def seen_by_l1(self):
        """What has come to the serial port of the domain's device model"""
        return self.host.run(f'cat /tmp/{self.name}.serial')[1]

    def restore(self, path):
        self.host.run(f'xl restore -p {path}', 4 * LONG, check=True)
        self.domid = self.host.domid(self.name)
        return self

    def migrate_start(self, command, alone=False):
        """By xl migrate, with its connection made by a command, which is in the background; alone:
        the device model has the agent, and nothing else takes part"""
        inner = shlex.quote(command if alone else
                            f'shadow-xl-migrate {self.name} --command {shlex.quote(command)}')
        self.host.run(f'rm -f /tmp/migrate.rc; (read from _ </proc/uptime; '
                      f'xl migrate -s "" {self.name} {inner} >/tmp/migrate.log 2>&1; rc=$?; '
                      'read to _ </proc/uptime; echo "$from $to $rc" >/tmp/migrate.rc) & ',
                      check=True)

    def migrate_ended(self):
        return self.host.run('test -s /tmp/migrate.rc')[0] == 0

    def migrate_finish(self):
        """The exit status of xl, and what it and shadow-xl-migrate have said"""
        self.host.run(f'n=0; until [ -s /tmp/migrate.rc ] || [ $n -gt {longest(4 * LONG)} ]; do '
                      'sleep 1; n=$((n + 1)); done', longest(4 * LONG), check=True)
        text = self.host.run('cat /tmp/migrate.log; cat /tmp/migrate.rc')[1]
        *lines, last = text.splitlines()
        since, until, status = last.split()
        self.migrate_ms = round(1000 * (float(until) - float(since)))
        return int(status), '\n'.join(lines)

    def migrate(self, command):
        self.migrate_start(command)
        return self.migrate_finish()

    def destroy(self):
        self.xl('destroy')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(HostError):
            if self.host.alive():
                self.host.run(f'xl destroy {self.name}; xenstore-rm /shadow/{self.name}')


class XenPair:
    """A cloud VM with Xen, and a second one when it is asked for."""

    def __init__(self, config, **options):
        """options: of each XenHost"""
        set_up(config.images)
        self.config, self.options = config, options
        self.hosts = []
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self.source = self._boot('host-a')
        return self

    def _boot(self, name):
        host = self._stack.enter_context(XenHost(self.config, name, **self.options))
        self.hosts.append(host)
        return host.launch().wait_ready()

    @property
    def target(self):
        if len(self.hosts) == 1:
            self._boot('host-b')
        return next(host for host in self.hosts if host is not self.source)

    @contextlib.contextmanager
    def guest(self, guest='vm1', both=False, **properties):
        """A shadow guest, which waits for its state at the other host if it is to be at both;
        its user's console."""
        key = secrets.token_bytes(32)
        hosts = [self.source, self.target] if both else [self.source]
        for host in hosts:
            host.guest_properties = properties
            host.add_guest(guest, key, incoming=host is not self.source)
            host.guest_properties = {}
        console = ChardevClient().connect(self.source, guest)
        try:
            yield console
        finally:
            console.close()
            for host in hosts:
                host.remove_guest(guest)

    def swap(self):
        self.source = self.target

    def __exit__(self, *error):
        return self._stack.__exit__(*error)


def milliseconds(first, second):
    """Between two events of QMP"""
    seconds, us = (second['timestamp'][unit] - first['timestamp'][unit]
                   for unit in ('seconds', 'microseconds'))
    return round(seconds * 1000 + us / 1000)


class TwoXens(Pair):
    """As a Pair: two such cloud VMs, and one domain with a shadow that xl migrates. xl does not
    tell for how long it stands still; the two outer QEMUs do, by this machine's one clock."""

    FIRMWARE = 'shim'
    SEEN_BY = 'Xen'

    def __init__(self, config, say=lambda text: None):
        self.say, self.key = say, secrets.token_bytes(32)
        self.hosts = [XenHost(config, name) for name in ('host-a', 'host-b')]
        self.source, self.target = self.hosts

    def boot(self, guest='vm1', client=True, **options):
        console = self.user(guest) if client else None
        self.source.quiet(False)
        self.domain = self.source.create(guest, 'linux', guest, **options).unpause()
        return console

    def start_plain(self):
        self.source.quiet(True)
        port = f'tcp:0.0.0.0:{PLAIN_CONSOLE},server=on,wait=off'
        domain = self.source.create('plain', 'linux', serial=port).unpause()
        address = '127.0.0.1', self.source.forward(PLAIN_CONSOLE)
        return ChardevClient().connect_plain(address), domain.destroy

    def watch(self):
        return XenTrace(self.source).start()

    def migrate_start(self):
        self.say(f'  the serial port of its device model got '
                 f'{len(self.domain.seen_by_l1())} bytes until now')
        self._marks = self.source.qmp.mark(), self.target.qmp.mark()
        self.domain.migrate_start(self.target.listen())

    def migrate_finish(self, *_):
        """As a Pair's"""
        status, said = self.domain.migrate_finish()
        if status:
            return {'status': 'failed', 'error-desc': said}, None, None
        saved, restored, active = (
            host.qmp.wait_event(event, mark, guest=self.domain.name)
            for host, event, mark in (
                (self.source, 'SHADOW_GUEST_SAVED', self._marks[0]),
                (self.target, 'SHADOW_GUEST_RESTORED', self._marks[1]),
                (self.target, 'SHADOW_GUEST_ACTIVATED', self._marks[1])))
        self.source, self.target = self.target, self.source
        return ({'status': 'completed', 'total-time': self.domain.migrate_ms,
                 'downtime': milliseconds(saved, active)}, saved['data'], restored['data'])
