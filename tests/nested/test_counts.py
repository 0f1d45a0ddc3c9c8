# SPDX-License-Identifier: GPL-2.0-or-later
"""What must not creep back: how often L1 is involved, in counts and not in seconds.

Each bound is several times what is seen on a busy machine, and several times less than
what it was before the interrupt was moderated, or is with an inner isa-serial.
"""

KIB = 256


def kvm_exits(host):
    """Exits of nested guests, as L1's KVM counts them, of whatever kind"""
    return int(host.run('mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null; '
                        'cat /sys/kernel/debug/kvm/exits', check=True)[1])


def involved(vm, run):
    """How often L1 was involved per KiB: (exits to it, interrupts told, its I/O exits)"""
    from lab.trace import PioTrace
    vm.check_console()
    trace = PioTrace(vm.host).start()
    exits, calls = kvm_exits(vm.host), vm.state()['calls']
    run()
    exits, calls = kvm_exits(vm.host) - exits, vm.state()['calls'] - calls
    seen = trace.stop()
    assert seen.lost == 0, seen
    print(f'# per KiB: {exits / KIB:.1f} exits, {calls / KIB:.1f} interrupts')
    return exits / KIB, calls / KIB, seen.serial


def test_output(vm):
    def run():
        vm.console.send(f'measure output {KIB << 10}\r')
        vm.console.expect('@BEGIN@')
        vm.console.expect('@END@')
        vm.console.expect('[$#] ')

    exits, interrupts, serial = involved(vm, run)
    assert serial == 0
    assert exits < 150, exits           # an inner isa-serial: over 1,200
    assert interrupts < 10, interrupts  # unmoderated: over 20


def test_input(vm):
    def run():
        vm.console.send(f'measure input {KIB << 10}\r')
        vm.console.expect('@READY@')
        vm.console.send(b'x' * (KIB << 10))
        vm.console.expect('@DONE@')
        vm.console.expect('[$#] ')

    exits, interrupts, serial = involved(vm, run)
    assert serial == 0
    assert exits < 250, exits           # an inner isa-serial: over 2,000
    assert interrupts < 15, interrupts  # unmoderated: over 20


def test_ultracalls_of_a_migration(pair):
    """QUERY, BIND and what SAVE and RESTORE need, at both hosts; SAVE is called again
    while input is being taken in."""
    with pair.waiting_target():
        before = pair.source.guest()['calls']
        info, _, _ = pair.migrate(pair.console)
        assert info['status'] == 'completed', info
        # The pair has changed places.
        left = pair.target.guest()['calls'] - before
        arrived = pair.source.guest()['calls']
    print(f'# {left} ultracalls at the source, {arrived} at the destination')
    pair.check_session()
    assert left < 100, left
    assert arrived < 50, arrived
