# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of hosts, and a browser that trusts who has signed them."""

import os
import subprocess


class Authority:
    """folder: an empty one, which is as QEMU wants it; tools: where openssl and certutil are unpacked"""

    def __init__(self, folder, tools):
        self.folder = folder
        self.tools = tools
        self._make('ca', 'basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign')
        signed = ('-CA', f'{folder}/ca-cert.pem', '-CAkey', f'{folder}/ca-key.pem')
        self._make('server', 'subjectAltName=IP:127.0.0.1', 'basicConstraints=critical,CA:FALSE',
                   'keyUsage=critical,digitalSignature', 'extendedKeyUsage=serverAuth', more=signed)

    @property
    def certificate(self):
        """Of the host, and its key"""
        return f'{self.folder}/server-cert.pem', f'{self.folder}/server-key.pem'

    def _run(self, program, *args):
        lib = f'{self.tools}/usr/lib/x86_64-linux-gnu'
        subprocess.run([f'{self.tools}/usr/bin/{program}', *args], check=True, capture_output=True,
                       env=os.environ | {'LD_LIBRARY_PATH': f'{lib}:{self.tools}/lib/x86_64-linux-gnu'})

    def _make(self, name, *extensions, more=()):
        path = f'{self.folder}/{name}'
        self._run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                  '-days', '2', '-subj', f'/CN={name}', '-config', '/dev/null', '-keyout', f'{path}-key.pem',
                  '-out', f'{path}-cert.pem', *more,
                  *[word for extension in extensions for word in ('-addext', extension)])

    def introduce(self, home):
        """To a browser that has not started yet"""
        database = f'{home}/.pki/nssdb'
        os.makedirs(database)
        self._run('certutil', '-d', f'sql:{database}', '-N', '--empty-password')
        self._run('certutil', '-d', f'sql:{database}', '-A', '-n', 'ca', '-t', 'C,,',
                  '-i', f'{self.folder}/ca-cert.pem')
