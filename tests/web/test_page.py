# SPDX-License-Identifier: GPL-2.0-or-later
"""The page in a browser, at doors of real outer QEMUs."""

from outer import COMMIT


def has(text):
    return f'shadow.screen.serialize.serialize().includes({text!r})'


def seen(text):
    return f'document.body?.innerText.includes({text!r})'


def take(browser):
    browser.click('take')
    browser.wait('shadow.session.hasKeyboard')


def test_login(lab):
    """Who comes sees the screen; what is typed comes once; what is printed is seen once."""
    host = lab.host('alpha')
    host.print('old\r\n\x1b[2J\x1b[Hwelcome\r\nlogin: ')
    page = lab.page(host)
    page.wait(has('login:'))
    assert page.screen() == 'welcome\nlogin: ', repr(page.screen())
    assert cursor(page) == [7, 1], cursor(page)
    page.type('lost')
    page.wait(seen('vm1 com1 on alpha'))
    page.wait(seen('nobody has the keyboard'))
    take(page)
    page.wait(seen('keyboard: you since'))
    page.type('root\r')
    assert host.read(5) == 'root\r'
    host.print('root\r\n$ ')
    page.wait(has('login: root'))
    assert host.nothing()


def cursor(page):
    page.run('new Promise((done) => shadow.screen.term.write("", done))')
    return page.run('[shadow.screen.term.buffer.active.cursorX, shadow.screen.term.buffer.active.cursorY]')


def redraw(page):
    page.run('void (globalThis.term_before = shadow.screen.term)')
    page.click('redraw')
    page.wait('shadow.screen.term !== term_before')


# What is printed on a clear screen, and where the cursor is then
SCREENS = [
    ('login: ', [7, 0]),
    ('one\r\ntwo\r\n\x1b[3;8H', [7, 2]),
    ('x' * 80 + '\x1b[1;8H', [7, 0]),              # a full line, and back
    ('x' * 80, [80, 0]),                           # a full line: the next character begins another
    ('x' * 200 + '\r\n$ ', [2, 3]),
    ('line\r\n' * 60 + '\x1b[3;8H', [7, 2]),
    ('shell\x1b[?1049h\x1b[2J\x1b[3;8H', [7, 2]),     # the other screen, as an editor has it
    ('\x1b[3;10r\x1b[?6h\x1b[1;8H', [7, 2]),         # a part of the screen that scrolls, and counts from its top
    ('one\x1b[?25l\x1b[3', [3, 0]),                  # half a sequence
]


def test_redraw(lab):
    """The same screen, cursor and all; with what comes next it goes on where it was."""
    host = lab.host('alpha')
    page = lab.page(host)
    page.wait('shadow.session.current')
    printed = 0
    for text, where in SCREENS:
        text = f'\x18\x1bc{text}'
        host.print(text)
        printed += len(text)
        page.wait(f'shadow.session.position === {printed}')
        assert cursor(page) == where, (text, cursor(page))
        screen = page.screen()
        redraw(page)
        assert cursor(page) == where, (text, cursor(page))
        assert page.screen().endswith(screen), (text, page.screen())
    host.print(';8Hthree')
    page.wait(has('three'))
    assert cursor(page) == [12, 2], cursor(page)


def test_old_questions(lab):
    """What the guest asked of the terminal is answered once, however often it is drawn."""
    host = lab.host('alpha')
    page = lab.page(host)
    take(page)
    host.print('\x1b[3;8H\x1b[6n')
    assert host.read(6) == '\x1b[3;8R'
    redraw(page)
    redraw(page)
    page.type('q')
    assert host.read(1) == 'q'
    assert host.nothing()


def test_kept_screen(lab):
    """A page that is loaded anew has the cursor where it was."""
    host = lab.host('alpha')
    page = lab.page(host)
    page.wait('shadow.session.current')
    host.print('x' * 80 + '\x1b[1;8H')
    page.wait('(sessionStorage[Object.keys(sessionStorage)[0]] ?? "").includes("xxx")')
    page.run('globalThis.before = 1')
    page.call('Page.reload')
    page.wait('!globalThis.before && globalThis.shadow?.session.current')
    host.print('y')
    page.wait(has('y'))
    assert page.screen() == 'x' * 7 + 'y' + 'x' * 72, page.screen()
    assert cursor(page) == [8, 0], cursor(page)


def test_break(lab):
    host = lab.host('alpha')
    page = lab.page(host)
    take(page)
    page.click('break')
    page.wait('!shadow.session.waitingBreaks')
    host.read_break()
    page.type('x')
    assert host.read(1) == 'x'


def test_reconnect(lab):
    """Neither a new connection nor a new page shows anything twice."""
    host = lab.host('alpha')
    host.print('one\r\n')
    page = lab.page(host)
    page.wait(has('one'))
    host.remove_door()
    page.wait('!shadow.session.current')
    host.print('two\r\n')
    host.add_door()
    page.wait(has('two'))
    assert page.screen() == 'one\ntwo', page.screen()
    page.wait('(sessionStorage[Object.keys(sessionStorage)[0]] ?? "").includes("two")')
    page.run('globalThis.before = 1')
    page.call('Page.reload')
    page.wait('!globalThis.before && globalThis.shadow?.session.current')
    host.print('three\r\n')
    page.wait(has('three'))
    assert page.screen() == 'one\ntwo\nthree', page.screen()


def test_move(lab):
    """What is typed while the guest moves waits, and comes once."""
    here, there = lab.host('alpha'), lab.host('beta', incoming=True)
    here.print('before\r\n')
    page = lab.page(here, there)
    page.wait(has('before'))
    take(page)
    page.type('a')
    assert here.read(1) == 'a'
    state = here.save()
    page.wait(seen('frozen'))
    page.type('bcd')
    page.wait(seen('3 bytes wait'))
    here.qmp('shadow-door-set-moved-to', **{'guest': 'vm1', 'moved-to': 'beta'})
    here.call(COMMIT)
    page.wait(seen('gone to beta'))
    page.wait(seen('3 bytes wait'))
    lab.screenshot(page, 'web-gone')
    there.restore(state)
    page.wait(seen('on beta'))
    page.wait('shadow.session.hasKeyboard')
    assert there.read(3) == 'bcd'
    there.print('after\r\n')
    page.wait(has('after'))
    assert page.screen() == 'before\nafter', page.screen()
    page.wait('document.getElementById("waiting").hidden')
    assert there.nothing()


def test_take_over(lab):
    """Two users: the second is told who has the keyboard, and may take it; the first sees what was not sent."""
    host = lab.host('alpha')
    first, second = lab.page(host), lab.page(host)
    take(first)
    host.save()
    first.wait(seen('frozen'))
    first.type('not-sent')
    second.wait(seen('keyboard: web ('))
    second.wait(seen('2 connected'))
    second.click('take')
    second.wait('document.getElementById("ask").open')
    second.run('document.querySelector("#ask button[value=yes]").click()')
    second.wait('shadow.session.hasKeyboard')
    first.wait('!shadow.session.hasKeyboard && !shadow.session.wanted')
    first.wait(seen('not-sent'))
    assert first.run('''(() => {
        const { left, top, width, height } = document.getElementById("unsent-text").getBoundingClientRect();
        return document.elementFromPoint(left + width / 2, top + height / 2).id;
    })()''') == 'unsent-text', 'it is hidden'
    host.qmp('shadow-guest-resume', guest='vm1')
    second.wait(f'{seen("began anew")} && shadow.session.hasKeyboard')
    second.type('x')
    assert host.read(1) == 'x'


def test_two_active(lab):
    one, other = lab.host('alpha'), lab.host('beta')
    page = lab.page(one, other)
    page.wait(seen('TWO HOSTS'))
    page.type('x')
    assert one.nothing() and other.nothing()


def test_paste(lab):
    """Of many lines: only when the user has said so"""
    host = lab.host('alpha')
    page = lab.page(host)
    take(page)
    paste = '''(() => {{ const d = new DataTransfer(); d.setData("text/plain", {!r});
        document.querySelector(".xterm-helper-textarea").dispatchEvent(
            new ClipboardEvent("paste", {{ clipboardData: d, bubbles: true, cancelable: true }})); }})()'''
    page.run(paste.format('one'))
    assert host.read(3) == 'one'
    page.run(paste.format('two\nlines'))
    page.wait('document.getElementById("ask").open')
    assert 'Send 2 lines?' in page.text('ask-text')
    page.run('document.querySelector("#ask button[value=no]").click()')
    page.wait('document.getElementById("ask").onclose === null')
    page.run(paste.format('a\nb'))
    page.wait('document.getElementById("ask").open')
    page.run('document.querySelector("#ask button[value=yes]").click()')
    assert host.read(3) == 'a\rb'


def test_hostile_guest(lab):
    """What a guest prints is no HTML, no title, no link, no answer to an old question."""
    host = lab.host('alpha')
    host.print('\x1b[6n\x1b[c')
    page = lab.page(host)
    title = page.run('document.title')
    take(page)
    host.print('\x1b]0;owned\x07\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07'
               '<img src=x onerror="document.title=1">\x1b]52;c;ZXZpbA==\x07\r\nend')
    page.wait(has('end'))
    assert page.run('document.title') == title
    assert page.run('document.querySelectorAll("img").length') == 0
    page.type('q')
    assert host.read(1) == 'q'


def test_reader(lab):
    """At a door for readers one sees, and has no keyboard."""
    host = lab.host('alpha', door='role=read')
    host.print('hello')
    page = lab.page(host)
    page.wait(has('hello'))
    assert page.run('document.getElementById("take").disabled')
    page.run('shadow.session.take("f")')
    page.wait(seen('this door is for readers'))
    page.type('x')
    assert host.nothing()


def test_search(lab):
    host = lab.host('alpha')
    host.print('needle\r\n' + 'hay\r\n' * 50 + 'end')
    page = lab.page(host)
    page.wait(has('end'))
    page.run('document.getElementById("search").focus(); document.getElementById("search").value = "needle"')
    page.type('\r')
    page.wait('shadow.screen.term.getSelection() === "needle"')
    page.run('document.getElementById("search").value = "nowhere"')
    page.type('\r')
    page.wait('document.getElementById("found").textContent === "not found"')
