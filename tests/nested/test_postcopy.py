# SPDX-License-Identifier: GPL-2.0-or-later
"""Post-copy: the user VM runs at the target before all of its memory is there. And the kinds
of migration that are refused."""

import contextlib
import secrets

import lab

SLOW = 1 << 20      # bytes/s: of that the user VM's memory takes a minute


@contextlib.contextmanager
def postcopy(pair, **parameters):
    """A migration that is to go over to post-copy. What is set at the source is reset."""
    usual = {'max-bandwidth': 128 << 20, 'max-postcopy-bandwidth': 0, 'downtime-limit': 300}
    with pair.waiting_target():
        limit(pair.inner, {name.replace('_', '-'): value for name, value in
                           parameters.items()})
        pair.migrate_start(postcopy_ram=True)
        yield
        limit(pair.inner, usual)
        pair.inner.set_capability('postcopy-ram', False)


def limit(inner, parameters):
    inner.qmp.cmd('migrate-set-parameters', **{name.replace('-', '_'): value
                                               for name, value in parameters.items()})


def start_postcopy(pair, since):
    pair.inner.qmp.wait_event('MIGRATION', since, status='active')
    pair.inner.qmp.cmd('migrate-start-postcopy')


def ahead(pair, on):
    """Without it the target learns at the last moment only what it gets."""
    path = next(device['path'] for device in shadow_agents(pair.inner))
    pair.inner.qmp.cmd('qom-set', path=path, property='history-ahead', value=on)


def shadow_agents(inner):
    for place in ('unattached', 'peripheral-anon'):
        for child in inner.qmp.cmd('qom-list', path=f'/machine/{place}'):
            if child['type'] == 'child<shadow-agent>':
                yield {'path': f'/machine/{place}/{child["name"]}'}


def states(pair):
    return pair.source.guest()['state'], pair.target.guest()['state']


def check_not_moved(pair):
    assert pair.console.connected and not pair.console.moved, pair.console.farewell


def break_and_recover(pair):
    """The connection is lost, and another one goes on."""
    since = pair.inner.qmp.mark(), pair.new.qmp.mark()
    pair.inner.qmp.begin('migrate-pause', oob=True).result(lab.LONG)
    for inner, mark in zip((pair.inner, pair.new), since):
        inner.qmp.wait_event('MIGRATION', mark, status='postcopy-paused')
    assert states(pair) == ('frozen', 'active'), states(pair)
    # the user VM waits for the first page that it needs and does not have
    port = pair.new.ports['migration']
    pair.new.qmp.begin('migrate-recover', oob=True,
                       uri=f'tcp:0.0.0.0:{port}').result(lab.LONG)
    pair.inner.qmp.cmd('migrate', resume=True,
                       uri=f'tcp:10.0.2.2:{pair.new.host.forward(port)}')
    pair.inner.qmp.wait_event('MIGRATION', since[0], status='postcopy-active')
    pair.check_session()


def test_postcopy(chardev_pair):
    """The console is at the target as soon as the user VM is, and the source keeps its own
    frozen until the end: also when the connection is lost meanwhile."""
    pair = chardev_pair
    since, there = pair.inner.qmp.mark(), pair.target.qmp.mark()
    with postcopy(pair, max_bandwidth=SLOW, max_postcopy_bandwidth=SLOW):
        start_postcopy(pair, since)
        pair.target.qmp.wait_event('SHADOW_GUEST_ACTIVATED', there, guest='vm1')
        pair.inner.qmp.wait_event('MIGRATION', since, status='postcopy-active')
        assert states(pair) == ('frozen', 'active'), states(pair)
        check_not_moved(pair)
        pair.console.go_on(pair.target)
        pair.check_session()
        break_and_recover(pair)
        assert states(pair) == ('frozen', 'active'), states(pair)
        limit(pair.inner, {'max-postcopy-bandwidth': 0})
        info, _, _ = pair.migrate_finish()
        assert info['status'] == 'completed', info
        assert pair.target.guest()['state'] == 'gone', pair.target.guest()
        pair.check_session()


@lab.long
def test_refused_early(chardev_pair):
    """QEMU 10.0 gives the user VM up, for it cannot know whether the target has it; the
    console has not moved, and the operator can have it go on here."""
    pair = chardev_pair
    since, refusal = pair.inner.qmp.mark(), pair.target.qmp.mark()
    ahead(pair, False)
    with pair.waiting_target(secrets.token_bytes(32)):
        limit(pair.inner, {'max-bandwidth': SLOW, 'max-postcopy-bandwidth': SLOW})
        pair.migrate_start(postcopy_ram=True)
        start_postcopy(pair, since)
        pair.target.qmp.wait_event('SHADOW_GUEST_REFUSED', refusal)
        assert lab.wait_until(lambda: pair.inner.qmp.cmd('query-migrate')['status'] in
                              ('postcopy-paused', 'failed'))
        check_not_moved(pair)
        if pair.inner.qmp.cmd('query-migrate')['status'] == 'failed':
            assert states(pair) == ('active', 'incoming'), states(pair)
        else:
            assert states(pair) == ('frozen', 'incoming'), states(pair)
        pair.inner.stop()
        pair.new.kill()
        if pair.source.guest()['state'] == 'frozen':
            pair.source.qmp.cmd('shadow-guest-resume', guest='vm1')
    pair.boot_again()
    pair.new_session()
    pair.check_session()


def refused(pair, mode):
    """What QEMU says to a migration that it does not begin."""
    from qemu.qmp import ExecuteError
    limit(pair.inner, {'mode': mode})
    places = [{'channel-type': kind, 'addr': {'transport': 'socket', 'type': 'unix',
                                              'path': f'/tmp/{kind}'}}
              for kind in (['main', 'cpr'] if mode == 'cpr-transfer' else ['main'])]
    try:
        pair.inner.qmp.cmd('migrate', channels=places)
    except ExecuteError as error:
        return str(error)
    finally:
        limit(pair.inner, {'mode': 'normal'})
    raise AssertionError(f'{mode}: the migration has begun')


@lab.long
def test_cpr_refused(pair):
    """Before anything is frozen, and with the reason; QEMU may have one of its own"""
    schema = pair.inner.qmp.cmd('query-qmp-schema')
    modes = next(enum['values'] for enum in schema if enum['meta-type'] == 'enum' and
                 'cpr-reboot' in enum['values'])
    since = pair.source.qmp.mark()
    for mode in set(modes) - {'normal'}:
        error = refused(pair, mode)
        ours = "the console of 'vm1'" in error and "mode 'normal'" in error
        assert ours or 'not compatible with CPR' in error, (mode, error)
        assert ours or mode != 'cpr-reboot', (mode, error)
    assert not pair.source.qmp.find_event('SHADOW_GUEST_SAVED', since)
    assert pair.source.guest()['state'] == 'active', pair.source.guest()
    pair.check_session()


@lab.long
def test_colo_refused(pair):
    """By QEMU itself, where it is built without replication"""
    from qemu.qmp import ExecuteError
    try:
        pair.inner.set_capability('x-colo', True)
    except ExecuteError as error:
        assert 'COLO' in str(error), error
    else:
        with contextlib.suppress(ExecuteError):
            pair.inner.migrate_start('exec:cat')
        info = pair.inner.qmp.cmd('query-migrate')
        assert 'COLO' in info['error-desc'], info
        pair.inner.set_capability('x-colo', False)
    assert pair.source.guest()['state'] == 'active', pair.source.guest()
    pair.check_session()
