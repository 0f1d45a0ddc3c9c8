# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM whose kernel is locked down, as Secure Boot has it: no program has I/O permission."""

import contextlib
import secrets

LOCKDOWN = '/sys/kernel/security/lockdown'


def check_refused(host, level):
    """Neither a program nor the agent may call, and each says why."""
    assert f'[{level}]' in host.run(f'cat {LOCKDOWN}')[1], host.run(f'cat {LOCKDOWN}')
    from lab.uservm import refused
    status, said = host.run('ultracall query vm1')
    assert status and 'Operation not permitted' in said, said
    said = refused(host, 'vm1')
    assert 'kernel is locked down' in said, said
    status, said = host.run('config=$(grep -l 0x5348 /sys/bus/pci/devices/*/device); '
                            "printf '\\0' >${config%device}config")
    assert status, said     # nor can it switch the function's interrupt on again
    assert not host.guest()['bound-by-process'], host.guest()


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


def test_locked_down(config):
    from lab.host import CloudHost
    with CloudHost(config, 'locked', append='lockdown=integrity') as host:
        host.launch().wait_ready()
        host.run('mount -t securityfs securityfs /sys/kernel/security', check=True)
        host.guest_properties = {'register': True}
        host.add_guest('vm1', secrets.token_bytes(32))
        check_refused(host, 'integrity')
        check_registers(host, 'one')
        host.run(f'echo confidentiality >{LOCKDOWN}', check=True)
        check_refused(host, 'confidentiality')
        check_registers(host, 'two')
