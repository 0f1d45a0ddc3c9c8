# SPDX-License-Identifier: GPL-2.0-or-later
"""contrib/openssh with a real sshd: a person with only ssh is at the console."""

import getpass
import os
import pty
import re
import socket
import subprocess
import sys

from client import PROGRAM, TOP, Person, hosts_file, wait_for
from door import Console, Host, move

SSHD = os.environ.get('SHADOW_SSHD', f'{TOP}/build/client-debian/usr/sbin/sshd')
LIBRARY = os.environ.get('SHADOW_SSHD_LIBRARY',
                         f'{TOP}/build/client-debian/usr/lib/x86_64-linux-gnu')
CONTRIB = f'{TOP}/contrib/openssh'
ROOT = os.geteuid() == 0

# As root sshd wants an account and a folder, which a mount namespace gives it.
NAMESPACE = '''
mount -t tmpfs none /run && mkdir -m 755 /run/sshd &&
mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow && shift && exec "$@"
'''


class Gateway:
    """An sshd with the configuration of contrib/openssh, but for where things are"""

    USER = 'vm1' if ROOT else getpass.getuser()

    def __init__(self, folder):
        self.folder = folder
        os.chmod(folder, 0o755)
        self.etc = f'{folder}/etc'
        os.makedirs(f'{self.etc}/principals')
        self.keygen('host_key')
        self.keygen('ca')
        self.write('passwd', 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n'
                   f'vm1:x:65534:65534::{folder}:/bin/sh\nroot:x:0:0::/root:/bin/sh\n')
        self.write('shadow', 'vm1:*:19000:0:99999:7:::\nroot:*:19000:0:99999:7:::\n')
        self.port = self.free_port()
        self.configure()
        self.log = f'{folder}/sshd.log'
        command = [SSHD, '-D', '-e', '-f', f'{self.etc}/sshd_config']
        if ROOT:
            command = ['unshare', '-m', 'sh', '-c', NAMESPACE, 'sh', self.etc, *command]
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(
                command, stderr=log, env=os.environ | {'LD_LIBRARY_PATH': LIBRARY})
        wait_for(self.answers, 'sshd')

    @staticmethod
    def free_port():
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            return s.getsockname()[1]

    def answers(self):
        with socket.socket() as s:
            assert self.process.poll() is None, open(self.log, encoding='utf-8').read()
            return not s.connect_ex(('127.0.0.1', self.port))

    def write(self, name, text):
        with open(f'{self.etc}/{name}', 'w', encoding='utf-8') as file:
            file.write(text)

    def keygen(self, name):
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f',
                        f'{self.etc}/{name}'], check=True)

    def configure(self):
        with open(f'{CONTRIB}/sshd_config', encoding='utf-8') as file:
            text = file.read().replace('/etc/shadow-console', self.etc)
        text = re.sub('(?m)^(Port|PidFile) .*', '', text)
        self.write('sshd_config', text + f'ListenAddress 127.0.0.1:{self.port}\nPidFile none\n'
                   # the folders of a test are the tester's
                   'StrictModes no\n')
        with open(f'{CONTRIB}/principals', encoding='utf-8') as file:
            text = file.read().replace('/usr/lib/shadow-console/login', f'{self.folder}/login')
        self.write(f'principals/{self.USER}', text)
        with open(f'{CONTRIB}/login', encoding='utf-8') as file:
            text = file.read().replace('exec shadow-console', f'exec {self.folder}/shadow-console')
        with open(f'{self.folder}/login', 'w', encoding='utf-8') as file:
            file.write(text)
        with open(f'{self.folder}/shadow-console', 'w', encoding='utf-8') as file:
            file.write(f'#!/bin/sh\nc=$1; shift\nexec {PROGRAM} $c --hosts {self.folder}/hosts "$@"\n')
        for name in ('login', 'shadow-console'):
            os.chmod(f'{self.folder}/{name}', 0o755)

    def certify(self, who, principals, minutes='5', authority='ca'):
        """A key with such a certificate"""
        self.keygen(who)
        if principals:
            subprocess.run([f'{CONTRIB}/certify', f'{self.etc}/{authority}', who, principals,
                            f'{self.etc}/{who}.pub', minutes], check=True)
        return f'{self.etc}/{who}'

    def ssh(self, key, *words):
        return ['ssh', '-F', 'none', '-o', 'UserKnownHostsFile=' + self.known(), '-o',
                'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-i', key, '-p', str(self.port),
                *words, f'{self.USER}@127.0.0.1']

    def known(self):
        path = f'{self.etc}/known'
        with open(f'{self.etc}/host_key.pub', encoding='utf-8') as file, \
                open(path, 'w', encoding='utf-8') as known:
            known.write(f'[127.0.0.1]:{self.port} {file.read()}')
        return path

    def refused(self, key, *words):
        done = subprocess.run(self.ssh(key, *words), stdin=subprocess.DEVNULL,
                              capture_output=True, check=False)
        assert done.returncode == 255 and b'Permission denied' in done.stderr, done

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class SshUser(Person):
    def __init__(self, command):
        self.data, self.position, self.status = b'', 0, None
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ['TERM'] = 'xterm'
            os.execvp(command[0], command)


def open_to_all(*hosts):
    for host in hosts:
        os.chmod(host.path, 0o777)


def test_ssh_login(folder):
    """Roles come from the certificate; one session stays open over two moves."""
    source, target = Host(folder, 'a', Console(b'vm1 login: ')), Host(folder, 'b', state='incoming')
    hosts_file(folder, source, target)
    open_to_all(source, target)
    with Gateway(folder) as gateway:
        alice = gateway.certify('alice', 'vm1:write')
        with SshUser(gateway.ssh(alice, '-t')) as user, \
                SshUser(gateway.ssh(gateway.certify('bob', 'vm1:read'), '-t')) as reader:
            user.expect('vm1 login:')
            reader.expect('vm1 login:')
            user.type('alice\r')
            wait_for(lambda: source.console.input == b'alice\r')
            assert source.writer.name == 'alice', source.writer.name
            reader.type('no')
            reader.expect('not typed')
            user.escape('b')
            user.expect('breaks are not allowed')
            move(source, target)
            user.type('moved ')
            target.write(b'[at target]')
            for each in (user, reader):
                each.expect(r'\[at target\]')
            wait_for(lambda: target.console.input == b'alice\rmoved ')
            source.set('incoming')
            move(target, source)
            source.write(b'[back]')
            for each in (user, reader):
                each.expect(r'\[back\]')
            user.type('x')
            wait_for(lambda: source.console.input == b'alice\rmoved x')
            user.escape('q')
            assert user.wait() == 0
        with SshUser(gateway.ssh(gateway.certify('carol', 'vm1:break,vm1:read'), '-t')) as user:
            wait_for(lambda: source.writer)
            user.escape('b')
            wait_for(lambda: source.console.breaks)


def test_ssh_refuses(folder):
    host = Host(folder, 'a')
    hosts_file(folder, host)
    open_to_all(host)
    with Gateway(folder) as gateway:
        gateway.refused(gateway.certify('nobody', None))
        gateway.refused(gateway.certify('other', 'vm2:write'))
        gateway.refused(gateway.certify('role', 'vm1:admin'))
        gateway.refused(gateway.certify('late', 'vm1:write', '0'))
        key = gateway.certify('dave', 'vm1:write')
        done = subprocess.run(gateway.ssh(key) + ['sh', '-c', 'echo hacked'], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True)
        assert b'hacked' not in done.stdout, done
        done = subprocess.run(gateway.ssh(key, '-N', '-o', 'ExitOnForwardFailure=yes', '-R',
                                          '0:127.0.0.1:1'), check=False,
                              stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode, done
        gateway.keygen('rogue')
        gateway.refused(gateway.certify('mallory', 'vm1:write', authority='rogue'))


def test_ssh_between_hosts(folder):
    """A client elsewhere reaches the door of this host by ssh."""
    host = Host(folder, 'a', Console(b'by two hosts'))
    hosts_file(folder, host)
    open_to_all(host)
    with Gateway(folder) as gateway:
        key = gateway.certify('gateway', 'vm1:door')
        fake = f'{folder}/ssh'
        with open(fake, 'w', encoding='utf-8') as file:
            command = ' '.join(gateway.ssh(key, '-T')[:-1])
            file.write('#!/bin/bash\nwhile [[ $1 != -- ]]; do shift; done\n'
                       f'exec {command} {gateway.USER}@127.0.0.1 "${{@:3}}"\n')
        os.chmod(fake, 0o755)
        with Person('attach', 'ssh:host-a', env={'SHADOW_CONSOLE_SSH': fake}) as user:
            user.expect('by two hosts')
            user.type('typed')
            wait_for(lambda: host.console.input == b'typed')


if not os.path.exists(SSHD):
    sys.exit(f'{SSHD} is missing: run ./shadow build')
