# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM with Debian's Xen, whose control domain is PVH: a nested guest as well. A write to the
doorbell arrives from there in guest mode, and is the cloud VM's own call."""

import lab

from test_xen import HELLO, bound, check_echo, echo_guest, linux_guest, save_and_restore, unbound


@lab.long
def test_who_may_call(xen_pvh):
    """The same as of a PV control domain: guest/../xen/attack-dom0.c"""
    from lab.uservm import report_checks
    with xen_pvh.guest():
        status, output = xen_pvh.source.run('attack-dom0 vm1')
        report_checks('attack-dom0', status, output)
        status, said = xen_pvh.source.run('ultracall query vm1')
        assert status == 0 and said.startswith('active, epoch 0, 1 devices'), said
        assert not bound(xen_pvh.source), xen_pvh.source.guest()


@lab.long
def test_registered_by_itself(xen_pvh):
    """guest/tagged.S, of which nobody in the control domain knows"""
    host = xen_pvh.source
    with xen_pvh.guest(register=True) as console, host.create('one', 'tagged') as domain:
        domain.unpause()
        console.expect('registered\r\n')
        check_echo(console, 'typed by the user')
        assert host.guest()['bound-by-tag'] and host.guest()['protection'] == 'forced', host.guest()
        seen = domain.seen_by_l1()
        assert 'registered' not in seen and 'typed' not in seen, seen


@lab.long
def test_console_of_a_domain(xen_pvh):
    """shadow-xend binds it, before it runs, and unbinds it."""
    host = xen_pvh.source
    with echo_guest(xen_pvh) as (domain, console):
        domain.unpause()
        console.expect(HELLO)
        check_echo(console, 'typed by the user')
        assert host.guest()['bound-by-claim'] and host.guest()['protection'] == 'forced', \
            host.guest()
        assert domain.seen_by_l1() == ''
        domain.destroy()
        assert unbound(host)
        console.wait_closed()


@lab.long
def test_linux(xen_pvh):
    """A login, interrupts, a transfer; SAVE and ABORT from the control domain around xl save and
    restore"""
    from lab.transfer import Transfer
    with linux_guest(xen_pvh) as (domain, console):
        assert int(console.command("grep ttyS0 /proc/interrupts | awk '{print $2}'")[1]) > 0
        console.command('export MARK=here')
        transfer = Transfer(console, 16 * 1024)
        transfer.release()
        from_guest, to_guest = transfer.start().finish()
        assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
        save_and_restore(xen_pvh, domain, console)
