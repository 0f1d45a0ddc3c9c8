# SPDX-License-Identifier: GPL-2.0-or-later
"""Doors with TLS: the host's name and authority are looked at, and so is the user's certificate."""

import os
import select
import socket
import ssl
import subprocess
import threading

from client import TOP, Person, hosts_file, run, wait_for
from door import Console, Host, move

DEBIAN = f'{TOP}/build/client-debian/usr'
OPENSSL = os.environ.get('SHADOW_OPENSSL', f'{DEBIAN}/bin/openssl')
os.environ.setdefault('GIO_EXTRA_MODULES', f'{DEBIAN}/lib/x86_64-linux-gnu/gio/modules')


class Authority:
    """It certifies hosts and users; each gets a file with its certificate and key."""

    def __init__(self, folder, name='ca'):
        self.folder, self.name = folder, name
        self.path = self._make(name, '-addext', 'basicConstraints=critical,CA:TRUE')

    def _make(self, name, *args):
        path = os.path.join(self.folder, f'{name}.pem')
        subprocess.run([OPENSSL, 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', f'/CN={name}',
                        '-config', '/dev/null', '-keyout', f'{path}.key', '-out', path, *args],
                       check=True, capture_output=True)
        with open(path, 'a', encoding='utf-8') as file, \
                open(f'{path}.key', encoding='utf-8') as key:
            file.write(key.read())
        return path

    def certify(self, name, where='IP:127.0.0.1'):
        return self._make(f'{self.name}-{name}', '-CA', self.path, '-CAkey', f'{self.path}.key',
                          '-addext', f'subjectAltName={where}')


def relay(tls, plain):
    """Between a connection with TLS and one without, until one of them ends"""
    ends = {tls: plain, plain: tls}
    try:
        while True:
            for end in select.select(list(ends), [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return
                ends[end].sendall(data)
                while end is tls and tls.pending():
                    plain.sendall(tls.recv(65536))
    except OSError:
        pass
    finally:
        for end in ends:
            end.close()


class TlsHost(Host):
    """A host behind TLS; @users: the authority of those who may come, or none"""

    def __init__(self, folder, name, certificate, *args, users=None, **options):
        super().__init__(folder, name, *args, **options)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=users)
        self.context.load_cert_chain(certificate)
        if users:
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.front = socket.create_server(('127.0.0.1', 0))
        self.address = f'tls:127.0.0.1:{self.front.getsockname()[1]}'
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection = self.front.accept()[0]
            threading.Thread(target=self._meet, args=(connection,), daemon=True).start()

    def _meet(self, connection):
        try:
            tls = self.context.wrap_socket(connection, server_side=True)
        except OSError:
            return
        plain = socket.socket(socket.AF_UNIX)
        plain.connect(self.path)
        relay(tls, plain)


def test_tls(folder):
    """With certificates on both sides, and the guest moves to another host."""
    ca = Authority(folder)
    user = ca.certify('alice')
    source = TlsHost(folder, 'a', ca.certify('host-a'), Console(b'by-tls '), users=ca.path)
    target = TlsHost(folder, 'b', ca.certify('host-b'), users=ca.path, state='incoming')
    with Person('attach', '--tls-ca', ca.path, '--tls-cert', user, '--hosts',
                hosts_file(folder, source, target), 'vm1') as person:
        person.expect('by-tls')
        person.type('one')
        wait_for(lambda: source.console.input == b'one')
        move(source, target)
        person.type(' two')
        wait_for(lambda: target.console.input == b'one two')
        person.escape('q')
        assert person.wait() == 0


def refused(host, *args):
    run('attach', *args, host.address, status=1)
    assert not host.received, host.received


def test_tls_strangers(folder):
    """Another authority, another name, no TLS at all: nothing is said to such a host."""
    ca, other = Authority(folder), Authority(folder, 'other')
    refused(TlsHost(folder, 'a', other.certify('host')), '--tls-ca', ca.path)
    assert 'certificate' in run.stderr, run.stderr
    refused(TlsHost(folder, 'b', ca.certify('elsewhere', 'DNS:elsewhere.example')),
            '--tls-ca', ca.path)
    refused(TlsHost(folder, 'c', ca.certify('unknown')))
    plain = Host(folder, 'd')
    with socket.create_server(('127.0.0.1', 0)) as front:
        plain.address = f'tls:127.0.0.1:{front.getsockname()[1]}'
        threading.Thread(target=lambda: front.accept()[0].sendall(b'H' * 100),
                         daemon=True).start()
        refused(plain, '--tls-ca', ca.path)


def test_tls_user_unknown(folder):
    """A user without the certificate that the host wants is told so."""
    ca, other = Authority(folder), Authority(folder, 'other')
    host = TlsHost(folder, 'a', ca.certify('host'), users=ca.path)
    refused(host, '--tls-ca', ca.path)
    refused(host, '--tls-ca', ca.path, '--tls-cert', other.certify('mallory'))


def test_tls_files(folder):
    """Files that are not there, or no certificates, are named."""
    with open(f'{folder}/empty', 'w', encoding='utf-8'):
        pass
    for option in '--tls-ca', '--tls-cert':
        for name in 'missing', 'empty':
            run('list', option, f'{folder}/{name}', 'tls:127.0.0.1:1', status=2)
            assert f'{folder}/{name}' in run.stderr or name == 'empty', run.stderr


def test_tls_silent(folder):
    """A host that never ends its handshake holds nobody up."""
    ca = Authority(folder)
    with socket.create_server(('127.0.0.1', 0)) as front:
        silent = f'tls:127.0.0.1:{front.getsockname()[1]}'
        run('attach', '--patience', '1', silent, status=1)
        host = TlsHost(folder, 'a', ca.certify('host'), Console(b'here'))
        with open(f'{folder}/hosts', 'w', encoding='utf-8') as file:
            file.write(f'{silent}\n{host.address}\n')
        with Person('attach', '--patience', '1', '--tls-ca', ca.path, '--hosts',
                    f'{folder}/hosts', 'vm1') as person:
            person.expect('here')
            person.escape('q')
            assert person.wait() == 0
