# SPDX-License-Identifier: GPL-2.0-or-later
"""People at one console with nothing but a browser, while the user VM moves."""

import concurrent.futures
import contextlib
import re

import lab
from lab.paused import frozen

SIZE = 200 * 1024
LINE = re.compile(r'G(\d{7})[A-Za-z0-9+/]{62}[0-9a-f]{8}')


def transfer_and_move(pair, user, watcher, seed):
    """A migration in the midst of a transfer each way"""
    from lab.transfer import Transfer
    source, target = pair.source.name, pair.target.name
    transfer = Transfer(user, SIZE, seed=seed, window=32).start()
    assert lab.wait_until(lambda: transfer.progress > 0.05)
    user.sees(f'on {source}')
    with concurrent.futures.ThreadPoolExecutor() as pool, frozen(pair):
        for page in (user, watcher):
            page.sees('frozen')
            page.sees(f'on {source}')
        so_far = pool.submit(transfer.sync)     # more to be typed, however far it is
        user.sees('bytes wait')
    for page in (user, watcher):
        page.sees(f'on {target}')
        page.sees('active')
        page.sees('protected')
    user.sees('keyboard: you since')
    watcher.sees(f'keyboard: {user.name} (127.0.0.1:')
    assert all(count.good() for count in so_far.result()), so_far.result()
    assert transfer.progress < 1, 'the transfer ended before the migration'
    from_guest, to_guest = transfer.finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest, transfer.strange)
    for page in (user, watcher):
        scrollback_once(page)
    assert user.page.run('document.getElementById("waiting").hidden')


def scrollback_once(user):
    """What the terminal still has of the transfer is there once, and in order."""
    numbers = [int(n) for n in LINE.findall(''.join(user.page.screen().split()))]
    assert len(numbers) > 1000, user.page.screen()[-2000:]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers


@lab.long
def test_browsers_at_a_console(config):
    """One logs in with a browser only, another watches in his; the user VM moves there and
    back during transfers, and the keyboard is taken over while it is frozen. Nobody loses
    or doubles a byte, and what the pages say of it is true; a third host, which never has
    it, lies all the time."""
    from lab.pair import Pair
    from lab.web import BrowserUser, Pages
    with Pair(config) as pair, contextlib.ExitStack() as stack:
        pair.add_guest('vm1')
        pages = stack.enter_context(Pages(pair))

        def come(*args):
            return stack.enter_context(contextlib.closing(BrowserUser(pages, *args)))
        alice, watcher = come('alice'), come('carol', 'watch')
        alice.take()
        pages.lie()
        pair.boot('vm1', client=False, append='quiet')
        shown = alice.login(lab.USER, lab.PASSWORD)
        assert lab.PASSWORD not in shown
        # The firmware has turned wrapping off.
        alice.command("printf '\\033c'; export TRANSFER_MARK=the-same")
        for seed in (0x5eed1, 0x5eed2):
            transfer_and_move(pair, alice, watcher, seed)
        assert alice.command('echo $TRANSFER_MARK')[1].strip() == 'the-same'
        frozen_takeover(pair, alice, come('bob'))
        output = bytes(alice.output)
        assert lab.wait_until(lambda: len(watcher.output) >= len(output))
        assert bytes(watcher.output[:len(output)]) == output, 'who watched saw something else'
        assert alice.page.run('shadow.session.links[2].open'), 'nobody has lied'


def frozen_takeover(pair, alice, bob):
    """Another takes the keyboard over while the user VM is frozen, and goes on typing at
    the other host, in the same shell; of what the first has typed nothing comes."""
    source, target = pair.source.name, pair.target.name
    alice.command("printf '\\033c'; uname -a; uptime")
    with frozen(pair):
        alice.sees('frozen')
        alice.press('echo not-to-be-typed')
        alice.sees('20 bytes wait')
        alice.picture('web-frozen')
        bob.sees('keyboard: alice (127.0.0.1:')
        bob.take(over=True)
        alice.sees('keyboard: bob (127.0.0.1:')
        assert alice.page.text('unsent-text') == 'echo not-to-be-typed'
        alice.picture('web-taken-over')
        bob.press('echo $TRANSFER_MARK-$((1+1))\r')
        bob.sees('29 bytes wait')
        bob.sees(f'on {source}')
    for user in (bob, alice):
        user.expect('the-same-2\r\n')
        user.sees(f'on {target}')
        user.sees('active')
        assert b'not-to-be-typed' not in user.output
    bob.sees('keyboard: you since')
    bob.picture('web-moved')
    alice.sees('keyboard: bob (127.0.0.1:')
    alice.press('x')
    assert alice.page.run('shadow.session.waiting') == 0
