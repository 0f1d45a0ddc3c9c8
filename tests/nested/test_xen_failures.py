# SPDX-License-Identifier: GPL-2.0-or-later
"""Whichever side of a migration between two cloud VMs with Xen ends at which message: the user's
console goes on at one host. xl and its receiver are scripts here (xen/fake-xl, fake-receiver) that
say what those say, and end when they are told to."""

import contextlib

import lab
from lab.relay import Break

from test_xen import HELLO, KEPT, check_echo, echo_guest, unbound


@contextlib.contextmanager
def running(xen, **properties):
    with echo_guest(xen, both=True, **properties) as (domain, console):
        domain.unpause()
        console.expect(HELLO)
        # the configuration of what is received
        xen.target.write_config('one--incoming', 'echo')
        yield domain, console


def fake(xen, until='never', fails='never'):
    """What the source's fake xl has heard"""
    command = xen.target.listen(f'fake-receiver {fails} /tmp/one--incoming.cfg')
    return xen.source.run(f'fake-xl {until} "shadow-xl-migrate one --command \'{command}\'" 2>&1',
                          4 * lab.LONG)[1]


@contextlib.contextmanager
def breaking(xen, until, word):
    """The same in the background, by a connection that can be cut, and of which the piece with a
    word in it, and all after it, never arrives"""
    *tcpio, port = xen.target.listen('fake-receiver never /tmp/one--incoming.cfg').split()
    with Break(f':{port}', word) as connection:
        command = ' '.join([*tcpio, connection.uri.rpartition(':')[2]])
        xen.source.run(f'rm -f /tmp/fake-go; fake-xl {until} "shadow-xl-migrate one --command '
                       f'\'{command}\'" >/tmp/fake.log 2>&1 &', check=True)
        yield connection


def check_still_here(xen, console, heard):
    """As before at the source; the other host waits as before."""
    assert xen.source.guest()['state'] == 'active', heard + xen.target.received()
    check_echo(console, 'still here')
    assert unbound(xen.target), xen.target.guest()
    assert lab.wait_until(lambda: xen.target.guest()['state'] == 'incoming'), heard
    assert lab.wait_until(lambda: xen.target.domid('one--incoming') is None), heard


@lab.long
def test_ends_before_go(xen):
    """xl, its receiver, and either process of the program between them"""
    with running(xen) as (_, console):
        for until, fails in (('banner', 'never'), ('stream', 'never'), ('never', 'stream'),
                             ('ready', 'never'), ('ready-kill-worker', 'never'),
                             ('ready-kill-guard', 'never')):
            heard = fake(xen, until, fails)
            assert 'heard report' not in heard, heard
            assert ('heard ready' in heard) == until.startswith('ready'), heard
            check_still_here(xen, console, heard)


@lab.long
def test_receiver_cannot_run_it(xen):
    """It says so, and has destroyed its copy before the source goes on."""
    with running(xen) as (_, console):
        heard = fake(xen, fails='unpause')
        assert 'heard status' in heard and 'heard permission' in heard, heard
        check_still_here(xen, console, heard)


@lab.long
def test_ends_after_go(xen):
    """Nobody knows: the console stays frozen until someone has looked, and loses nothing."""
    with running(xen) as (_, console):
        heard = fake(xen, fails='go')
        assert 'it is not known whether the domain runs' in heard, heard
        assert xen.source.guest()['state'] == 'frozen'
        console.send('typed meanwhile')
        xen.source.run('shadow-xl-migrate --abort vm1', check=True)
        console.expect('typed meanwhile')
        check_still_here(xen, console, heard)


@lab.long
def test_both_processes_end(xen):
    """Nobody is left who could undo it."""
    with running(xen) as (_, console):
        heard = fake(xen, 'ready-kill-both')
        assert 'heard ready' in heard and 'heard report' not in heard, heard
        assert xen.source.guest()['state'] == 'frozen', heard
        console.send('typed meanwhile')
        assert lab.wait_until(lambda: xen.target.domid('one--incoming') is None), heard
        xen.source.run('shadow-xl-migrate --abort vm1', check=True)
        console.expect('typed meanwhile')
        check_still_here(xen, console, heard)


@lab.long
def test_source_is_reset(xen):
    """Its whole cloud VM, when the console is frozen and nothing of it has arrived: nobody there
    knows of it any more. The other host waits as before; the operator resumes it here."""
    with running(xen) as (_, console):
        source, target = xen.source, xen.target
        with breaking(xen, 'never', b'envelope ') as connection:
            assert lab.wait_until(connection.held.is_set)
            assert source.guest()['state'] == 'frozen'
            console.send('typed meanwhile')
            source.reset()
        assert source.guest()['state'] == 'frozen' and unbound(source)
        assert lab.wait_until(lambda: target.domid('one--incoming') is None), target.received()
        assert unbound(target) and target.guest()['state'] == 'incoming'
        with source.create('one', 'echo', 'vm1') as domain:
            source.qmp.cmd('shadow-guest-resume', guest='vm1')
            console.wait_closed()
            assert 'no virtual machine is bound to it' in console.farewell, console.farewell
            domain.unpause()
            console.go_on(source)
            console.expect('typed meanwhile')
            check_still_here(xen, console, '')
            assert console.gap == 0 and domain.seen_by_l1() == ''


@lab.long
def test_destination_is_reset(xen):
    """Its whole cloud VM, when the console has arrived, and before its domain may run: it goes on
    here, and waits there as before."""
    with running(xen) as (_, console):
        source, target = xen.source, xen.target
        with breaking(xen, 'ready-wait', b'never said') as connection:
            assert lab.wait_until(lambda: target.guest()['state'] == 'restored'), target.received()
            assert source.guest()['state'] == 'frozen'
            console.send('typed meanwhile')
            target.reset()
            assert target.guest()['state'] == 'incoming' and unbound(target)
            assert source.guest()['state'] == 'frozen'
            connection.cut()
            console.expect('typed meanwhile')
        source.run('touch /tmp/fake-go', check=True)
        assert lab.wait_until(lambda: 'status' in source.run('cat /tmp/fake.log')[1])
        heard = source.run('cat /tmp/fake.log')[1]
        assert 'heard ready' in heard and 'heard report' not in heard, heard
        check_still_here(xen, console, heard)
        assert console.gap == 0


@lab.long
def test_goes(xen):
    """The same scripts when nothing fails: it is there, and not here."""
    with running(xen) as (domain, console):
        # as xl does; one that polls a console that is gone takes all of the processor
        domain.xl('pause')
        heard = fake(xen)
        assert 'heard report' in heard and 'status 0' in heard, heard
        assert xen.source.guest()['state'] == 'gone', heard
        console.wait_closed()
        console.go_on(xen.target)
        assert console.gap == 0
        console.expect(KEPT)        # a new domain, with the port as it was
        check_echo(console, 'at the other host')
        assert xen.target.guest()['state'] == 'active'
        xen.target.run('xl destroy one; xenstore-rm /shadow/one', check=True)


@lab.long
def test_refused(xen):
    """What the other host says no to, before anything is sent or frozen"""
    with running(xen) as (_, console):
        for change, back, why in (
                ('xenstore-write /shadow/one vm9', 'xenstore-rm /shadow/one',
                 'for another shadow-guest'),
                ('kill $(cat /tmp/xend.pid)', None, 'shadow-xend does not run'),
                ('xl create -p /tmp/one--incoming.cfg', 'xl destroy one--incoming',
                 'there is a domain one already')):
            xen.target.run(change, check=True)
            heard = fake(xen)
            assert why in heard and 'heard banner' not in heard, heard
            if back:
                xen.target.run(back, check=True)
            else:
                xen.target.start_xend()
            check_still_here(xen, console, heard)


@lab.long
def test_other_key(xen):
    """The other host cannot open the state: the source goes on."""
    with running(xen) as (_, console):
        xen.target.remove_guest('vm1')
        xen.target.add_guest('vm1', bytes(32), incoming=True)
        heard = fake(xen)
        assert 'does not take the state' in heard and 'heard ready' not in heard, heard
        check_still_here(xen, console, heard)
