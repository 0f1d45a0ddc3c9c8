# SPDX-License-Identifier: GPL-2.0-or-later
"""Output that is sent ahead: all of it is at the other host in the end, or the
migration fails and the source goes on."""

import lab
from lab.paused import go_on, start

REST = 8 * 1024 + 128


def com1(host):
    return next(device for device in host.guest()['devices'] if device['id'] == 'vm1-com1')


def agent_set(pair, value):
    """The source's agent, while the user VM runs"""
    folder = '/machine/peripheral-anon'
    agent = next(child['name'] for child in pair.inner.qmp.cmd('qom-list', path=folder)
                 if child['type'] == 'child<shadow-agent>')
    pair.inner.qmp.cmd('qom-set', path=f'{folder}/{agent}', property='history-ahead',
                       value=value)


def check_whole(pair):
    """A new user gets all that is kept, byte for byte what the first one had."""
    from lab.chardev import ChardevClient
    console = pair.console
    console.close()
    begin = com1(pair.source)['output-start']
    expected = bytes(console.output[begin - console.base:])
    assert len(expected) > 20000, len(expected)
    other = ChardevClient().connect(pair.source)
    assert lab.wait_until(lambda: len(other.output) >= len(expected)), len(other.output)
    assert other.base == begin and bytes(other.output) == expected
    other.close()
    console.connect(pair.source)
    pair.check_session()


def migrate(pair):
    """Without and with history, there and back; the new user's host shows all."""
    pair.console.command('seq 5000')
    before = com1(pair.source)
    info, saved, restored = pair.migrate(pair.console)
    assert info['status'] == 'completed', info
    assert saved['bytes'] == restored['bytes'], (saved, restored)
    assert com1(pair.source)['output-start'] == before['output-start'], before
    pair.check_session()
    return saved['bytes']


def test_whole(chardev_pair):
    pair = chardev_pair
    with pair.waiting_target(replay='history'):
        assert migrate(pair) == REST
        check_whole(pair)


def test_without(chardev_pair):
    pair = chardev_pair
    with pair.waiting_target(replay='history'):
        agent_set(pair, False)
        assert migrate(pair) > 128 * 1024
        check_whole(pair)


def refused_after(pair, deed):
    since = pair.target.qmp.mark()
    with pair.waiting_target():
        start(pair)
        deed()
        go_on(pair)
        assert pair.inner.migrate_wait()['status'] == 'failed'
        reason = pair.target.qmp.wait_event('SHADOW_GUEST_REFUSED', since)['data']['reason']
        assert 'history' in reason, reason
        pair.new.stop()
        pair.inner.set_capability('pause-before-switchover', False)
        assert pair.source.guest()['state'] == 'active', pair.source.guest()
        assert pair.target.guest()['state'] == 'incoming', pair.target.guest()
        pair.check_session()
        assert migrate(pair) == REST


def test_dropped(chardev_pair):
    """L1 has the destination forget what has arrived."""
    pair = chardev_pair
    refused_after(pair, lambda: pair.target.run('ultracall unbind vm1', check=True))


def test_swapped(chardev_pair):
    """L1 keeps back a newer one."""
    pair = chardev_pair
    refused_after(pair, lambda: pair.source.run('ultracall history vm1', check=True))
