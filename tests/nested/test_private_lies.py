# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM that lies to its private user VM: by CPUID, and by code in ACPI's tables."""

import contextlib
import struct
import tempfile

# Registers of features, and which of them are of what the cloud VM makes itself
A, B, C, D = range(4)
FEATURES = {('1.0', C): 1 << 31 | 1 << 27 | 1 << 24 | 1 << 21, ('1.0', D): 1 << 28,
            ('7.0', B): 1 << 1, ('7.0', C): 1 << 4, ('7.0', D): 0,
            ('7.1', A): 0, ('80000001.0', C): 1 << 1, ('80000001.0', D): 0,
            ('80000007.0', D): 0, ('80000008.0', B): 0}
EXACT = ['d.0', 'd.1', 'd.2', 'd.9']
KVM_TRUSTED = 1 << 2 | 1 << 4 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 16 | 1 << 17
MARK = 0x5ec2e7

# Where an SSDT stores a word: memory that the kernel leaves alone, by its command line
PLACE, WORD = 0x7000000, 0xc0ffee5a
APPEND = f'console=ttyS0 quiet memmap=4K${PLACE:#x}'


@contextlib.contextmanager
def user_vm(config, private, files=(), append=APPEND, launch_kernel='vmlinuz', **options):
    """Logged in at the console"""
    from lab.host import CloudHost
    from lab.private import MEMORY, PrivateVm
    from lab.uservm import UserVm
    if private:
        options['launch'] = {'append': append, 'kernel': launch_kernel}
    with CloudHost(config, 'liar', files=files) as host:
        host.launch().wait_ready()
        with (PrivateVm if private else UserVm)(
                host, user='root', chardev=True, memory=MEMORY, append=append[14:],
                **options) as vm:
            yield vm.login()


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
    with user_vm(config, True, files, 'console=ttyS0 quiet',
                 emulator='env LD_PRELOAD=/lib/lie.so /bin/qemu') as vm:
        is_so, told = cpuid(vm.host.run, leaves), cpuid(vm.console.command, leaves)
        print(f'# {told}')
        for (leaf, register), own in FEATURES.items():
            invented = told[leaf][register] & ~(is_so[leaf][register] | own)
            assert not invented, f'{leaf}, register {register}: {invented:#x}'
        for leaf in EXACT:
            assert told[leaf] == is_so[leaf], leaf
        assert told['80000008.0'][A] == is_so['80000008.0'][A]
        assert not told['80000001.0'][C] & 1 << 2, 'SVM'
        assert not told['7.0'][B] & 1 << 14, 'MPX, which KVM lets nobody turn on'
        fast = told['7.0'][B] >> 9 & 1, told['7.0'][D] >> 4 & 1, told['7.1'][A] >> 10 & 7
        assert fast == (0, 0, 0), 'ERMS, FSRM and such: here, strings of bytes are slow'
        assert told['40000000.0'] == [0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d]
        assert not told['40000001.0'][A] & KVM_TRUSTED and told['40000001.0'][D] <= 1
        assert told['40000100.0'] == told['8000000a.0'] == [0, 0, 0, 0]
        assert told['8000001f.0'] == [2, 39 | 1 << 6, 1, 1]
        # the cloud VM did lie
        assert told['40000010.0'][A] == MARK
        log = vm.console.command('dmesg')[1]
        assert 'WARNING' not in log and 'Oops' not in log


def test_cpuid_of_each_cpu(config):
    """A kernel from 6.5 on finds its own stack by the CPU's ID, which is what it has started that
    CPU by, whoever says that it is another one."""
    files = [('lib/lie.so', f'{config.images}/preloaded/lie-cpus.so')]
    with user_vm(config, True, files, 'console=ttyS0 quiet', cpus=2,
                 launch_kernel='vmlinuz-6.12',
                 emulator='env LD_PRELOAD=/lib/lie.so /bin/qemu') as vm:
        run = vm.console.command
        assert run('nproc') == (0, '2\n')
        ids = run("sed -n 's/^apicid[^:]*: //p; s/^initial apicid[^:]*: //p' /proc/cpuinfo")[1]
        assert ids.split() == ['0', '0', '1', '1'], ids
        told = [cpuid(lambda command, n=n: run(f'taskset {n} {command}'),
                      ['1.0', '7.0', 'b.0', 'b.1', '8000001e.0']) for n in (1, 2)]
        for n, leaves in enumerate(told):
            assert leaves['1.0'][B] >> 24 == n, told
            assert leaves['b.0'][D] == leaves['b.1'][D] == leaves['8000001e.0'][A] == n, told
        # the cloud VM did lie
        assert told[0]['7.0'][B] ^ told[1]['7.0'][B] == 3 << 18, told
        assert run('for i in 1 2 3 4; do (sha256sum /bin/busybox) & done; wait')[0] == 0
        log = run('dmesg')[1]
        assert 'Oops' not in log and 'BUG' not in log, log


def hostile_ssdt():
    """Its code stores a word in memory when it is loaded."""
    code = (b'\x5b\x80MARK\x00\x0c' + struct.pack('<I', PLACE) + b'\x0a\x04' +
            b'\x5b\x81\x0bMARK\x03WORD\x20' + b'\x70\x0c' + struct.pack('<I', WORD) + b'WORD')
    table = bytearray(struct.pack('<4sIBB6s8sI4sI', b'SSDT', 36 + len(code), 2, 0, b'ATTACK',
                                  b'ATTACK', 1, b'ATTK', 1) + code)
    table[9] = -sum(table) % 256
    return bytes(table)


def stored(config, private):
    """Where the code of the cloud VM's table has stored what it stores: to the user VM's kernel,
    and to the cloud VM's administrator, who looks at its frames"""
    with tempfile.NamedTemporaryFile() as table:
        table.write(hostile_ssdt())
        table.flush()
        with user_vm(config, private, [('ssdt', table.name)],
                     extra='-acpitable file=/ssdt') as vm:
            status, here = vm.console.command(
                f'dd if=/dev/mem bs=4 skip={PLACE // 4} count=1 2>/dev/null | od -An -tx4')
            assert status == 0, here
            tables = vm.console.command('ls /sys/firmware/acpi/tables')[1].split()
            assert any(name.startswith('SSDT') for name in tables) != private, tables
            there = vm.inner.qmp.hmp(f'xp /1wx {PLACE:#x}').split()[1]
            return int(here, 16) == WORD, int(there, 16) == WORD


def test_acpi_code(config):
    assert stored(config, True) == (False, False)


def test_acpi_code_otherwise(config):
    """That an ordinary user VM runs it"""
    assert stored(config, False) == (True, True)
