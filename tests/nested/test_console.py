# SPDX-License-Identifier: GPL-2.0-or-later
"""People at one console, by ssh and with shadow-console, while the user VM moves."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time

import lab
from lab.patience import scaled
from lab.paused import frozen

SIZE = 200 * 1024


@contextlib.contextmanager
def consoles(config):
    """Two hosts with doors, and an sshd; the user VM is not running yet."""
    sys.path.insert(0, f'{lab.ROOT}/tests/client')
    from lab.doors import add_doors
    from lab.pair import Pair
    from test_sshd import Gateway
    with Pair(config) as pair, tempfile.TemporaryDirectory(prefix='shadow-') as folder:
        pair.add_guest('vm1')
        hosts = add_doors(pair, f'{folder}/hosts')
        with Gateway(folder) as gateway:
            yield pair, gateway, folder, hosts


def program(*args):
    from lab.doors import PROGRAM
    return [PROGRAM, *args]


class Watchers:
    """Readers of all the output, into files"""

    def __init__(self, stack, folder, hosts, count):
        self.paths = [f'{folder}/watched-{n}' for n in range(count)]
        for path in self.paths:
            file = stack.enter_context(open(path, 'wb'))
            process = subprocess.Popen(
                program('watch', '--from', 'oldest', '--hosts', hosts, 'vm1'),
                stdin=subprocess.DEVNULL, stdout=file)
            stack.callback(process.wait)
            stack.callback(process.kill)

    def all_saw(self, output):
        for path in self.paths:
            assert lab.wait_until(lambda p=path: os.path.getsize(p) >= len(output)), path
            with open(path, 'rb') as file:
                seen = file.read()
            assert seen[:len(output)] == output, f'{path}: {len(seen)} bytes, {len(output)} wanted'


def answered(hosts):
    """How long a newcomer waits for an answer, in seconds"""
    started = time.monotonic()
    done = subprocess.run(program('list', '--hosts', hosts, 'vm1'), capture_output=True, check=True)
    assert b'vm1/vm1-com1' in done.stdout, done
    return time.monotonic() - started


def transfer_and_move(pair, console, hosts):
    """A migration in the midst of a transfer each way; it stands still while frozen."""
    from lab.transfer import Transfer
    transfer = Transfer(console, SIZE, window=32).start()
    assert lab.wait_until(lambda: transfer.progress > 0.05)
    with frozen(pair):
        slow = answered(hosts)
    assert transfer.progress < 1, 'the transfer ended before the migration'
    from_guest, to_guest = transfer.finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
    return slow


@lab.long
def test_people_at_a_console(config):
    """One logs in with ssh only, two watch, another takes the keyboard over while it is
    frozen; the user VM moves there and back during transfers. Nobody loses or doubles a
    byte, the recordings of each stay join, and a newcomer is answered at once."""
    from lab.doors import DoorClient, Recorder
    with consoles(config) as (pair, gateway, folder, hosts), contextlib.ExitStack() as stack:
        key = gateway.certify('host', 'vm1:door')
        doors = open(hosts, encoding='utf-8').read().split()

        def record(n, *options):
            recorder = Recorder(f'{folder}/{n}.cast', doors[n % 2], '--key', key, '--stay',
                                *options)
            stack.callback(recorder.close)
            return recorder
        first = record(0)
        alice = DoorClient(gateway.ssh(gateway.certify('alice', 'vm1:write'), '-T'))
        stack.callback(alice.close)
        watchers = Watchers(stack, folder, hosts, 2)
        pair.boot('vm1', client=False, append='quiet')
        shown = alice.login(lab.USER, lab.PASSWORD)
        assert lab.PASSWORD not in shown
        alice.command('export TRANSFER_MARK=the-same')
        waited = [transfer_and_move(pair, alice, hosts)]
        first.finish()
        second = record(1, '--after', first.path)
        waited.append(transfer_and_move(pair, alice, hosts))
        second.finish()
        third = record(2, '--after', second.path)
        assert alice.command('echo $TRANSFER_MARK')[1].strip() == 'the-same'
        alice.send('sleep 1; echo taken-$((40+2))\r')
        alice.expect('sleep 1')

        frozen_takeover(pair, hosts, alice, stack)
        third.finish()
        output = bytes(alice.output)
        watchers.all_saw(output)
        recorded = b''.join(recorder.played() for recorder in (first, second, third))
        assert recorded[:len(output)] == output[:len(recorded)], 'the recordings differ'
        subprocess.run(program('verify', *(r.path for r in (first, second, third))), check=True)
        print(f'# newcomers had an answer after {waited} s', flush=True)
        assert max(waited) < scaled(0.1), waited


def frozen_takeover(pair, hosts, alice, stack):
    """Another takes the keyboard over while the user VM is frozen, and goes on typing at
    the other host, in the same shell."""
    from lab.doors import DoorClient
    with frozen(pair):
        bob = DoorClient(program('attach', '--force', '--name', 'bob', '--from', 'oldest',
                                 '--hosts', hosts, 'vm1'))
        stack.callback(bob.close)
        assert lab.wait_until(lambda: b'you do not have the keyboard' in alice.said), alice.said
        bob.send('echo $TRANSFER_MARK-$((1+1))\r')
    bob.expect('the-same-2\r\n')
    alice.expect('the-same-2\r\n')
