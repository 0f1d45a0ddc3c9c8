# SPDX-License-Identifier: GPL-2.0-or-later
"""One host: the user VM's console is the outer QEMU's shadow-serial."""

import lab


def test_login_is_not_seen(vm):
    """From the first instruction on, whatever L1's KVM wants to intercept: all."""
    text = vm.console.text()
    assert 'SeaBIOS' in text and 'Linux version' in text and 'login: ' in text
    assert vm.seen.total > 0 and vm.seen.lost == 0, vm.seen
    assert vm.seen.serial == 0, vm.seen


def test_counters(vm):
    vm.check_console()
    state = vm.state()
    assert state['state'] == 'active' and state['bound-by-process'], state
    assert state['accesses'] > 1000, state

    def agree():
        device, = vm.state()['devices']
        return device['input-taken'] == vm.console.sent and \
            device['output-produced'] == len(vm.console.output)

    # The shell's prompt, or a message of the kernel, may still be on its way.
    assert lab.wait_until(agree), (vm.state(), vm.console.sent, len(vm.console.output))


def test_transfer_at_full_speed(vm):
    from lab.transfer import Transfer
    transfer = Transfer(vm.console, 200 * 1024)
    transfer.release()
    from_guest, to_guest = transfer.start().finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest)


def test_pause(vm):
    vm.inner.qmp.cmd('stop')
    vm.console.send('echo typed-while-$((40+2))-paused\r')
    vm.inner.qmp.cmd('cont')
    vm.console.expect('typed-while-42-paused')
    vm.console.expect('[$#] ')


def test_resets(vm):
    """By the user VM and by L1, also in the midst of a boot."""
    for mark in ('SeaBIOS', 'Linux version', None):
        since = vm.inner.qmp.mark()
        if mark:
            vm.inner.qmp.cmd('system_reset')
        else:
            vm.login()
            vm.console.send('reboot -f\r')
        vm.inner.qmp.wait_event('RESET', since)
        vm.console.expect(mark or 'Linux version')
    vm.login()
    vm.check_console()


def test_agent_for_unknown_guest(vm):
    from lab.uservm import refused
    error = refused(vm.host, 'nobody')
    assert "no shadow-guest 'nobody'" in error, error


def test_port_accesses(host):
    """Strings, words, and what is beside the port; guest/bare-portio.c."""
    from lab.trace import PioTrace
    from lab.uservm import UserVm, report_checks
    trace = PioTrace(host).start()
    with UserVm(host, extra='-kernel /bin/bare-portio') as vm:
        vm.console.expect('now type 14 letters\r\n')
        vm.console.send('ABCDEFGHIJKLMN')
        vm.console.expect('rep insb got ABCDEFGHIJKLMN\r\n')
        vm.console.expect('portio: .*\r\n')
        output = vm.console.text()
        report_checks('portio', 0, output)
        for text in ('rep outsb 0123456789abcdefghijklmnopqrstuvwxyz 0123456789'
                     'ABCDEFGHIJKLMNOPQRSTUVWXYZ end\r\n',
                     'rep outsb backwards end\r\n'):
            assert text in output, (text, output)
        assert trace.stop().serial == 0


def test_two_ports(two_vms):
    assert two_vms.one.console.command('tty')[1].strip() == '/dev/ttyS0'
    assert two_vms.second.command('tty')[1].strip() == '/dev/ttyS1'


def test_two_user_vms(two_vms):
    one, two = two_vms.one.console, two_vms.two.console
    for name, console in (('one', one), ('two', two)):
        console.command(f'export NAME={name}')
    assert one.command('echo $NAME')[1].strip() == 'one'
    assert two.command('echo $NAME')[1].strip() == 'two'
    assert 'NAME=two' not in one.text() and 'NAME=one' not in two.text()


def test_two_vcpus(two_vms):
    console = two_vms.two.console
    assert two_vms.seen.serial == 0, two_vms.seen
    assert console.command('nproc')[1].strip() == '2'
    for cpu in ('1', '2'):
        assert console.command(f'taskset {cpu} seq 500')[1].split() == \
            [str(n) for n in range(1, 501)]


def test_removed_while_it_runs(two_vms):
    """The ports are empty then; L0 and the other user VM are as before."""
    host, one = two_vms.host, two_vms.one
    read = "dd if=/dev/port bs=1 skip=1016 count=8 2>/dev/null | od -An -tx1"
    ones = 'ff ' * 8
    assert two_vms.second.command(read)[1].strip() != ones.strip()
    one.console.close()
    host.remove_device('vm1', 1)
    assert two_vms.second.command(read)[1].strip() == ones.strip()
    assert two_vms.second.command('echo still here')[1] == 'still here\n'
    two_vms.second.close()
    host.remove_device('vm1', 2)
    host.remove_object('vm1')
    one.removed = True
    assert one.inner.qmp.cmd('query-status')['running']
    assert [g['id'] for g in host.qmp.cmd('query-shadow-guests')] == ['vm2']
    two_vms.two.check_console()
    one.inner.qmp.cmd('system_reset')   # the agent finds no guest to reset
    two_vms.two.check_console()


def test_cookie_stays(vm):
    """The page that L0 looks at is locked, pinned, and left alone by NUMA balancing."""
    pid = '$(cat /tmp/vm1.pid)'
    status = vm.host.run(f'cat /proc/{pid}/status', check=True)[1]
    sizes = dict(line.split(':', 1) for line in status.splitlines())
    for kind in ('VmLck', 'VmPin'):
        assert int(sizes[kind].split()[0]) >= 4, (kind, status)
    policies = vm.host.run(f'cat /proc/{pid}/numa_maps', check=True)[1].splitlines()
    assert any(line.split()[1] == 'local' and 'anon=1' in line for line in policies), policies
