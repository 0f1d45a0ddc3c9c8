# SPDX-License-Identifier: GPL-2.0-or-later
"""Our Debian packages, unpacked: what is in them, and what they say."""

import hashlib
import os
import re
import subprocess
import tempfile

AGENT = 'qemu-shadow-agent'
OUTER = 'qemu-system-shadow'
MODES = {'usr/bin/shadow-run': 0o755, 'usr/bin/qemu-shadow-agent': 0o755,
         'usr/bin/qemu-system-shadow': 0o755, 'DEBIAN/postinst': 0o755}


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def fields(path):
    text = run('dpkg-deb', '-f', path)
    return dict(re.findall(r'(?m)^(\S+): (.*(?:\n .*)*)', text))


def files(folder):
    """With the modes that they are installed with"""
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            yield os.path.relpath(path, folder), os.lstat(path).st_mode & 0o7777


def check(name, folder):
    """What is asked of any package; its control fields, and the files."""
    from lab.debian import package
    path = package(name)
    run('dpkg-deb', '-R', path, folder)
    control, found = fields(path), dict(files(folder))
    assert control['Package'] == name and control['Architecture'] == 'amd64', control
    assert re.fullmatch(r'[^<>]+ <\S+@\S+>', control['Maintainer']), control
    summary, *rest = control['Description'].split('\n')
    assert len(summary) < 80 and not summary.endswith('.'), summary
    assert rest and all(line == ' .' or len(line) <= 80 for line in rest), rest
    for file, mode in found.items():
        assert file.startswith(('usr/', 'DEBIAN/')), file
        assert mode == MODES.get(file, 0o644), (file, oct(mode))
    for doc in ('copyright', 'changelog.Debian.gz'):
        assert f'usr/share/doc/{name}/{doc}' in found, found
    with open(f'{folder}/DEBIAN/md5sums', encoding='ascii') as file:
        sums = dict(reversed(line.split('  ')) for line in file.read().splitlines())
    assert set(sums) == {file for file in found if file.startswith('usr/')}, sums
    for file, digest in sums.items():
        with open(f'{folder}/{file}', 'rb') as data:
            assert hashlib.md5(data.read()).hexdigest() == digest, file
    owners = {line.split()[1] for line in run('dpkg-deb', '-c', path).splitlines()}
    assert owners == {'root/root'}, owners
    return control, found


def test_agent():
    """For one version of Debian's QEMU; shadow-run comes without rights, postinst gives them."""
    from lab.debian import LAUNCH, PLUGIN, TREE
    with open(f'{TREE}/version', encoding='ascii') as file:
        version = file.read().strip()
    with tempfile.TemporaryDirectory() as folder:
        control, found = check(AGENT, folder)
        assert f'qemu-system-x86 (= {version})' in control['Depends'].split(', '), control
        for file in (PLUGIN, LAUNCH, 'usr/lib/udev/rules.d/70-shadow.rules'):
            assert file in found, found
        for script in ('DEBIAN/postinst', 'usr/bin/qemu-shadow-agent'):
            run('sh', '-n', f'{folder}/{script}')
        text = run('nm', '-D', '--defined-only', f'{folder}/{PLUGIN}')
        assert sorted(line.split()[-1] for line in text.splitlines()) == \
            ['qemu_plugin_install', 'qemu_plugin_version'], text
        with open(f'{folder}/{PLUGIN}', 'rb') as file:
            assert f'Debian {version}'.encode() in file.read()


def test_outer():
    """It says itself that it has our devices, and depends on the firmware that it looks for."""
    with tempfile.TemporaryDirectory() as folder:
        control, _ = check(OUTER, folder)
        for name in ('seabios', 'qemu-system-data'):
            assert name in control['Depends'].split(', '), control
        assert re.search(r'\blibc6 \(>= ', control['Depends']), control
        emulator = f'{folder}/usr/bin/qemu-system-shadow'
        assert 'shadow-serial' in run(emulator, '-device', 'help')
        with open(emulator, 'rb') as file:
            text = file.read()
        assert b'/usr/share/seabios' in text
