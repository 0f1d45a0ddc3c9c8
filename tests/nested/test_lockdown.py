# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM whose kernel is locked down, as Secure Boot has it: no program has I/O permission.
Who may read the outer QEMU's token may call; see guest/attack-tokens.c."""

import contextlib
import secrets
import tempfile

LOCKDOWN = '/sys/kernel/security/lockdown'
AS_QEMU = '/bin/as-qemu'        # the user that libvirt's emulators run as


@contextlib.contextmanager
def locked_host(config):
    """With Debian's QEMU and our package for it"""
    from lab.debian import DebianHost, install
    from lab.host import CloudHost
    with tempfile.TemporaryDirectory(prefix='shadow-debian-') as folder, \
            CloudHost(config, 'locked', cpus=2, files=DebianHost(folder).files,
                      append='lockdown=integrity') as host:
        host.launch().wait_ready()
        install(host)
        yield host


def lock_down(host, level):
    host.run(f'mount -t securityfs securityfs /sys/kernel/security; echo {level} >{LOCKDOWN}')
    assert f'[{level}]' in host.run(f'cat {LOCKDOWN}')[1], host.run(f'cat {LOCKDOWN}')


def check_rights(host):
    """The administrator may call, and nobody else."""
    from lab.uservm import refused, report_checks
    status, said = host.run('ultracall query vm1')
    assert status == 0 and said.startswith('active'), said
    report_checks('attack-tokens rights', *host.run('attack-tokens rights', 300))
    status, said = host.run('su user -c "ultracall query vm1"')
    assert status and 'Operation not permitted' in said, said
    said = refused(host, 'other', guest='vm1', emulator=f'{AS_QEMU} /bin/qemu')
    assert 'kernel is locked down' in said and 'shadow-run' in said, said
    status, said = host.run('config=$(grep -l 0x5348 /sys/bus/pci/devices/*/device); '
                            "printf '\\0' >${config%device}config")
    assert status, said     # nor can it switch the function's interrupt on again
    assert not host.guest()['bound-by-process'], host.guest()


@contextlib.contextmanager
def guessing(host):
    """On both CPUs, all the time"""
    from lab.uservm import report_checks
    host.run('rm -f /tmp/enough; (while [ ! -e /tmp/enough ]; do attack-tokens guess 50000; done; '
             'echo done) >/tmp/guess.log 2>&1 &', check=True)
    yield
    host.run('touch /tmp/enough; while ! grep -q done /tmp/guess.log; do usleep 100000; done', 300)
    report_checks('attack-tokens guess', *host.run('cat /tmp/guess.log'))


def check_agent(host, **options):
    """It binds, and its user logs in; its process has neither token nor ticket."""
    from lab.uservm import UserVm, report_checks
    with UserVm(host, **options) as vm:
        vm.login().check_console()
        assert vm.state()['bound-by-process'], vm.state()
        pid = host.run('cat /tmp/vm1.pid', check=True)[1].strip()
        command = f'attack-tokens absent {pid}'
        report_checks(command, *host.run(command, 300))
        environ = host.run(f"tr '\\0' '\\n' </proc/{pid}/environ", check=True)[1]
        assert 'SHADOW_TICKET=' not in environ.replace('SHADOW_TICKET=\n', ''), environ
        return host.run(f'cat /proc/{pid}/status', check=True)[1]


def check_registers(host, name):
    """A guest that calls by itself has its console: nobody in the cloud VM is asked."""
    from lab.chardev import ChardevClient
    with contextlib.closing(ChardevClient().connect(host, 'vm1')) as console:
        inner = host.start_inner(name, shadow=False, extra='-bios /bin/tagged.bin')
        console.expect('registered\r\n')
        console.send('typed by the user')
        console.expect('typed by the user')
        assert host.guest()['bound-by-tag'], host.guest()
        inner.stop()


@contextlib.contextmanager
def spare_guest(host):
    host.guest_properties = {'register': True}
    host.add_guest('vm1', secrets.token_bytes(32))
    yield
    host.remove_guest('vm1')
    host.guest_properties = {}


def test_locked_down(config):
    from lab.uservm import report_checks
    with locked_host(config) as host:
        lock_down(host, 'integrity')
        with spare_guest(host):
            check_rights(host)
            check_registers(host, 'one')
        with guessing(host):
            status = check_agent(host, emulator=f'{AS_QEMU} /usr/bin/qemu-shadow-agent',
                                 serial='null')
        assert 'CapPrm:\t0000000000000000\n' in status, status

        lock_down(host, 'confidentiality')
        with spare_guest(host):
            check_rights(host)
            check_registers(host, 'two')
        check_agent(host)       # our emulator, started by root

        token = host.run('attack-tokens token', check=True)[1].strip()
        host.reset()
        lock_down(host, 'integrity')
        command = f'attack-tokens stale {token}'
        report_checks(command, *host.run(command))
        with spare_guest(host):
            assert host.run('ultracall query vm1')[0] == 0
