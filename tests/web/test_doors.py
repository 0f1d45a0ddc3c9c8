# SPDX-License-Identifier: GPL-2.0-or-later
"""Which doors the page goes to, how, and what it takes from them."""

import json

import enemy
from outer import COMMIT
from test_page import has, seen, take


def test_hosts_json(lab):
    """Where the operator's file is, only the consoles in it: no link leads to a stranger's host."""
    alpha, beta, stranger = lab.host('alpha'), lab.host('beta'), lab.enemy([enemy.hello(host='stranger')])
    lab.server.files['/hosts.json'] = json.dumps({
        'vm1': [alpha.url], 'vm2': [beta.url, 'javascript:1', 3]})
    page = lab.browser(f'console=vm2&host={stranger.url}')
    page.wait(seen('on beta'))
    assert page.run('shadow.session.links.length') == 1
    for query in ('', 'console=vm3', 'console=__proto__', f'host={stranger.url}'):
        page.open(f'{lab.server.url}/?{query}&now')
        page.wait(f'location.search.startsWith({"?" + query!r}) && {seen("name a console: ?console=vm1 or vm2")}')
        assert page.run('globalThis.shadow === undefined')


LIES = {
    'JSON that is none': [enemy.frame('H', b'{"version": 1')],
    'JSON that is no object': [enemy.frame('H', b'[1]')],
    'another version': [enemy.hello(version=2)],
    'a state without a life': [enemy.hello({'life': '<b>'})],
    'no hello': [enemy.frame('O', b'x')],
    'a second hello': [enemy.hello() * 2],
    'a frame of an unknown type': [enemy.hello(), b'<html>' * 100],
    'too short or too long': [enemy.hello(), enemy.frame('O', b'x' * 40000, length=40000)],
    'a position that is too high': [enemy.hello(), enemy.frame('O', b'x', position=2**60)],
    'a field that should be 0': [enemy.hello(), enemy.frame('O', b'x', lease=5)],
    'text, where frames': ['hello'],
}


def hostile_doors(lab, authority=None):
    host = lab.host('alpha', authority=authority)
    doors = [lab.enemy(messages, authority=authority) for messages in LIES.values()]
    page = lab.page(host, *doors, trusts=authority)
    take(page)
    for number, why in enumerate(LIES, 1):
        page.wait(f'shadow.session.links[{number}].error.includes({why!r})')
    page.type('x')
    assert host.read(1) == 'x'


def test_hostile_doors(lab):
    """Each is left, and why is said; the others are not hurt."""
    hostile_doors(lab)


def test_hostile_doors_with_tls(lab):
    """A certificate makes nobody honest."""
    authority = lab.authority()
    lab.serve(authority)
    hostile_doors(lab, authority)


def test_moved_to_a_stranger(lab):
    """Where the guest has gone is told to the user; the page goes only to the hosts that it was given."""
    stranger = lab.enemy([enemy.hello({'state': 'active'}, host='stranger')])
    page = lab.page(lab.enemy([enemy.hello({'state': 'active'}),
                               enemy.notice('moved', state='gone', **{'moved-to': f'{stranger.url}<img src=x>'})]))
    page.wait(seen(f'gone to {stranger.url}<img src=x>'))
    assert page.run('document.querySelectorAll("img").length') == 0
    page.run('new Promise((done) => setTimeout(done, 2000))')
    assert page.run('shadow.session.links.length') == 1
    assert not stranger.came


def test_lies_in_a_move(lab):
    """
    A host that the guest has left, or has not reached, says what it likes of positions and leases: what waits
    is typed where the guest is, once, and what it prints is shown once.
    """
    authority = lab.authority()
    lab.serve(authority)
    here, there = (lab.host(name, authority=authority, incoming=name == 'beta') for name in ('alpha', 'beta'))
    lab.page(here, trusts=authority).wait(seen('on alpha'))
    life = here.life()
    liar = lab.enemy([enemy.hello({'life': life}, host='liar')], again=enemy.lies(life),
                     authority=authority)
    here.print('before\r\n')
    page = lab.page(here, there, liar, trusts=authority)
    take(page)
    page.wait('shadow.session.links[2].open')
    page.type('a')
    assert here.read(1) == 'a'
    state = here.save()
    page.wait(seen('frozen'))
    page.type('bcd')
    page.wait(seen('3 bytes wait'))
    there.restore(state)
    here.call(COMMIT)
    page.wait(seen('on beta'))
    assert there.read(3) == 'bcd'
    there.print('after\r\n')
    page.wait(has('after'))
    assert page.screen() == 'before\nafter', page.screen()
    assert there.nothing()
    assert page.run('document.getElementById("unsent").hidden')
    assert not page.run('shadow.session.links[2].lease')


def test_hostile_names(lab):
    """What a door says is text: no HTML, no control characters, nothing turned round; counts are counts."""
    name = '<img src=x onerror="document.title=1">\x1b[2J\u202eabc'
    person = {'client': 5, 'name': name, 'peer': name, 'role': 'write', 'since': -1}
    page = lab.page(lab.enemy([enemy.hello(
        {'state': 'active', 'protection': name, 'writer': person, 'clients': [person] * 20,
         'clients-total': 1e300, 'output-end': -5, 'leases': [{'lease': 'x'}] * 100},
        guest=name, device=name * 20, host=name), enemy.frame('N', json.dumps(
            {'event': name, 'reason': name, 'state': {'life': enemy.LIFE, 'state': 'active', 'attached': True,
                                                      'protection': name, 'writer': person}}).encode()),
        enemy.frame('O', b'<img src=x>\x1b]0;owned\x07end', position=3)]))
    page.wait(seen('keyboard: <img'))
    page.wait(has('end'))
    assert page.run('document.title') == 'Console'
    assert page.run('document.querySelectorAll("img").length') == 0
    shown = page.run('document.body.innerText')
    assert '\x1b' not in shown and '\u202e' not in shown, repr(shown)
    page.click('take')
    page.wait('document.getElementById("ask").open')
    assert page.run('document.querySelectorAll("img").length') == 0
    assert '<img' in page.text('ask-text')
