# SPDX-License-Identifier: GPL-2.0-or-later
"""What fails at the worst moment: the console is on exactly one side, or comes back."""

from lab.paused import cancel, go_on, paused, restart, start
from lab.transfer import Transfer


# --- on one host ---

def test_inner_qemu_killed(vm):
    """Another one takes the guest over, and its console goes on."""
    vm.inner.kill()
    assert vm.state()['state'] == 'active', vm.state()
    vm.boot().login()
    assert vm.state()['bound-by-process'], vm.state()
    assert vm.console.gap == 0


def test_inner_qemu_killed_then_one_without_agent(vm):
    """No binding is left for a process that may get the same page tables."""
    from lab.plain import PlainVm
    vm.inner.kill()
    before = vm.state()['accesses']
    for name in ('plain1', 'plain2'):
        with PlainVm(vm.host, name) as plain:
            plain.console.expect('SeaBIOS')
            if name == 'plain2':
                plain.wait_login()
                plain.login()
                assert plain.console.command('echo $((6*7))')[1] == '42\n'
    assert vm.state()['accesses'] == before, (before, vm.state())
    vm.boot().login()
    assert vm.state()['accesses'] > before


def test_cloud_vm_reset(vm):
    since = vm.host.qmp.mark()
    vm.host.reset()
    reason = vm.host.qmp.wait_event('SHADOW_GUEST_UNBOUND', since)['data']['reason']
    assert 'reset' in reason, reason
    assert not vm.state()['bound-by-process'], vm.state()
    vm.boot().login()
    assert vm.console.gap == 0


# --- in a migration ---

def test_cancelled_before_save(pair):
    with paused(pair):
        cancel(pair)
        pair.new.kill()


def test_cancelled_after_save(pair):
    with paused(pair, saved=True):
        cancel(pair)
        pair.new.kill()


def test_cancelled_during_save(pair):
    """As near as can be: at once after the migration was told to go on, and at once
    after L0 has said that it saved. It may be too late; then it has succeeded."""
    for saved in (False, True):
        with pair.waiting_target():
            transfer = Transfer(pair.console, 16 * 1024, window=32).start()
            start(pair)
            since = pair.source.qmp.mark()
            go_on(pair)
            if saved:
                pair.source.qmp.wait_event('SHADOW_GUEST_SAVED', since)
            pair.inner.qmp.cmd('migrate_cancel')
            info, _, _ = pair.migrate_finish(pair.console)
            from_guest, to_guest = transfer.finish()
            assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
            pair.inner.set_capability('pause-before-switchover', False)
            pair.check_session()
            assert pair.source.guest()['state'] == 'active', pair.source.guest()
            # What has been given up at the source may just have begun at the target.
            there = pair.target.guest()
            assert not there['bound-by-process'], there
            assert there['state'] in (['gone'] if info['status'] == 'completed' else
                                      ['incoming', 'active']), (info, there)


def test_target_killed_before_save(pair):
    with paused(pair):
        pair.new.kill()
        go_on(pair)
        assert pair.inner.migrate_wait()['status'] == 'failed'


def test_target_killed_after_save(pair):
    with paused(pair, saved=True):
        pair.new.kill()
        assert pair.inner.migrate_wait()['status'] == 'failed'


def test_no_return_path(pair):
    """The source stays frozen and says so, and an operator may decide."""
    from qemu.qmp import ExecuteError
    with pair.waiting_target():
        source, target, inner = pair.source, pair.target, pair.inner
        since = target.qmp.mark()
        pair.migrate_start(return_path=False)
        assert inner.migrate_wait()['status'] == 'completed'
        target.qmp.wait_event('SHADOW_GUEST_ACTIVATED', since, guest='vm1')
        assert source.guest()['state'] == 'frozen', source.guest()
        log = inner.log()
        assert 'return-path' in log and 'frozen' in log, log
        inner.stop()
        pair.inner, pair.source, pair.target = pair.new, target, source
        pair.inner.set_capability('return-path', True)
        pair.check_session()
        try:
            target.qmp.cmd('shadow-guest-resume', guest='vm1')
            raise AssertionError('an active guest has been resumed')
        except ExecuteError as error:
            assert 'it is active' in str(error), error
        source.qmp.cmd('shadow-guest-resume', guest='vm1')
        assert source.guest()['state'] == 'active', source.guest()


def test_source_killed_before_save(pair):
    with paused(pair, session=False):
        pair.inner.kill()
        pair.new.kill()
        assert pair.source.guest()['state'] == 'active', pair.source.guest()
    restart(pair)


def test_source_killed_after_save(pair):
    from lab.uservm import refused
    with paused(pair, saved=True, session=False):
        pair.inner.kill()
        pair.new.kill()
        assert pair.source.guest()['state'] == 'frozen', pair.source.guest()
        error = refused(pair.source, 'vm1', append='quiet')
        assert 'not active' in error and 'shadow-guest-resume' in error, error
        pair.source.qmp.cmd('shadow-guest-resume', guest='vm1')
    restart(pair)


def test_source_cloud_reset_after_save(pair):
    with paused(pair, saved=True, session=False):
        pair.source.reset()
        pair.new.kill()
        state = pair.source.guest()
        assert state['state'] == 'frozen' and not state['bound-by-process'], state
        pair.source.qmp.cmd('shadow-guest-resume', guest='vm1')
    restart(pair)


def test_target_cloud_reset_after_save(pair):
    with paused(pair, saved=True):
        pair.target.reset()
        cancel(pair)
