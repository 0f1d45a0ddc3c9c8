# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM with Debian's Xen: its domains as user VMs, bound by what runs in its control
domain (contrib/xen)."""

import contextlib

import lab

HELLO = 'the guest is here\r\n'
KEPT = 'the serial port is as it was left\r\n'
RESET, ASK = '\x12', '\x13'     # typed to the guest: see xen/echo.S


@contextlib.contextmanager
def echo_guest(xen, name='one', **properties):
    """A domain that echoes, paused and bound, and its user's console"""
    with xen.guest(**properties) as console, \
            xen.source.create(name, 'echo', 'vm1') as domain:
        yield domain, console


def unbound(host, guest='vm1'):
    """Whether L0 knows of no nested guest"""
    return lab.wait_until(lambda: not bound(host, guest))


def bound(host, guest='vm1'):
    state = host.guest(guest)
    return state['bound-by-process'] or state['bound-by-tag'] or state['bound-by-claim']


def check_echo(console, text):
    console.send(text)
    console.expect(text)


@lab.long
def test_who_may_call(xen):
    """guest/../xen/attack-dom0.c: a program in the control domain; with the ports, by the doorbell
    only, and with no more rights in memory than it has."""
    from lab.uservm import report_checks
    with xen.guest():
        status, output = xen.source.run('attack-dom0 vm1')
        report_checks('attack-dom0', status, output)
        assert not bound(xen.source), xen.source.guest()
        assert xen.source.guest()['protection'] != 'forced', xen.source.guest()


@lab.long
def test_console_of_a_domain(xen):
    """Bound by a cookie in its memory; then destroyed: the next domain is another one."""
    with echo_guest(xen) as (domain, console):
        domain.unpause()
        console.expect(HELLO)
        check_echo(console, 'typed by the user')
        assert bound(xen.source) and xen.source.guest()['protection'] == 'forced'
        assert domain.seen_by_l1() == ''
        domain.destroy()
        assert unbound(xen.source)
        assert lab.wait_until(lambda: xen.source.binding('one') == 'none')
        console.wait_closed()
        accesses = xen.source.guest()['accesses']
        with xen.source.create('other', 'echo').unpause() as other:
            assert lab.wait_until(lambda: other.seen_by_l1() == HELLO)
        assert not bound(xen.source)
        assert xen.source.guest()['accesses'] == accesses


@lab.long
def test_registered_by_itself(xen):
    """guest/tagged.S, of which nobody in the control domain knows; then it does, so that the
    binding ends with the domain."""
    host = xen.source
    with xen.guest(register=True) as console, host.create('one', 'tagged') as domain:
        domain.unpause()
        console.expect('registered\r\n')
        check_echo(console, 'typed by the user')
        assert host.guest()['bound-by-tag'] and 'registered' not in domain.seen_by_l1()
        host.shadow('one', 'vm1')
        domain.wait_bound()
        console.come_back(host)
        check_echo(console, 'typed again')
        assert host.guest()['bound-by-claim'] and 'again' not in domain.seen_by_l1()
        domain.destroy()
        assert unbound(host)


@lab.long
def test_cookie_of_another_domain(xen):
    """Root of the control domain copies it, and takes it away."""
    with echo_guest(xen) as (domain, console):
        domain.unpause()
        console.expect(HELLO)
        cookie = xen.source.run(f'cookie {domain.domid}', check=True)[1].strip()
        assert int(cookie, 16)
        with xen.source.create('two', 'echo') as two:
            xen.source.run(f'cookie {two.domid} {cookie}', check=True)
            two.unpause()
            assert lab.wait_until(lambda: two.seen_by_l1() == HELLO)
            check_echo(console, 'still with the first')
        xen.source.run(f'cookie {domain.domid} 0', check=True)
        console.wait_closed()
        assert 'no longer protected' in console.farewell or 'detached' in console.farewell, \
            console.farewell
        assert unbound(xen.source)


@lab.long
def test_table(xen):
    """What it may say; what a domain could have written is not believed."""
    host = xen.source
    with echo_guest(xen) as (one, _), host.create('two', 'echo') as two:
        # the last is longer than any id, and as good as none
        for entry, state in (
                ('vm1', f"error: 'vm1' is bound to domain {one.domid}"),
                ('nobody', "error: the outer QEMU has no shadow-guest 'nobody'"),
                ('no/id', "error: its entry is no shadow-guest's id"),
                ('x' * 300, "error: its entry is no shadow-guest's id")):
            host.shadow('two', entry)
            assert lab.wait_until(lambda: host.binding('two') == state), \
                (entry, host.binding('two'))
        host.run('xenstore-rm /shadow/two', check=True)
        with xen.guest('vm2') as console:
            name = f'/local/domain/{two.domid}/name'
            host.run(f'xenstore-chmod {name} n0 b{two.domid}', check=True)
            host.shadow('two', 'vm2')
            host.shadow('one', 'vm1')       # later than that
            two.unpause()
            assert lab.wait_until(lambda: two.seen_by_l1() == HELLO)
            assert not bound(host, 'vm2') and console.text() == ''
            host.run(f'xenstore-chmod {name} n0 r{two.domid}; xenstore-rm /shadow/two',
                     check=True)


@lab.long
def test_daemon_ends(xen):
    """The binding stays; the next one binds anew, and nothing is lost or goes to L1."""
    with echo_guest(xen) as (domain, console):
        domain.unpause()
        console.expect(HELLO)
        xen.source.stop_xend()
        check_echo(console, 'without it')
        xen.source.start_xend()
        console.come_back(xen.source)
        check_echo(console, 'with the next')
        assert domain.seen_by_l1() == ''


@lab.long
def test_bound_late(xen):
    """A domain that was not created paused: what it did before is L1's, and that is said."""
    host = xen.source
    with xen.guest() as console, host.create('one', 'echo', paused=False) as domain:
        assert lab.wait_until(lambda: domain.seen_by_l1() == HELLO)
        host.shadow('one', 'vm1')
        domain.wait_bound()
        assert 'but it ran before' in host.binding('one'), host.binding('one')
        check_echo(console, 'typed by the user')
        assert domain.seen_by_l1() == HELLO


@lab.long
def test_reboot(xen):
    """The guest resets itself. To Xen that is another domain, which xl does not create paused;
    it is bound before it runs, or else it is said that it ran before."""
    host = xen.source
    with xen.guest() as console, \
            host.create('one', 'echo', 'vm1', on_reboot='restart') as domain:
        domain.unpause()
        console.expect(HELLO)
        domid = domain.domid
        console.send(RESET)
        console.come_back(host)
        assert lab.wait_until(lambda: host.domid('one') not in (None, domid))
        domain.domid = host.domid('one')
        domain.wait_bound()
        late = 'but it ran before' in host.binding('one')
        print(f'# bound again: {host.binding("one")}', flush=True)
        if not late:
            said = console.expect(f'{HELLO}|{KEPT}')[0].decode()
            assert said == HELLO, 'the port has not been reset'
            assert domain.seen_by_l1() == ''
        check_echo(console, 'typed after it')


@lab.long
def test_saved_as_it_is(xen):
    """xl save and restore, without SAVE: the port is where it was, and as it was."""
    with echo_guest(xen) as (domain, console):
        domain.unpause()
        console.expect(HELLO)
        domain.xl('save', '/tmp/one.save')
        console.wait_closed()
        domain.restore('/tmp/one.save').wait_bound()
        xen.source.run('rm /tmp/one.save', check=True)
        domain.unpause()
        console.go_on(xen.source)       # it is served when its domain runs
        console.send(ASK)
        said = console.expect(f'{HELLO}|{KEPT}')[0].decode()
        assert said == KEPT, 'the port has been reset'
        check_echo(console, 'typed after it')
        assert domain.seen_by_l1() == ''


@contextlib.contextmanager
def linux_guest(xen, **properties):
    """A user VM with Linux, its user logged in"""
    with xen.guest(**properties) as console, \
            xen.source.create('linux', 'linux', 'vm1') as domain:
        domain.unpause()
        console.login('root', lab.PASSWORD)
        yield domain, console


@lab.long
def test_linux(xen):
    """A login, interrupts, a transfer; xl save and restore; then live to another host."""
    use_and_move(xen)


def use_and_move(xen):
    """The same, also of a PVH control domain"""
    from lab.transfer import Transfer
    with linux_guest(xen, both=True) as (domain, console):
        assert int(console.command("grep ttyS0 /proc/interrupts | awk '{print $2}'")[1]) > 0
        console.command('export MARK=here')
        transfer = Transfer(console, 16 * 1024)
        transfer.release()
        from_guest, to_guest = transfer.start().finish()
        assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
        assert domain.seen_by_l1() == ''
        save_and_restore(xen, domain, console)
        migrate_live(xen, domain, console)


def save_and_restore(xen, domain, console):
    """With the console frozen meanwhile by SAVE, as by a migration that fails: the same shell."""
    host = xen.source
    domain.xl('pause')
    host.run('ultracall save vm1 /tmp/envelope', check=True)
    console.send('echo typed-while-$((40+2))-saved\r')
    domain.xl('save', '/tmp/linux.save')
    assert unbound(host)
    domain.restore('/tmp/linux.save').wait_bound()
    host.run('shadow-xl-migrate --abort vm1 && rm /tmp/linux.save', check=True)
    domain.unpause()
    console.come_back(host)
    console.expect('typed-while-42-saved')
    console.expect('[$#] ')
    assert console.command('echo $MARK')[1] == 'here\n'
    assert domain.seen_by_l1() == ''


def migrate_live(xen, domain, console, alone=False):
    """By xl migrate, while lines go both ways; alone: with nothing beside it"""
    from lab.transfer import Transfer
    transfer = Transfer(console, 40 * 1024, rate=500)
    transfer.start()
    listener = xen.target.listen_alone() if alone else xen.target.listen()
    domain.migrate_start(listener, alone=alone)
    console.wait_closed(4 * lab.LONG)
    console.go_on(xen.target)
    status, text = domain.migrate_finish()
    assert status == 0, text + xen.target.received()
    assert xen.source.guest()['state'] == 'gone' and xen.target.guest()['state'] == 'active'
    transfer.release()
    from_guest, to_guest = transfer.finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
    assert console.gap == 0 and console.command('echo $MARK')[1] == 'here\n'
    xen.target.run('xl destroy linux', check=True)
