# SPDX-License-Identifier: GPL-2.0-or-later
"""What the firmware of a user VM says, for its user alone."""

import contextlib
import secrets

from lab.chardev import ChardevClient
from lab.trace import PioTrace

GUEST, PORT, LOG = 'fw1', 0x402, 9


@contextlib.contextmanager
def guest_with_log(host, key, **options):
    """A guest with a serial port, and one more device."""
    host.add_guest(GUEST, key, **options)
    host.qmp.cmd('chardev-add', id='log', backend={
        'type': 'socket', 'data': {'addr': host.console_listens(GUEST, LOG), 'server': True,
                                   'wait': False}})
    host.qmp.cmd('device_add', driver='shadow-debugcon', id=f'{GUEST}-log', guest=GUEST,
                 chardev='log', replay='history')
    yield
    if host.alive():
        since = host.qmp.mark()
        host.qmp.cmd('device_del', id=f'{GUEST}-log')
        host.qmp.wait_event('DEVICE_DELETED', since, device=f'{GUEST}-log')
        host.qmp.cmd('chardev-remove', id='log')
        host.remove_guest(GUEST)


@contextlib.contextmanager
def log_of(host):
    log = ChardevClient().connect_plain(host.console_address(GUEST, LOG))
    yield log
    log.close()


def test_firmware_log(pair):
    """It is there, L1 does not see it, and it goes along in a migration."""
    source, target, key = pair.source, pair.target, secrets.token_bytes(32)
    with contextlib.ExitStack() as stack:
        for host in (source, target):
            stack.enter_context(guest_with_log(host, key, incoming=host is target))
        trace = PioTrace(source, base=PORT & ~15).start()
        inner = source.start_inner(GUEST, append='quiet')
        stack.callback(lambda: inner.stop())
        with log_of(source) as log:
            log.expect(r'SeaBIOS \(version ')
            log.expect('Booting from ROM')
            said = bytes(log.output)
        seen = trace.stop()
        assert seen.total > 0 and seen.lost == 0, (seen.total, seen.lost)
        assert seen.serial == 0, seen
        new = target.start_inner(GUEST, incoming=True, append='quiet')
        stack.callback(lambda: new.stop())
        inner.migrate_start(new.listen())
        assert inner.migrate_wait()['status'] == 'completed'
        with log_of(target) as log:
            log.expect('Booting from ROM')
            assert bytes(log.output).startswith(said), (said, log.output)
            # It works there: the firmware runs once more.
            new.qmp.cmd('system_reset')
            log.expect(r'SeaBIOS \(version ')
