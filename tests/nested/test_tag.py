# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM that names itself: no agent in L1 knows of it."""

import secrets


def test_register_by_tag(host):
    """guest/tagged.S; the inner QEMU has a serial port of its own at the same address."""
    from lab.chardev import ChardevClient
    from lab.trace import PioTrace
    host.guest_properties = {'register': True}
    host.add_guest('vm1', secrets.token_bytes(32))
    host.guest_properties = {}
    console = ChardevClient().connect(host, 'vm1')
    trace = PioTrace(host).start()
    inner = host.start_inner('plain', shadow=False, extra='-bios /bin/tagged.bin')
    console.expect('registered\r\n')
    console.send('typed by the user')
    console.expect('typed by the user')
    seen = trace.stop()
    state = host.guest('vm1')
    inner.stop()
    console.close()
    host.remove_guest('vm1')
    assert seen.serial == 0, seen
    assert state['bound-by-tag'] and not state['bound-by-process'], state


def test_registration_without_proof(host):
    """The guest has a bind-secret: it is told no, and its port stays L1's."""
    from lab.chardev import ChardevClient
    since = host.qmp.mark()
    host.add_guest('vm1', secrets.token_bytes(32), bind_secret=secrets.token_bytes(32))
    inner = host.start_inner('plain', shadow=False, extra='-bios /bin/tagged.bin')
    plain = ChardevClient().connect_plain(inner.console_address())
    host.qmp.wait_event('SHADOW_GUEST_REFUSED', since, guest='vm1')
    plain.send('seen by L1')
    plain.expect('seen by L1')
    state = host.guest('vm1')
    inner.stop()
    plain.close()
    host.remove_guest('vm1')
    assert not state['bound-by-tag'], state
