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


def involved(vm, way, ready, done, typed=b''):
    """How often L1 was involved per KiB, as guest/measure.c has the console busy one way:
    (exits to it, interrupts told, its I/O exits)"""
    from lab.trace import PioTrace
    vm.check_console()
    trace = PioTrace(vm.host).start()
    exits, calls = kvm_exits(vm.host), vm.state()['calls']
    vm.console.send(f'measure {way} {KIB << 10}\r')
    vm.console.expect(ready)
    vm.console.send(typed)
    vm.console.expect(done)
    vm.console.expect('[$#] ')
    exits, calls = kvm_exits(vm.host) - exits, vm.state()['calls'] - calls
    seen = trace.stop()
    assert seen.lost == 0, seen
    print(f'# per KiB: {exits / KIB:.1f} exits, {calls / KIB:.1f} interrupts')
    return exits / KIB, calls / KIB, seen.serial


def test_output(vm):
    exits, interrupts, serial = involved(vm, 'output', '@BEGIN@', '@END@')
    assert serial == 0
    assert exits < 150, exits           # an inner isa-serial: over 1,200
    assert interrupts < 10, interrupts  # unmoderated: over 20


def test_input(vm):
    exits, interrupts, serial = involved(vm, 'input', '@READY@', '@DONE@',
                                         b'x' * (KIB << 10))
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
