# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt of Debian 12 in the cloud VMs, set up as contrib/libvirt has it. Each check is a test of
its own for each emulator that libvirt can start, test_CHECK_EMULATOR."""

import inspect

import lab
from lab.chardev import ChardevClient

# Where the domain's XML is: contrib/libvirt/domain-EMULATOR.xml; run.py makes libvirt_EMULATOR.
# All but the first are for --long.
EMULATORS = ['plugin', 'shadow', 'null_serial']
SAVED = '/var/lib/libvirt/images/vm1.saved'


def allow_snapshots(pair, on):
    pair.source.qmp.cmd('qom-set', path='/objects/vm1', property='snapshots', value=on)


def check_goes_on(pair):
    """The user VM runs where it was, and the session with it."""
    assert pair.source.virsh('domstate vm1').strip() == 'running'
    assert pair.source.guest()['state'] == 'active', pair.source.guest()
    assert pair.console.connected
    pair.check_session()


def check_went_back(pair):
    """To a saved state: the first who comes to the chardev is told so."""
    told = ChardevClient().connect_plain(pair.source.console_address())
    told.wait_closed()
    assert 'went back to a snapshot' in told.farewell, (told.farewell, told.text())
    check_goes_on(pair)


# --- the checks ---

def started(pair):
    guest = pair.source.guest()
    assert guest['bound-by-process'] and guest['protection'] == 'forced', guest
    user = pair.source.run('stat -c %U /proc/$(cat /run/libvirt/qemu/vm1.pid)')[1].strip()
    assert user == 'libvirt-qemu', user
    check_goes_on(pair)


def migrated(pair):
    """There with virsh between the hosts, and back with one libvirt talking to the other"""
    first, second = pair.source, pair.target
    with pair.waiting_target():
        for options in ('', '--p2p'):
            pair.migrate(options)
            pair.check_session()
        assert first.guest()['state'] == 'active', first.guest()
        assert second.guest()['state'] == 'gone', second.guest()


def save_refused(pair):
    for command in (f'save vm1 {SAVED}', 'managedsave vm1'):
        said = pair.source.virsh(command, check=False)
        assert 'rolled back' in said and 'snapshots=on' in said, said
        check_goes_on(pair)


def tunnelled(pair):
    with pair.waiting_target():
        pair.migrate_start('--p2p --tunnelled')
        said = pair.migrate_wait()
        assert '--tunnelled' in said and 'rolled back' in said, said
        check_goes_on(pair)
        assert pair.target.guest()['state'] == 'incoming', pair.target.guest()


def finish_failed(pair):
    """QEMU's migration has ended well, and libvirt's has not: the other host's libvirt cannot let
    the user VM run there. It stands still from before there is much to send until its emulator is
    no more, so that this cannot come too late."""
    source, target = pair.source, pair.target
    with pair.waiting_target():
        since = source.qmp.mark(), target.qmp.mark()
        source.virsh('migrate-setspeed vm1 1')
        pair.migrate_start()
        pair.wait_sending()
        target.signal_libvirt('STOP')
        source.virsh('migrate-setspeed vm1 1000')
        target.qmp.wait_event('SHADOW_GUEST_RESTORED', since[1])
        source.qmp.wait_event('SHADOW_GUEST_COMMITTED', since[0])
        target.kill_domain()
        target.signal_libvirt('CONT')
        said = pair.migrate_wait()
        assert not said.startswith('0\n'), said
        reason = source.virsh('domstate --reason vm1').strip()
        assert reason == 'running (migration canceled)', reason
        source.qmp.wait_event('SHADOW_GUEST_ABORTED', since[0])
        check_goes_on(pair)


def save_allowed(pair):
    allow_snapshots(pair, True)
    for save, restore in ((f'save vm1 {SAVED}', f'restore {SAVED}'),
                          ('managedsave vm1', 'start vm1')):
        pair.source.virsh(save)
        pair.source.virsh(restore)
        check_went_back(pair)
    allow_snapshots(pair, False)


def reset(pair):
    pair.source.virsh('reset vm1')
    pair.new_session()
    check_goes_on(pair)


def destroyed(pair):
    pair.source.virsh('destroy vm1')
    guest = pair.source.guest()
    assert guest['state'] == 'active' and not guest['bound-by-process'], guest
    pair.source.virsh('start vm1')
    pair.new_session()
    check_goes_on(pair)


# The migrations that succeed come after the one that does not.
CHECKS = [started, save_refused, finish_failed, migrated]
LONG_CHECKS = [tunnelled, save_allowed, reset, destroyed]


def cell(check, emulator):
    """The test that the runner finds: its argument says what it needs."""
    def test(pair):
        check(pair)

    test.__name__ = f'test_{check.__name__}_{emulator}'
    test.__signature__ = inspect.Signature([inspect.Parameter(
        f'libvirt_{emulator}', inspect.Parameter.POSITIONAL_OR_KEYWORD)])
    return lab.long(test) if check in LONG_CHECKS or emulator != EMULATORS[0] else test


for one in EMULATORS:
    for wanted in CHECKS + LONG_CHECKS:
        made = cell(wanted, one)
        globals()[made.__name__] = made
