# SPDX-License-Identifier: GPL-2.0-or-later
"""Users of a console who come with a browser, to the page of web/."""

import base64
import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

from . import ROOT
from .console import Console
from .host import HostError
from .patience import wait_until

sys.path.insert(0, f'{ROOT}/tests/web')

# What the terminal is given, for a test to look at: it has come from no other place.
LISTEN = '''(() => {
    globalThis.came = [];
    const { screen } = shadow, output = screen.output;
    screen.output = (bytes, end) => {
        came.push(String.fromCharCode(...bytes));
        output.call(screen, bytes, end);
    };
})()'''


@functools.cache
def set_up():
    if subprocess.run([f'{ROOT}/scripts/web.sh', '--set-up'], stdout=sys.stderr,
                      check=False).returncode:
        raise HostError('scripts/web.sh --set-up has failed')


def free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


class Pages:
    """A web server with the page, and doors for it at the hosts of a pair, all with TLS. Its consoles:
    the guest's, and the same for who only watches; one of the hosts lies. A context manager"""

    def __init__(self, pair, guest='vm1'):
        self.pair, self.guest = pair, guest
        set_up()

    def __enter__(self):
        from authority import Authority
        from enemy import Enemy, hello
        from page import serve
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='shadow-'))
            self.authority = Authority(folder, f'{ROOT}/build/chromium')
            server = stack.enter_context(serve(f'{ROOT}/build/web', self.authority))
            self.url = server.url
            self.liar = stack.enter_context(contextlib.closing(
                Enemy([hello(host='liar')], authority=self.authority)))
            server.files['/hosts.json'] = json.dumps({
                name: [self._add_door(host, role) for host in self.pair.hosts] + [self.liar.url]
                for name, role in ((self.guest, 'write'), ('watch', 'read'))})
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def _add_door(self, host, role):
        """Its address"""
        addr, creds = f'127.0.0.1:{free_port()}', f'{self.guest}-web-{role}-tls'
        host.qmp.cmd('object-add', qom_type='tls-creds-x509', id=creds, endpoint='server',
                     dir=self.authority.folder, verify_peer=False)
        host.qmp.cmd('object-add', qom_type='shadow-door', id=f'{self.guest}-web-{role}',
                     guest=self.guest, device=f'{self.guest}-com1', addr=addr, role=role,
                     websocket=True, tls_creds=creds, origin=self.url, host_name=host.name)
        return f'wss://{addr}'

    def lie(self):
        """From now on, as one who knows the console's life"""
        from enemy import lies
        life = self.pair.source.guest(self.guest)['devices'][0]['life']
        self.liar.messages, self.liar.again = [*self.liar.messages, *lies(life)], lies(life)


class BrowserUser(Console):
    """A person with a browser"""

    def __init__(self, pages, name, console='vm1'):
        super().__init__()
        from browser import Browser
        self.name = name
        self.page = Browser(f'{ROOT}/build/chromium', trusts=pages.authority)
        self.page.open(f'{pages.url}/?console={console}')
        self.page.wait('globalThis.shadow')
        self.page.run(f'localStorage.setItem("name", {name!r}); globalThis.before = 1')
        self.page.call('Page.reload')
        self.page.wait('!globalThis.before && globalThis.shadow?.screen')
        self.page.run(LISTEN)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def __str__(self):
        return f'browser of {self.name}'

    def _look(self):
        while not self._closing.is_set():
            if data := self.page.run('btoa(came.splice(0).join(""))'):
                self._came(base64.b64decode(data))
            else:
                time.sleep(0.05)

    @property
    def connected(self):
        return self.page.run('Boolean(shadow.session.current)')

    def describe(self):
        yield f'{self}: {self.page.run("document.body.innerText")!r}'

    def sees(self, text):
        """Until it is on the page, somewhere around the terminal"""
        found = 'document.querySelector("header").innerText + told.innerText'
        assert wait_until(lambda: text in self.page.run(found)), \
            f'{self} has no {text!r}: {self.page.run("document.body.innerText")!r}'

    def take(self, over=False):
        self.page.click('take')
        if over:
            self.page.wait('document.getElementById("ask").open')
            self.page.run('document.querySelector("#ask button[value=yes]").click()')
        assert wait_until(lambda: self.page.run('shadow.session.hasKeyboard')), self.name

    def send(self, data):
        """Into the terminal, as what is typed comes there"""
        text = data if isinstance(data, str) else data.decode('ascii')
        self.page.run(f'shadow.screen.term.input({json.dumps(text)})')

    def press(self, text):
        """Key by key"""
        self.page.type(text)

    def picture(self, name):
        """For the documentation, if somebody wants it"""
        folder = os.environ.get('SHADOW_PICTURES')
        if folder:
            self.page.screenshot(f'{folder}/{name}.png')

    def close(self):
        self._closing.set()
        self._thread.join()
        errors = self.page.errors
        self.page.close()
        assert not errors, errors
