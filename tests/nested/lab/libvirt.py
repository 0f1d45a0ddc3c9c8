# SPDX-License-Identifier: GPL-2.0-or-later
"""Two cloud VMs in which libvirt runs the user VM, and what their administrator types."""

import re
import secrets
import shutil
import tempfile
import time
import xml.etree.ElementTree as ET

from . import LONG, ROOT
from .chardev import ChardevClient
from .debian import DebianHost
from .host import CloudHost, HostError
from .pair import Pair
from .patience import Patience

QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0'
NAMES = 'host-a', 'host-b'      # as in /etc/hosts there, and so are the addresses
ET.register_namespace('qemu', QEMU)
# For qemu-wrapper: who has the UUID of contrib/libvirt/domain-null-serial.xml
WRAPPED = 'mkdir /etc/shadow-guests; ' \
          'echo vm1 >/etc/shadow-guests/5348a000-0000-4000-8000-000000000001'


def domain_xml(emulator, append):
    """A domain of contrib/libvirt, with the test's user VM in place of a disk."""
    root = ET.parse(f'{ROOT}/contrib/libvirt/domain-{emulator}.xml').getroot()
    root.find('memory').text = '128'
    devices, system = root.find('devices'), root.find('os')
    devices.remove(devices.find('disk'))
    for name, text in (('kernel', '/l2/vmlinuz'), ('initrd', '/l2/l2.cpio.gz'),
                       ('cmdline', f'console=ttyS0 {append}'.strip())):
        ET.SubElement(system, name).text = text
    for value in ('-machine', 'graphics=off'):      # the firmware talks at the serial port
        ET.SubElement(root.find(f'{{{QEMU}}}commandline'), f'{{{QEMU}}}arg', value=value)
    return ET.tostring(root, encoding='unicode')


def plain_xml(emulator, port):
    """The same domain without a shadow, its serial port at a TCP port of the cloud VM"""
    root = ET.fromstring(domain_xml(emulator, 'quiet'))
    root.find('name').text = 'plain'
    devices, commandline = root.find('devices'), root.find(f'{{{QEMU}}}commandline')
    values = [arg.get('value') for arg in commandline]
    at = next(n for n, value in enumerate(values) if value.startswith('shadow-agent,'))
    for arg in list(commandline)[at - 1:at + 1]:
        commandline.remove(arg)
    for serial in devices.findall('serial'):
        devices.remove(serial)
    serial = ET.SubElement(devices, 'serial', type='tcp')
    ET.SubElement(serial, 'source', mode='bind', host='0.0.0.0', service=str(port))
    ET.SubElement(serial, 'protocol', type='raw')
    return ET.tostring(root, encoding='unicode')


def debian_files(stack):
    """What else is there for Debian's emulator; libvirt has its users already"""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='shadow-debian-'))
    wrapper = 'usr/bin/qemu-wrapper', f'{ROOT}/contrib/libvirt/qemu-wrapper'
    return [wrapper, *(entry for entry in DebianHost(folder).files
                       if not entry[0].startswith('etc/'))]


class LibvirtHost(CloudHost):
    """Its cloud VM has a second network card, which leads to the other one."""

    def __init__(self, config, number, links, files=(), append=''):
        super().__init__(
            config, NAMES[number], memory=1536, files=files,
            images=('l1.cpio', 'l1-libvirt.cpio'),
            append=f'me={NAMES[number]} address=10.9.0.{number + 1} {append}', extra=[
                '-netdev', 'dgram,id=net1,local.type=unix,remote.type=unix,'
                f'local.path={links}/{number},remote.path={links}/{1 - number}',
                '-device', 'virtio-net-pci,netdev=net1,romfile=,'
                f'mac=52:54:00:12:34:{0x57 + number:x}'])

    def virsh(self, command, check=True, timeout=2 * LONG):
        """What it prints. A command that must fail: check=False."""
        status, output = self.run(f'virsh --keepalive-interval 0 {command}', timeout)
        if check != (status == 0):
            raise HostError(f'{self}: virsh {command}: status {status}: {output}\n'
                            f'{self.domain_log()}')
        return output

    def domain_log(self, name='vm1'):
        return self.run(f'tail -n 30 /var/log/libvirt/qemu/{name}.log')[1]

    def label(self, pidfile):
        """What confines a process"""
        return self.run(f'cat /proc/$(cat {pidfile})/attr/current', check=True)[1].strip()

    def domain_label(self, name='vm1'):
        return self.label(f'/run/libvirt/qemu/{name}.pid')

    def signal_libvirt(self, name):
        self.run(f'kill -{name} $(cat /run/libvirtd.pid)', check=True)

    def kill_domain(self, name='vm1'):
        self.run(f'kill -KILL $(cat /run/libvirt/qemu/{name}.pid)', check=True)


class LibvirtPair(Pair):
    """self.source has the user VM, as a persistent domain that libvirt has started.
    set_up: a command that the cloud VMs' administrator types first;
    confined: with AppArmor; locked: and the kernel is locked down, as Secure Boot has it"""

    def __init__(self, config, emulator='shadow', files=(), set_up='true', confined=False,
                 locked=False, say=lambda text: None):
        self.links = tempfile.mkdtemp(prefix='shadow-links-')
        self.emulator, self.set_up = emulator, set_up
        self.say = say
        self.key = secrets.token_bytes(32)
        append = ('confined=1 apparmor=1 security=apparmor ' if confined else '') + \
                 ('lockdown=integrity' if locked else '')
        self.hosts = [LibvirtHost(config, number, self.links, files, append)
                      for number in (0, 1)]
        self.source, self.target = self.hosts

    def __enter__(self):
        super().__enter__()
        for host in self.hosts:
            host.run(self.set_up, check=True)
        return self

    def __exit__(self, *error):
        shutil.rmtree(self.links, ignore_errors=True)
        return super().__exit__(*error)

    def boot(self, guest='vm1', client=True, append='', **options):
        console = self.user(guest)
        xml = domain_xml(self.emulator, append)
        self.source.run(f"cat >/tmp/{guest}.xml <<'END'\n{xml}\nEND", check=True)
        self.source.virsh(f'define /tmp/{guest}.xml')
        self.source.virsh(f'start {guest}')
        return console

    def migrate_start(self, options=''):
        """virsh migrates; the shell is free meanwhile."""
        self._marks = self.source.qmp.mark(), self.target.qmp.mark()
        self.source.run(
            'rm -f /tmp/migrate.rc; (virsh --keepalive-interval 0 migrate --live --persistent '
            f'--undefinesource {options} vm1 qemu+tcp://{self.target.name}/system '
            '>/tmp/migrate.log 2>&1; echo $? >/tmp/migrate.rc) >/dev/null 2>&1 &', check=True)

    def migrate_ended(self):
        return self.source.run('test -s /tmp/migrate.rc')[0] == 0

    def migrate_wait(self):
        """What virsh has printed, after its exit status on a line of its own."""
        patience = Patience(2 * LONG)
        while not self.migrate_ended():
            if patience.over():
                raise patience.error('virsh migrate')
            time.sleep(0.5)
        return self.source.run('cat /tmp/migrate.rc /tmp/migrate.log')[1]

    def wait_sending(self):
        """Until the memory is being sent, and so the other host's libvirt has done its part."""
        while not re.search('Data processed: +[1-9]', self.source.virsh('domjobinfo vm1')):
            if self.migrate_ended():
                raise HostError(self.migrate_wait())
            time.sleep(0.5)

    def migrate(self, options=''):
        """After it has succeeded the pair has changed places, the session included."""
        self.migrate_start(options)
        info, _, _ = self.migrate_finish()
        if info['status'] != 'completed':
            raise HostError(f'virsh migrate {options}: {info}\n{self.source.domain_log()}'
                            f'\n{self.target.domain_log()}')

    def migrate_finish(self, *_):
        """As a Pair's, with what libvirt has of QEMU's query-migrate"""
        said = self.migrate_wait()
        if not said.startswith('0\n'):
            return {'status': 'failed', 'error-desc': said}, None, None
        job = self.target.virsh('domjobinfo vm1 --completed')
        times = {key: re.search(rf'{name}: +(\d+)', job) for key, name in
                 (('total-time', 'Time elapsed'), ('downtime', 'Total downtime'))}
        info = {'status': 'completed', **{key: int(ms[1]) for key, ms in times.items() if ms}}
        saved, restored = (
            host.qmp.wait_event(event, mark, guest='vm1')['data'] for host, event, mark in
            ((self.source, 'SHADOW_GUEST_SAVED', self._marks[0]),
             (self.target, 'SHADOW_GUEST_RESTORED', self._marks[1])))
        self.source, self.target = self.target, self.source
        return info, saved, restored

    def start_plain(self):
        port = 4002
        self.source.run(f"cat >/tmp/plain.xml <<'END'\n{plain_xml(self.emulator, port)}\nEND",
                        check=True)
        self.source.virsh('create /tmp/plain.xml')
        console = ChardevClient().connect_plain(('127.0.0.1', self.source.forward(port)))
        return console, lambda: self.source.virsh('destroy plain')
