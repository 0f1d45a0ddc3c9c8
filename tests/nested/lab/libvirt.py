# SPDX-License-Identifier: GPL-2.0-or-later
"""Two cloud VMs in which libvirt runs the user VM, and what their administrator types."""

import os
import re
import secrets
import shutil
import tempfile
import time
import xml.etree.ElementTree as ET

from . import LONG, ROOT
from .console import ConsoleClient
from .host import CloudHost, HostError
from .kvm import ACCEL_OPTIONS
from .kvmhost import write_cpio
from .pair import Pair
from .patience import Patience

QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0'
NAMES = 'host-a', 'host-b'      # as in /etc/hosts there, and so are the addresses
ET.register_namespace('qemu', QEMU)


def domain_xml(emulator):
    """A domain of contrib/libvirt, with the test's user VM in place of a disk."""
    root = ET.parse(f'{ROOT}/contrib/libvirt/domain-{emulator}.xml').getroot()
    root.find('memory').text = '128'
    devices, system = root.find('devices'), root.find('os')
    devices.remove(devices.find('disk'))
    for name, text in (('kernel', '/l2/vmlinuz'), ('initrd', '/l2/l2.cpio.gz'),
                       ('cmdline', 'console=ttyS0 quiet')):
        ET.SubElement(system, name).text = text
    return ET.tostring(root, encoding='unicode')


class LibvirtHost(CloudHost):
    """Its cloud VM has a second network card, which leads to the other one.
    files: what it has besides, as write_cpio() takes it"""

    def __init__(self, config, number, links, files=()):
        super().__init__(config, NAMES[number], memory=1536)
        self.files = files
        self.command = [
            config.qemu, *ACCEL_OPTIONS['tcg'],
            *self.common_options(1, self.memory, f'{config.images}/vmlinuz',
                                 f'{self.dir}/initrd',
                                 f'me={self.name} address=10.9.0.{number + 1}'),
            '-device', 'ultracall,id=uc0',
            '-netdev', 'dgram,id=net1,local.type=unix,remote.type=unix,'
            f'local.path={links}/{number},remote.path={links}/{1 - number}',
            '-device', 'virtio-net-pci,netdev=net1,romfile=,'
            f'mac=52:54:00:12:34:{0x57 + number:x}']

    def launch(self):
        # The kernel unpacks one archive after the other.
        with open(f'{self.dir}/initrd', 'wb') as initrd:
            for name in ('l1.cpio', 'l1-libvirt.cpio'):
                with open(f'{self.config.images}/{name}', 'rb') as file:
                    shutil.copyfileobj(file, initrd)
            write_cpio(initrd, self.files)
        return super().launch()

    def wait_ready(self):
        super().wait_ready()
        os.unlink(f'{self.dir}/initrd')
        return self

    def virsh(self, command, check=True, timeout=2 * LONG):
        """What it prints. A command that must fail: check=False."""
        status, output = self.run(f'virsh --keepalive-interval 0 {command}', timeout)
        if check != (status == 0):
            raise HostError(f'{self}: virsh {command}: status {status}: {output}\n'
                            f'{self.domain_log()}')
        return output

    def domain_log(self, name='vm1'):
        return self.run(f'tail -n 30 /var/log/libvirt/qemu/{name}.log')[1]

    def signal_libvirt(self, name):
        self.run(f'kill -{name} $(cat /run/libvirtd.pid)', check=True)

    def kill_domain(self, name='vm1'):
        self.run(f'kill -KILL $(cat /run/libvirt/qemu/{name}.pid)', check=True)


class LibvirtPair(Pair):
    """self.source has the user VM, as a persistent domain that libvirt has started.
    set_up: a command that the cloud VMs' administrator types first"""

    def __init__(self, config, emulator, files=(), set_up='true'):
        self.links = tempfile.mkdtemp(prefix='shadow-links-')
        self.emulator, self.set_up = emulator, set_up
        self.say = lambda text: None
        self.key = secrets.token_bytes(32)
        self.hosts = [LibvirtHost(config, number, self.links, files) for number in (0, 1)]
        self.source, self.target = self.hosts

    def __enter__(self):
        super().__enter__()
        for host in self.hosts:
            host.run(self.set_up, check=True)
        return self

    def __exit__(self, *error):
        shutil.rmtree(self.links, ignore_errors=True)
        return super().__exit__(*error)

    def boot(self, guest='vm1', client=True, **options):
        console = ConsoleClient().connect(self.source, guest)
        xml = domain_xml(self.emulator)
        self.source.run(f"cat >/tmp/{guest}.xml <<'END'\n{xml}\nEND", check=True)
        self.source.virsh(f'define /tmp/{guest}.xml')
        self.source.virsh(f'start {guest}')
        return console

    def migrate_start(self, options=''):
        """virsh migrates; the shell is free meanwhile."""
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
        while not self.console.closed_within(1):
            if self.migrate_ended():
                break
        else:
            self.console.go_on(self.target)
        said = self.migrate_wait()
        if not said.startswith('0\n'):
            raise HostError(f'virsh migrate {options}: {said}\n{self.source.domain_log()}'
                            f'\n{self.target.domain_log()}')
        self.source, self.target = self.target, self.source
