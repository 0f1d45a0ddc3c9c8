# SPDX-License-Identifier: GPL-2.0-or-later
"""What must hold whatever a cloud VM without Linux does, a function for each expectation;
bare starts one. See guest/bare-hv for the scenarios."""

import contextlib
import re

ALPHABET = 'abcdefghijklmnopqrstuvwxyz 0123456789 ......'
STRING_LINE = 'a line by rep outsb\r\n'
PROMPT = 'type a line\r\n'
UNPROTECTED = '[shadow-serial vm1/vm1-com1: not protected from the cloud VM]\r\n'
FROM, TO = 16, 32       # the bytes between which a binding is attacked


def text(lines):
    """What guest/bare-hv/nested.c writes"""
    return ''.join(f'line {n:04} {ALPHABET}\r\n' for n in range(1, lines + 1))


def last_line(lines):
    return rf'line {lines:04} [^\n]*\n'


@contextlib.contextmanager
def ended(bare, scenario, until=None, **options):
    """The machine when L1 has come to its end, with nothing amiss that L1 has noticed,
    and its user has read up to there; then nothing was reported."""
    with bare(scenario, **options) as vm:
        if until:
            vm.console.expect(until)
        vm.wait_done()
        yield vm
        assert not vm.unprotected_event(), vm.unprotected_event()


def nothing_seen(vm):
    assert not vm.seen(), vm.seen()
    assert vm.com1() == '', vm.com1()


def unseen(bare, scenario, protection, says='', says_not=None, lines=4, **options):
    """All reaches the user, and nothing L1, which has done its worst by then."""
    with bare(scenario, lines=lines, input=1, string=1, **options) as vm:
        vm.console.expect(PROMPT)
        vm.console.send('Rosebud-1941\r')
        vm.console.expect(STRING_LINE)
        vm.wait_done()
        want = f'{text(lines)}{PROMPT}got Rosebud-1941\r\n{STRING_LINE}'
        assert vm.console.text() == want, vm.console.text()
        nothing_seen(vm)
        assert not vm.unprotected_event(), vm.unprotected_event()
        assert vm.protection() == protection, vm.guest()
        report = vm.report()
        assert says in ['', *report] and says_not not in report, report


# --- the map of I/O permissions ---

def reported(vm):
    """As an event, in the guest's state, and to its user, whose connection ends"""
    reason = vm.qmp.wait_event('SHADOW_GUEST_UNPROTECTED')['data']['reason']
    assert 'map of I/O permissions' in reason, reason
    assert vm.protection() == 'broken', vm.guest()
    vm.console.wait_closed()
    assert f': no longer protected from the cloud VM: {reason}, ' in vm.console.farewell, \
        (reason, vm.console.farewell)
    return vm.console.text()


def swap_reported(bare, lines):
    """L1 gets what is written until L0 next looks, and no more."""
    with bare('swap', lines=lines) as vm:
        before = reported(vm)
        vm.connect().expect(re.escape(UNPROTECTED))
        vm.console.expect(last_line(lines))
        vm.wait_done()
        after = vm.console.text().removeprefix(UNPROTECTED)
        stolen = vm.bytes_seen()
        assert before + stolen + after == text(lines), (before, stolen, after)
        assert before and stolen and after, (before, stolen, after)


def race_reported(bare):
    """For a byte now and then: L0 looks at times that L1 cannot foresee, and it takes
    only one of them to find out."""
    with bare('race', lines=9999) as vm:
        reported(vm)
        assert vm.seen()


# --- bindings ---

def not_ours(bare):
    """The accesses of a user VM that is not bound all arrive at L1, in their order, while
    those of one that is do not. (L1 does the checks.)"""
    with ended(bare, 'unshadowed', last_line(4)) as vm:
        assert len(vm.seen()) == 240, len(vm.seen())
        assert vm.console.text() == text(4), vm.console.text()


def not_asked_for(bare):
    """L1 lets its user VMs at its own ports: only one that is not bound gets there."""
    with ended(bare, 'open', last_line(2)) as vm:
        assert vm.console.text() == vm.com1() == text(2), (vm.console.text(), vm.com1())
        assert not vm.seen(), vm.seen()


def detached(vm):
    """The user's connection has ended, and he knows why. What he has read; the rest he
    reads when the guest is bound again and he has connected anew."""
    vm.console.wait_closed()
    assert 'detached from its virtual machine: ' in vm.console.farewell, vm.console.farewell
    return vm.console.text()


def bound_again(bare, other):
    with ended(bare, 'rebind', other=other) as vm:
        before = detached(vm)
        vm.connect().expect(last_line(3))
        assert before + vm.console.text() == text(1) + text(3), (before, vm.console.text())
        assert vm.bytes_seen() == text(2), vm.bytes_seen()


def served_by_nobody(bare, scenario='absent', by='process', **options):
    """What is written while L0 cannot see whose entry it is goes nowhere, then it goes on."""
    with ended(bare, scenario, last_line(4), **options) as vm:
        nothing_seen(vm)
        assert vm.console.text() == text(4)[:FROM] + text(4)[TO:], vm.console.text()
        assert vm.guest()[f'bound-by-{by}'] and vm.console.connected, vm.guest()


def waited_for(bare):
    """L1's kernel is given the time to put the page back: then nothing is lost."""
    with ended(bare, 'absent', last_line(4), back=1) as vm:
        nothing_seen(vm)
        assert vm.console.text() == text(4), vm.console.text()


def over(bare, scenario='changed', by='process', **options):
    """The process, or the guest, has ended: the rest is L1's. A byte at most is nobody's:
    when L0 takes the binding away after the guest was entered and before it writes."""
    with ended(bare, scenario, **options) as vm:
        assert text(4)[:FROM].startswith(detached(vm)), vm.console.text()
        device, = vm.guest()['devices']
        assert device['output-produced'] == FROM, device
        rest = text(4)[FROM:], text(4)[FROM + 1:]
        assert vm.bytes_seen() in rest, vm.bytes_seen()
        assert not vm.guest()[f'bound-by-{by}'], vm.guest()


def kept(bare):
    """L1 is told that another process has the guest; nobody else notices. (It checks.)"""
    with ended(bare, 'taken', last_line(4)) as vm:
        nothing_seen(vm)
        assert vm.console.text() == text(4), vm.console.text()
        assert vm.console.connected


def told_apart(bare):
    with ended(bare, 'twin', last_line(3)) as vm:
        assert vm.bytes_seen() == text(2), vm.bytes_seen()
        assert vm.console.text() == text(2) + text(3), vm.console.text()


def race_lost(bare, cycles, unbound=True, **options):
    """L1 calls on one CPU while its guest is inside on another. (L1 checks most.) What is
    a bound guest's, 'B', never comes to L1; and what is not, 'u', never to the user."""
    with ended(bare, 'callers', cpus=2, cycles=cycles, **options) as vm:
        assert 'B' not in vm.com1() + vm.bytes_seen()
        assert not unbound or 'u' not in vm.console.text()


def removed(bare, whole, **options):
    """L0's operator takes away the device, or all of the guest: until the guest is
    entered anew nobody serves it, least of all L1. (It checks.)"""
    with bare('removed', cpus=2, **options) as vm:
        vm.console.expect('BBBB')
        since = vm.qmp.mark()
        vm.qmp.cmd('device_del', id='vm1-com1')
        vm.qmp.wait_event('DEVICE_DELETED', since, device='vm1-com1')
        if whole:
            vm.qmp.cmd('object-del', id='vm1')
        vm.wait_done()
        assert 'B' not in vm.com1() + vm.bytes_seen()


def one_of_three(bare):
    """The others are L1's: one has a wrong cookie, the other a copy of the right one."""
    with ended(bare, 'claims') as vm:
        vm.console.expect(last_line(3))
        assert vm.console.text() == text(2) + text(3), vm.console.text()
        assert vm.bytes_seen() == text(1) + text(3), vm.bytes_seen()
        assert vm.guest()['bound-by-claim'], vm.guest()


def no_claims(bare):
    """L1 is told so. (It checks.)"""
    with ended(bare, 'claim') as vm:
        assert not vm.guest()['claimed'], vm.guest()


# --- calls ---

def calls(bare, transports):
    with ended(bare, 'calls') as vm:
        by = [line[8:] for line in vm.report() if line.startswith('INFO by ')]
        assert by == transports, vm.report()


def wild_buffers(bare):
    with ended(bare, 'buffers') as vm:
        assert 'PASS a page that was not used yet' in vm.report()


def doorbell(bare, nested):
    """It is rung by a hypervisor for its control domain, and in guest mode. (L1 checks.)"""
    with ended(bare, 'doorbell', nested=nested):
        pass
