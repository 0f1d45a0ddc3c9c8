# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM with Debian's Xen, and our QEMU with the agent as its domains' device model: nothing
else of ours runs in the control domain for them."""

import contextlib

import lab
from lab.relay import Break

from test_xen import ASK, HELLO, KEPT, RESET, bound, check_echo, migrate_live, unbound


@contextlib.contextmanager
def echo_guest(xen, both=False, create=(), **properties):
    """A domain that echoes, and its user's console"""
    with xen.guest(both=both, **properties) as console, \
            xen.source.create('one', 'echo', paused=False, agent='vm1', **dict(create)) as domain:
        console.expect(HELLO)
        yield domain, console


@lab.long
def test_console_of_a_domain(xen):
    """Bound before it runs, protected; unbound when it is destroyed: the next is another one."""
    host = xen.source
    with echo_guest(xen) as (domain, console):
        check_echo(console, 'typed by the user')
        assert bound(host) and host.guest()['protection'] == 'forced', host.guest()
        assert domain.seen_by_l1() == ''
        domain.destroy()
        assert unbound(host)
        console.wait_closed()
        accesses = host.guest()['accesses']
        with host.create('other', 'echo').unpause() as other:
            assert lab.wait_until(lambda: other.seen_by_l1() == HELLO)
        assert not bound(host) and host.guest()['accesses'] == accesses


@lab.long
def test_reboot(xen):
    """The guest resets itself, which is another domain to Xen: bound as soon, its port reset."""
    host = xen.source
    with echo_guest(xen, create={'on_reboot': 'restart'}) as (domain, console):
        domid = domain.domid
        console.send(RESET)
        console.come_back(host)
        assert lab.wait_until(lambda: host.domid('one') not in (None, domid))
        said = console.expect(f'{HELLO}|{KEPT}')[0].decode()
        assert said == HELLO, 'the port has not been reset'
        check_echo(console, 'typed after it')
        assert domain.seen_by_l1() == ''


@lab.long
def test_refused_to_start(xen):
    """No domain is made that would have its console in the cloud VM, and it is said why."""
    host = xen.source
    path = host.write_config('one', 'echo', agent='nobody')
    status, _ = host.run(f'xl create {path}', 2 * lab.LONG)
    assert status and "no shadow-guest 'nobody'" in host.model_log('one'), host.model_log('one')
    assert host.domid('one') is None
    with echo_guest(xen) as (_, console):
        path = host.write_config('two', 'echo', agent='vm1')
        status, _ = host.run(f'xl create {path}', 2 * lab.LONG)
        assert status and 'another device model' in host.model_log('two'), host.model_log('two')
        check_echo(console, 'still with the first')


@lab.long
def test_saved_to_a_file(xen):
    """xl save is refused, and the guest goes on; with snapshots=on it goes back to it."""
    host = xen.source
    with echo_guest(xen) as (domain, console):
        status, text = host.run('xl save one /tmp/one.save', 4 * lab.LONG)
        assert status and 'snapshots=on' in host.model_log('one'), (text, host.model_log('one'))
        assert host.guest()['state'] == 'active'
        check_echo(console, 'still here')
    with echo_guest(xen, snapshots=True) as (domain, console):
        domain.xl('save', '/tmp/one.save')
        console.wait_closed()
        domain.restore('/tmp/one.save')
        host.run('rm /tmp/one.save', check=True)
        domain.unpause()
        # who comes first is told, and comes anew
        early, _ = console.knock(host, '')
        with early:
            assert b'went back to a snapshot' in early.makefile('rb').read()
        console.go_on(host)
        console.send(ASK)
        assert console.expect(f'{HELLO}|{KEPT}')[0].decode() == KEPT, 'the port has been reset'
        check_echo(console, 'typed after it')
        assert domain.seen_by_l1() == ''


# What becomes of a migration


@contextlib.contextmanager
def leaving(xen, receiver):
    """A domain that stands still here, saved, and sent to who never answers; who ends, with the
    block, by finish()."""
    with echo_guest(xen, both=True) as (domain, console):
        domain.migrate_start(xen.target.listen_alone(receiver), alone=True)
        assert lab.wait_until(lambda: xen.source.guest()['state'] == 'frozen'), \
            xen.source.model_log('one')
        console.send('typed meanwhile')

        def finish():
            xen.target.run('touch /tmp/fake-go', check=True)
            return domain.migrate_finish()
        yield domain, console, finish


@lab.long
def test_receiver_ends(xen):
    """The other host takes all, and ends without a word: the guest goes on here."""
    with leaving(xen, '/bin/fake-destination') as (domain, console, finish):
        status, text = finish()
        assert status, text
        console.expect('typed meanwhile')
        assert xen.source.guest()['state'] == 'active', text
        check_echo(console, 'still here')
        assert domain.seen_by_l1() == '' and xen.target.guest()['state'] == 'incoming'


@lab.long
def test_other_key(xen):
    """The other host cannot open the state: the guest goes on here."""
    with echo_guest(xen, both=True) as (domain, console):
        xen.target.remove_guest('vm1')
        xen.target.add_guest('vm1', bytes(32), incoming=True)
        domain.migrate_start(xen.target.listen_alone(), alone=True)
        status, text = domain.migrate_finish()
        assert status, text
        said = xen.target.model_log('one--incoming')
        assert "sealed with another key" in said, said
        check_echo(console, 'still here')
        assert xen.source.guest()['state'] == 'active'
        assert unbound(xen.target) and xen.target.guest()['state'] == 'incoming'
        assert lab.wait_until(lambda: xen.target.domid('one--incoming') is None)


@lab.long
def test_destination_destroyed(xen):
    """It has the state, but its domain is destroyed before it runs: the guest goes on here."""
    with echo_guest(xen, both=True) as (domain, console):
        target = xen.target
        domain.migrate_start(target.listen_alone('/bin/fake-late'), alone=True)
        assert lab.wait_until(lambda: target.guest()['state'] == 'restored'), \
            target.model_log('one--incoming')
        console.send('typed meanwhile')
        target.run('xl destroy one--incoming; touch /tmp/fake-go', check=True)
        status, text = domain.migrate_finish()
        assert status, text
        console.expect('typed meanwhile')
        assert xen.source.guest()['state'] == 'active', text
        assert target.guest()['state'] == 'incoming'


@lab.long
def test_source_is_reset(xen):
    """Its whole cloud VM, when the console is frozen: nobody there knows of it any more. The operator
    resumes it here, and the next domain has it."""
    host = xen.source
    with leaving(xen, '/bin/fake-destination') as (_, console, _):
        host.reset()
        assert host.guest()['state'] == 'frozen' and unbound(host)
        assert xen.target.guest()['state'] == 'incoming'
        host.qmp.cmd('shadow-guest-resume', guest='vm1')
        console.wait_closed()
        with host.create('one', 'echo', paused=False, agent='vm1') as domain:
            console.go_on(host)
            console.expect('typed meanwhile')
            check_echo(console, 'still here')
            assert console.gap == 0 and domain.seen_by_l1() == ''


@lab.long
def test_destination_is_reset(xen):
    """Its whole cloud VM, when it has the state, and before its domain runs: the guest goes on here,
    and the other host waits as before."""
    with echo_guest(xen, both=True) as (domain, console):
        source, target = xen.source, xen.target
        *tcpio, port = target.listen_alone('/bin/fake-late').split()
        with Break(f':{port}', b'never said') as connection:
            domain.migrate_start(' '.join([*tcpio, connection.uri.rpartition(':')[2]]), alone=True)
            assert lab.wait_until(lambda: target.guest()['state'] == 'restored'), \
                target.model_log('one--incoming')
            console.send('typed meanwhile')
            target.reset()
            assert target.guest()['state'] == 'incoming' and unbound(target)
            assert source.guest()['state'] == 'frozen'
            connection.cut()
            status, text = domain.migrate_finish()
        assert status, text
        console.expect('typed meanwhile')
        check_echo(console, 'still here')
        assert source.guest()['state'] == 'active' and domain.seen_by_l1() == ''


def kill_model(domain):
    pid = f'/local/domain/{domain.domid}/image/device-model-pid'
    domain.host.run(f'kill -KILL $(xenstore-read {pid})', check=True)


@lab.long
def test_model_killed(xen):
    """The console goes on without its interrupts; nothing of it comes to the cloud VM; the next
    domain has it."""
    host = xen.source
    with echo_guest(xen) as (domain, console):
        kill_model(domain)
        check_echo(console, 'without it')
        assert domain.seen_by_l1() == '' and host.guest()['protection'] == 'forced'
        domain.destroy()
        with host.create('one', 'echo', paused=False, agent='vm1'):
            console.come_back(host)
            console.expect(HELLO)
            check_echo(console, 'with the next')


@lab.long
def test_model_killed_frozen(xen):
    """Nobody is left who knows: the console stays frozen until someone says ABORT, and keeps what
    is typed."""
    host = xen.source
    with leaving(xen, '/bin/fake-destination') as (domain, console, finish):
        kill_model(domain)
        finish()
        domain.destroy()
        assert host.guest()['state'] == 'frozen'
        path = host.write_config('one', 'echo', agent='vm1')
        status, _ = host.run(f'xl create {path}', 2 * lab.LONG)
        assert status and 'not active on this host' in host.model_log('one')
        host.run('shadow-xl-migrate --abort vm1', check=True)
        with host.create('one', 'echo', paused=False, agent='vm1'):
            console.come_back(host)
            console.expect('typed meanwhile')


@lab.long
def test_linux(xen):
    """A login, interrupts, a transfer; then live to another host by xl alone."""
    move_with_agent(xen)


def move_with_agent(xen):
    """A Linux domain, to the other host"""
    with xen.guest(both=True) as console, \
            xen.source.create('linux', 'linux', paused=False, agent='vm1') as domain:
        console.login('root', lab.PASSWORD)
        assert int(console.command("grep ttyS0 /proc/interrupts | awk '{print $2}'")[1]) > 0
        console.command('export MARK=here')
        migrate_live(xen, domain, console, alone=True)
        assert domain.seen_by_l1() == ''
        assert xen.target.run('cat /tmp/linux.serial')[1] == ''
