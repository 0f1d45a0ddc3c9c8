# SPDX-License-Identifier: GPL-2.0-or-later
"""The page and its doors with TLS, as an operator sets them up."""

from test_page import has, seen, take


def test_tls(lab):
    """The page comes by https, the console by a websocket with TLS, from hosts that the browser trusts."""
    authority = lab.authority()
    origin = lab.serve(authority)
    here = lab.host('alpha', authority=authority, door=f'origin={origin}')
    there = lab.host('beta', authority=authority, door=f'origin={origin}', incoming=True)
    page = lab.page(here, there, trusts=authority)
    take(page)
    page.type('a')
    assert here.read(1) == 'a'
    text = 'much\r\n' * 3000      # more than one record of TLS
    here.print(f'{text}end')
    page.wait(has('end'))
    state = here.save()
    page.wait(seen('frozen'))
    page.type('bc')
    there.restore(state)
    here.call(8)
    page.wait(seen('on beta'))
    assert there.read(2) == 'bc'
    assert page.screen().count('much') == 3000
    assert not page.run('shadow.session.links[1].error')


def test_tls_of_a_stranger(lab):
    """A host whose certificate another has signed is not spoken to."""
    authority, stranger = lab.authority(), lab.authority()
    lab.serve(authority)
    host = lab.host('alpha', authority=stranger)
    page = lab.page(host, trusts=authority)
    page.wait(seen('no connection'))
    page.type('x')
    assert host.nothing()


def test_tls_without_a_certificate(lab):
    """Of a user who has shown none, where the host wants one, nothing is taken."""
    authority = lab.authority()
    lab.serve(authority)
    host = lab.host('alpha', authority=authority, asks=True)
    page = lab.page(host, trusts=authority)
    page.wait(seen('no connection'))
    page.type('x')
    assert host.nothing()
