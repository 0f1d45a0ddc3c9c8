# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM that lies to its private user VM"""

import contextlib
import secrets

import lab

MEMORY = 256

# Registers of features, and which of them are of what the cloud VM makes itself
A, B, C, D = range(4)
FEATURES = {('1.0', C): 1 << 31 | 1 << 27 | 1 << 24 | 1 << 21, ('1.0', D): 1 << 28,
            ('7.0', B): 1 << 1, ('7.0', C): 1 << 4, ('7.0', D): 0,
            ('7.1', A): 0, ('80000001.0', C): 1 << 1, ('80000001.0', D): 0,
            ('80000007.0', D): 0, ('80000008.0', B): 0}
EXACT = ['d.0', 'd.1', 'd.2', 'd.9']
KVM_TRUSTED = 1 << 2 | 1 << 4 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 16 | 1 << 17
MARK = 0x5ec2e7


@contextlib.contextmanager
def user_vm(config, private, files=(), append='console=ttyS0 quiet', **options):
    """Logged in at the console"""
    from lab.chardev import ChardevClient
    from lab.host import CloudHost
    with CloudHost(config, 'liar', files=files) as host:
        host.launch().wait_ready()
        host.add_guest('vm1', secrets.token_bytes(32))
        if private:
            host.qmp.cmd('device_add', driver='shadow-memory', id='ram', guest='vm1',
                         size=MEMORY << 20, kernel=f'{config.images}/vmlinuz',
                         initrd=f'{config.images}/l2.cpio.gz', append=append)
        with contextlib.closing(ChardevClient().connect(host, 'vm1')) as console:
            inner = host.start_inner('vm1', memory=MEMORY, private=private, append=append[14:],
                                     **options)
            console.login('root', lab.PASSWORD)
            yield host, inner, console
            inner.stop()


def cpuid(run, leaves):
    status, output = run('show-cpuid ' + ' '.join(leaves))
    assert status == 0, output
    return {words[0]: [int(word, 16) for word in words[1:]]
            for words in map(str.split, output.splitlines())}


def test_cpuid(config):
    """The guest hears of nothing that its processor does not have, and of all buffers as large
    as they are, whatever KVM was told to say."""
    leaves = sorted({leaf for leaf, _ in FEATURES}) + EXACT + [
        '40000000.0', '40000001.0', '40000010.0', '40000100.0', '8000000a.0', '8000001f.0']
    files = [('lib/lie.so', f'{config.images}/preloaded/lie-cpuid.so')]
    with user_vm(config, True, files, emulator='env LD_PRELOAD=/lib/lie.so /bin/qemu') as \
            (host, _, console):
        is_so, told = cpuid(host.run, leaves), cpuid(console.command, leaves)
        print(f'# {told}')
        for (leaf, register), own in FEATURES.items():
            invented = told[leaf][register] & ~(is_so[leaf][register] | own)
            assert not invented, f'{leaf}, register {register}: {invented:#x}'
        for leaf in EXACT:
            assert told[leaf] == is_so[leaf], leaf
        assert told['80000008.0'][A] == is_so['80000008.0'][A]
        assert not told['80000001.0'][C] & 1 << 2, 'SVM'
        assert told['40000000.0'] == [0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d]
        assert not told['40000001.0'][A] & KVM_TRUSTED and told['40000001.0'][D] <= 1
        assert told['40000100.0'] == told['8000000a.0'] == [0, 0, 0, 0]
        assert told['8000001f.0'] == [2, 39 | 1 << 6, 1, 1]
        # the cloud VM did lie
        assert told['40000010.0'][A] == MARK
        log = console.command('dmesg')[1]
        assert 'WARNING' not in log and 'Oops' not in log
