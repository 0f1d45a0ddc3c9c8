# SPDX-License-Identifier: GPL-2.0-or-later
"""A cloud VM with Debian's Xen, whose control domain is PVH: a nested guest as well. A write to the
doorbell arrives from there in guest mode, and is the cloud VM's own call."""

import lab

from test_xen import HELLO, bound, check_echo, echo_guest, unbound, use_and_move
from test_xen_agent import move_with_agent


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
    """As test_xen.test_linux: a login, a transfer, xl save and restore; then live to another host"""
    use_and_move(xen_pvh)


@lab.long
def test_device_model(xen_pvh):
    """Our QEMU as the domain's device model: bound by its agent, and live to another host by xl
    alone"""
    move_with_agent(xen_pvh)
