# SPDX-License-Identifier: GPL-2.0-or-later
"""An ordinary inner isa-serial: what the shadow is measured against."""

import lab


def test_password_is_in_the_trace(plain):
    assert plain.seen.serial > 0 and plain.seen.lost == 0, plain.seen
    assert f'{lab.USER}\r{lab.PASSWORD}\r'.encode() in plain.seen.read, plain.seen


def test_login_is_real(plain):
    """A wrong password is refused; the right one is not echoed, other input is."""
    console = plain.console
    assert console.command('id -u')[1].strip() == '1000'
    assert 'echo' in console.command('stty -a')[1].split()
    console.send('exit\r')
    console.expect('login: ')
    console.send(f'{lab.USER}\r')
    console.expect('Password: ')
    console.send('wrong\r')
    console.expect('Login incorrect')
    plain.login()


def test_transfer(plain):
    from lab.transfer import Transfer
    transfer = Transfer(plain.console, 4 * 1024, window=32)
    transfer.release()
    from_guest, to_guest = transfer.start().finish()
    assert from_guest.good() and to_guest.good(), (from_guest, to_guest)


def test_agent_without_ultracall(plain):
    from lab.uservm import refused
    error = refused(plain.host, 'vm1')
    assert '-device ultracall' in error, error
