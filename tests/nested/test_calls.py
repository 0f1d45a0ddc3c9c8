# SPDX-License-Identifier: GPL-2.0-or-later
"""L1's root makes the calls of a migration itself: none, twice, out of order, for the
wrong guest. Another guest notices nothing."""

import errno
import re

import lab


class Caller:
    """guest/ultracall.c in L1"""

    def __init__(self, host):
        self.host = host

    def __call__(self, arguments, expected=0):
        status, output = self.host.run(f'ultracall {arguments}')
        assert output.startswith(f'{-expected} '), (arguments, status, output)


def check_other(vms, before):
    state = vms.two.state()
    assert state['state'] == 'active' and state['epoch'] == before['epoch'], state
    assert state['bound-by-process'], state
    vms.two.check_console()


def typed(vm):
    """L0 has all that the user has typed."""
    def accepted():
        return next(device['input-accepted'] for device in vm.state()['devices']
                    if device['id'] == 'vm1-com1')

    return lab.wait_until(lambda: accepted() == vm.console.sent)


def test_without_a_migration(two_vms):
    vm, call = two_vms.one, Caller(two_vms.host)
    before = two_vms.two.state()
    call('commit vm1', errno.EBUSY)
    call('abort vm1', errno.EALREADY)
    vm.inner.qmp.cmd('stop')
    # The first call of SAVE only begins to take in what has arrived.
    call('--once save vm1', errno.EAGAIN)
    call('abort vm1', errno.EALREADY)
    call('commit vm1', errno.EBUSY)
    assert vm.state()['state'] == 'active', vm.state()
    vm.inner.qmp.cmd('cont')
    vm.check_console()
    check_other(two_vms, before)


def test_given_up(two_vms):
    """SAVE and ABORT, each twice, and for another guest than what was saved."""
    vm, call = two_vms.one, Caller(two_vms.host)
    before = two_vms.two.state()
    vm.inner.qmp.cmd('stop')
    call('save vm1 /tmp/envelope')
    call('save vm1', errno.EALREADY)
    vm.console.send('echo typed-while-$((40+2))-frozen\r')
    call('restore vm1 /tmp/envelope', errno.EBUSY)
    call('commit vm2', errno.EBUSY)
    call('abort vm2', errno.EALREADY)
    call('restore vm2 /tmp/envelope', errno.EBUSY)
    check_other(two_vms, before)
    assert vm.state()['state'] == 'frozen', vm.state()
    call('abort vm1')
    call('abort vm1', errno.EALREADY)
    vm.inner.qmp.cmd('cont')
    vm.console.expect('typed-while-42-frozen')
    vm.console.expect('[$#] ')
    vm.check_console()
    assert vm.console.gap == 0 and vm.state()['state'] == 'active', vm.state()
    call('restore vm1 /tmp/envelope', errno.EBUSY)
    check_other(two_vms, before)


def test_given_away(two_vms):
    """COMMIT, twice, and what comes too late; then L0's operator takes the guest back,
    with what was typed before. What was typed meanwhile is shown to the user, and not sent: another
    host may have it."""
    vm, call = two_vms.one, Caller(two_vms.host)
    before = two_vms.two.state()
    vm.inner.qmp.cmd('stop')
    vm.console.send('echo typed-$((40+2))-before\r')
    assert typed(vm), vm.state()
    call('save vm1 /tmp/envelope')
    call('commit vm1')
    call('commit vm1', errno.EALREADY)
    call('abort vm1', errno.EBUSY)
    call('save vm1', errno.EBUSY)
    call('restore vm1 /tmp/envelope', errno.EBADMSG)    # its own
    assert vm.state()['state'] == 'gone', vm.state()
    for console in (vm.console, two_vms.second):
        assert lab.wait_until(lambda c=console: c.told('waiting')), list(console.describe())
    check_other(two_vms, before)
    waits, before_this = b'what you type waits', bytes(vm.console.said)
    vm.console.send('echo typed-$((40+2))-meanwhile\r')
    assert lab.wait_until(lambda: waits in vm.console.said[len(before_this):]), vm.console.said
    vm.host.qmp.cmd('shadow-guest-resume', guest='vm1')
    vm.inner.qmp.cmd('cont')
    for console in (vm.console, two_vms.second):
        assert lab.wait_until(lambda c=console: c.told('new-life')), list(console.describe())
        assert console.gap == 0, console.gap
    vm.console.expect('typed-42-before')
    vm.check_console()
    assert '-meanwhile' in vm.console.told('unsent')[-1]['text']
    assert 'typed-42-meanwhile' not in vm.console.text()
    assert two_vms.second.command('echo $((6*7))')[1] == '42\n'
    assert vm.state()['state'] == 'active', vm.state()
    check_other(two_vms, before)


# How the user VM's program, and its kernel, print: by interrupts, and by polling.
PRINTERS = ('echo "$1"', 'echo "<0>$1" > /dev/kmsg')


def start_printing(console, printer):
    """Numbered lines until a second word has been typed."""
    console.send(f'say() {{ {printer}; }}; stty -echo; rm -f /tmp/halt; (i=0; '
                 'until [ -e /tmp/halt ]; do i=$((i+1)); say "n$i."; done) & '
                 'read -r w; say "first-$w."; read -r w; : > /tmp/halt; wait; '
                 'say "second-$w."; stty echo\r')


def check_frozen_while_running(vm, call, printer):
    """All that is printed before, in and after a freeze arrives, once and in order."""
    console, start = vm.console, len(vm.console.output)
    start_printing(console, printer)
    console.expect(r'n20\.\r\n')
    call('save vm1')
    assert vm.state()['state'] == 'frozen', vm.state()
    console.send('frozen\r')
    # Time for the driver to find that its port does not answer
    vm.host.run('sleep 1')
    call('abort vm1')
    console.expect(r'first-frozen\.\r\n')
    console.send('thawed\r')
    console.expect(r'second-thawed\.\r\n')
    console.expect('[$#] ')
    numbers = [int(n) for n in re.findall(r'n(\d+)\.\r\n', console.text(start))]
    assert numbers == list(range(1, len(numbers) + 1)), numbers


def test_not_stopped(vm):
    """SAVE and ABORT while the user VM runs and prints: its driver goes on."""
    call = Caller(vm.host)
    vm.console.command('echo on > /proc/sys/kernel/printk_devkmsg')
    for printer in PRINTERS:
        check_frozen_while_running(vm, call, printer)
        vm.check_console()
        # more than the driver's buffer, which only interrupts empty
        assert vm.console.command('seq 1 2000') == \
            (0, ''.join(f'{n}\n' for n in range(1, 2001)))
    assert vm.console.gap == 0 and vm.state()['state'] == 'active', vm.state()
