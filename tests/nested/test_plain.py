# SPDX-License-Identifier: GPL-2.0-or-later
"""An ordinary inner isa-serial: what the shadow is measured against."""

import lab


def boot(host, **options):
    from lab.console import ConsoleClient
    inner = host.start_inner('plain', shadow=False, append='quiet', **options)
    return inner, ConsoleClient().connect_plain(inner.console_address())


def test_password_is_in_the_trace(plain_host):
    from lab.trace import PioTrace
    inner, console = boot(plain_host)
    console.expect('login: ', 180)
    trace = PioTrace(plain_host).start()
    console.send('\r')
    console.login(lab.USER, lab.PASSWORD)
    seen = trace.stop()
    assert seen.serial > 0 and seen.lost == 0
    assert f'{lab.USER}\r{lab.PASSWORD}\r'.encode() in seen.read
    console.close()
    inner.stop()


def test_wrong_password_is_refused(plain_host):
    inner, console = boot(plain_host)
    console.expect('login: ', 180)
    console.send(f'{lab.USER}\r')
    console.expect('Password: ', 60)
    console.send('wrong\r')
    console.expect('Login incorrect', 60)
    for pause in (0.5, 1, 2, 4):     # see login() about the pause
        screen = console.login(lab.USER, lab.PASSWORD, pause=pause)
        assert console.command('id -u')[1].strip() == '1000'
        if lab.PASSWORD not in screen:
            break
        console.send('exit\r')
    else:
        raise AssertionError(f'the password is echoed: {screen}')
    console.close()
    inner.stop()


def test_transfer(plain_host):
    from lab.transfer import Transfer
    inner, console = boot(plain_host)
    console.login(lab.USER, lab.PASSWORD)
    transfer = Transfer(console, 8 * 1024, window=32).start()
    from_guest, to_guest = transfer.finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest)
    console.close()
    inner.stop()
