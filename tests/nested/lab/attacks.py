# SPDX-License-Identifier: GPL-2.0-or-later
"""What must hold whatever a cloud VM without Linux does; bare starts one."""

ALPHABET = 'abcdefghijklmnopqrstuvwxyz 0123456789 ......'
STRING_LINE = 'a line by rep outsb\r\n'
PROMPT = 'type a line\r\n'
UNPROTECTED = '[shadow-serial vm1/vm1-com1: not protected from the cloud VM]\r\n'


def text(lines):
    """What guest/bare-hv/nested.c writes"""
    return ''.join(f'line {n:04} {ALPHABET}\r\n' for n in range(1, lines + 1))


def nothing_seen(bare, scenario, lines=4, **options):
    """All reaches the user, and nothing L1, which has done its worst by then."""
    with bare(scenario, lines=lines, input=1, string=1, **options) as vm:
        vm.console.expect(PROMPT)
        vm.console.send('Rosebud-1941\r')
        vm.console.expect(STRING_LINE)
        vm.wait_done()
        want = f'{text(lines)}{PROMPT}got Rosebud-1941\r\n{STRING_LINE}'
        assert vm.console.text() == want, vm.console.text()
        assert not vm.seen(), vm.seen()
        assert vm.com1() == '', vm.com1()
        assert not vm.unprotected_event()
        return vm.report(), vm.protection()


def not_ours(bare):
    """The accesses of a user VM that is not bound all arrive at L1, in their order, while
    those of one that is do not. (L1 does the checks.)"""
    with bare('unshadowed') as vm:
        vm.console.expect(r'line 0004 [^\n]*\n')
        vm.wait_done()
        assert len(vm.seen()) == 240, len(vm.seen())
        assert vm.console.text() == text(4), vm.console.text()
        assert not vm.unprotected_event()


def not_asked_for(bare):
    """L1 lets its user VMs at its own ports: only one that is not bound gets there."""
    with bare('open') as vm:
        vm.console.expect(r'line 0002 [^\n]*\n')
        vm.wait_done()
        assert vm.console.text() == vm.com1() == text(2), (vm.console.text(), vm.com1())
        assert not vm.seen(), vm.seen()


def bound_again(bare, other):
    with bare('rebind', other=other) as vm:
        vm.wait_done()
        assert len(vm.bytes_seen()) == len(text(2)), vm.failed()
        vm.console.expect(r'line 0003 [^\n]*\n')
        assert vm.bytes_seen() == text(2), vm.bytes_seen()
        assert vm.console.text() == text(1) + text(3), vm.console.text()
        assert not vm.unprotected_event()


def calls(bare, transports):
    with bare('calls') as vm:
        vm.wait_done()
        by = [line[8:] for line in vm.report() if line.startswith('INFO by ')]
        assert by == transports, vm.report()


def wild_buffers(bare):
    with bare('buffers') as vm:
        vm.wait_done()
        assert 'PASS a page that was not used yet' in vm.report()
