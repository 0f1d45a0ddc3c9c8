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


def add_door(host, guest='vm1', port=1, role='write', **options):
    """One for browsers; its address"""
    addr = f'127.0.0.1:{free_port()}'
    host.qmp.cmd('object-add', qom_type='shadow-door', id=f'{guest}-web{port}-{role}',
                 guest=guest, device=f'{guest}-com{port}', addr=addr, role=role,
                 websocket=True, host_name=host.name, **options)
    return f'ws://{addr}'


@contextlib.contextmanager
def pages(pair, guest='vm1'):
    """The web server's address. Its consoles: the guest's, and the same for who only watches"""
    from page import serve
    set_up()
    with serve(f'{ROOT}/build/web') as server:
        server.files['/hosts.json'] = json.dumps({
            name: [add_door(host, guest, role=role) for host in pair.hosts]
            for name, role in ((guest, 'write'), ('watch', 'read'))})
        yield f'http://127.0.0.1:{server.server_port}'


class BrowserUser(Console):
    """A person with a browser"""

    def __init__(self, server, name, console='vm1'):
        super().__init__()
        from browser import Browser
        self.name = name
        self.page = Browser(f'{ROOT}/build/chromium')
        self.page.open(f'{server}/?console={console}')
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
        folder = os.environ.get('SHADOW_IMAGES')
        if folder:
            self.page.screenshot(f'{folder}/{name}.png')

    def close(self):
        self._closing.set()
        self._thread.join()
        errors = self.page.errors
        self.page.close()
        assert not errors, errors
