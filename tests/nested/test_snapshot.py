# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of the user VM by L1's root: refused, unless L0's operator allows them."""

import contextlib

import lab

FILE = '/tmp/vm1.migration'
IMAGE = '/tmp/vm1.qcow2'


def allow(vm, on):
    vm.host.qmp.cmd('qom-set', path='/objects/vm1', property='snapshots', value=on)


def hmp(vm, line):
    return vm.inner.qmp.hmp(line, timeout=300)


def check_active(vm):
    """The user VM goes on, and its console, where it is."""
    assert vm.inner.qmp.cmd('query-status')['running']
    assert vm.state()['state'] == 'active', vm.state()
    vm.check_console()


def told(vm):
    """How often the user was told that the machine went back"""
    return sum(each['text'].startswith('snapshot') for each in vm.console.told('notice'))


def check_went_back(vm, command, output, before):
    """The user was told, and has lost nothing that was typed."""
    from lab.transfer import Transfer
    assert lab.wait_until(lambda: told(vm) == before + 1), list(vm.console.describe())
    assert vm.console.gap == 0 and not vm.console.told('unsent')
    assert vm.console.command(command) == (0, output)
    from_guest, to_guest = Transfer(vm.console, 8 * 1024, window=32).start().finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest)


@contextlib.contextmanager
def disk(vm):
    vm.inner.add_disk(IMAGE)
    yield
    vm.inner.qmp.cmd('blockdev-del', node_name='disk')
    vm.inner.qmp.cmd('blockdev-del', node_name='image')
    vm.host.run(f'rm {IMAGE}', check=True)


def test_savevm(vm):
    with disk(vm):
        vm.console.command('when=before')
        since = vm.host.qmp.mark()
        error = hmp(vm, 'savevm one')
        assert 'snapshots=on' in error, error
        vm.host.qmp.wait_event('SHADOW_GUEST_REFUSED', since)
        check_active(vm)

        allow(vm, True)
        assert hmp(vm, 'savevm one') == ''
        check_active(vm)
        vm.console.command('when=after')
        before = told(vm)
        assert hmp(vm, 'loadvm one') == ''
        check_went_back(vm, 'echo $when', 'before\n', before)
        check_active(vm)

        # Refused in place: the console is as it was, and the user not told.
        vm.console.command('when=later')
        allow(vm, False)
        error = hmp(vm, 'loadvm one')
        assert 'snapshots=on' in error, error
        assert told(vm) == before + 1
        allow(vm, True)
        assert hmp(vm, 'loadvm one') == ''
        hmp(vm, 'cont')
        check_went_back(vm, 'echo $when', 'before\n', before + 1)
        check_active(vm)
        allow(vm, False)
    guest = vm.state()
    assert (guest['snapshots-saved'], guest['snapshots-restored']) == (1, 2), guest


def test_migration_to_file(vm):
    vm.inner.set_capability('return-path', False)
    vm.console.command('when=before')
    for uri in (f'file:{FILE}', f'exec:cat >{FILE}'):
        vm.inner.migrate_start(uri)
        info = vm.inner.migrate_wait()
        assert info['status'] == 'failed' and 'snapshots=on' in info['error-desc'], info
        check_active(vm)

    allow(vm, True)
    saves = vm.state()['snapshots-saved']
    vm.inner.migrate_start(f'file:{FILE}')
    assert vm.inner.migrate_wait()['status'] == 'completed'
    assert vm.state()['state'] == 'active', vm.state()
    assert vm.state()['snapshots-saved'] == saves + 1, vm.state()
    vm.inner.stop()
    vm.inner = vm.host.start_inner('vm1', incoming=True, **vm.options)
    vm.console.come_back(vm.host)
    vm.inner.set_capability('return-path', False)
    before = told(vm)
    vm.inner.qmp.cmd('migrate-incoming', uri=f'file:{FILE}')
    check_went_back(vm, 'echo $when', 'before\n', before)
    check_active(vm)
    vm.inner.set_capability('return-path', True)
    vm.host.run(f'rm {FILE}', check=True)
    allow(vm, False)
