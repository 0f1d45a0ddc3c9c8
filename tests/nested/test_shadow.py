# SPDX-License-Identifier: GPL-2.0-or-later
"""One host: the user VM's console is the outer QEMU's shadow-serial."""

import contextlib
import secrets

import lab


@contextlib.contextmanager
def user_vm(host, guest='vm1', ports=1, **options):
    """A user VM with its shadow, and a client on its console from the start."""
    from lab.console import ConsoleClient
    host.add_guest(guest, secrets.token_bytes(32), ports)
    console = ConsoleClient().connect(host, guest)
    inner = host.start_inner(guest, **options)
    yield inner, console
    inner.stop()
    console.close()
    host.remove_guest(guest, ports)


def test_login_is_not_seen(host):
    from lab.trace import PioTrace
    trace = PioTrace(host).start()
    with user_vm(host) as (_, console):
        console.expect('SeaBIOS', 120)
        console.expect('Linux version', 120)
        console.login(lab.USER, lab.PASSWORD)
        seen = trace.stop()
        assert seen.total > 0 and seen.lost == 0, seen
        assert seen.serial == 0, seen
        state = host.guest('vm1')
        assert state['state'] == 'active' and state['bound-by-process'], state
        assert state['accesses'] > 1000, state
        device, = state['devices']
        assert device['input-taken'] == console.sent, (device, console.sent)
        assert device['output-sent'] == console.end(), (device, console.end())


def test_transfer_at_full_speed(host):
    from lab.transfer import Transfer
    with user_vm(host, append='quiet') as (_, console):
        console.login(lab.USER, lab.PASSWORD)
        transfer = Transfer(console, 200 * 1024)
        transfer.release()
        from_guest, to_guest = transfer.start().finish()
        assert from_guest.good() and to_guest.good(), (from_guest, to_guest)


def test_two_ports(host):
    from lab.console import ConsoleClient
    with user_vm(host, ports=2, append='quiet') as (_, console):
        second = ConsoleClient().connect(host, 'vm1', 2)
        console.login(lab.USER, lab.PASSWORD)
        second.send('\r')
        second.login(lab.USER, lab.PASSWORD)
        assert console.command('tty')[1].strip() == '/dev/ttyS0'
        assert second.command('tty')[1].strip() == '/dev/ttyS1'
        second.close()


def test_two_user_vms(host):
    with user_vm(host, 'vm1', append='quiet') as (_, one), \
            user_vm(host, 'vm2', append='quiet') as (_, two):
        for name, console in (('one', one), ('two', two)):
            console.login(lab.USER, lab.PASSWORD)
            console.command(f'export NAME={name}')
        assert one.command('echo $NAME')[1].strip() == 'one'
        assert two.command('echo $NAME')[1].strip() == 'two'
        assert 'NAME=two' not in one.text() and 'NAME=one' not in two.text()


def test_reboot(host):
    with user_vm(host, append='quiet') as (inner, console):
        console.login('root', lab.PASSWORD)
        since = inner.qmp.mark()
        console.send('reboot -f\r')
        inner.qmp.wait_event('RESET', since, 60)
        console.expect('SeaBIOS', 120)
        console.login(lab.USER, lab.PASSWORD)
        inner.qmp.cmd('system_reset')
        console.expect('SeaBIOS', 120)
        console.login(lab.USER, lab.PASSWORD)


def test_pause(host):
    with user_vm(host, append='quiet') as (inner, console):
        console.login(lab.USER, lab.PASSWORD)
        inner.qmp.cmd('stop')
        console.send('echo typed-while-$((40+2))-paused\r')
        inner.qmp.cmd('cont')
        console.expect('typed-while-42-paused', 60)


def test_two_vcpus(host2):
    from lab.trace import PioTrace
    trace = PioTrace(host2).start()
    with user_vm(host2, append='quiet', cpus=2) as (_, console):
        console.login(lab.USER, lab.PASSWORD)
        assert console.command('nproc')[1].strip() == '2'
        for cpu in ('1', '2'):
            assert console.command(f'taskset {cpu} seq 500')[1].split() == \
                [str(n) for n in range(1, 501)]
        seen = trace.stop()
        assert seen.serial == 0, seen


def test_agent_for_unknown_guest(host):
    from lab.host import InnerError
    try:
        host.start_inner('nobody')
    except InnerError as error:
        assert 'nobody' in str(error), error
    else:
        raise AssertionError('the agent accepts a guest that L0 does not have')


def test_agent_without_ultracall(plain_host):
    from lab.host import InnerError
    try:
        plain_host.start_inner('vm1')
    except InnerError as error:
        assert '-device ultracall' in str(error), error
    else:
        raise AssertionError('the agent starts without an ultracall device')
