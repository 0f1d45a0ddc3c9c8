# SPDX-License-Identifier: GPL-2.0-or-later
"""Chromium without windows, led by its DevTools protocol through a pipe."""

import base64
import json
import os
import select
import subprocess
import tempfile
import threading
import time

LIMIT = 120 * int(os.environ.get('SHADOW_HANGS', 1))


class Browser:
    """One page; threads may share it. folder: where Chromium is unpacked; trusts: an Authority"""

    def __init__(self, folder, trusts=None):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        if trusts:
            trusts.introduce(self._profile.name)
        lib = f'{folder}/usr/lib'
        env = dict(os.environ, HOME=self._profile.name, FONTCONFIG_FILE=f'{folder}/fonts.conf',
                   LD_LIBRARY_PATH=f'{lib}/x86_64-linux-gnu:{folder}/lib/x86_64-linux-gnu:'
                                   f'{lib}/x86_64-linux-gnu/pulseaudio')
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        self._log = open(f'{self._profile.name}/log', 'wb')
        self._process = subprocess.Popen(
            # DevTools speaks on 3 and 4
            ['setpriv', '--pdeathsig', 'KILL', 'bash', '-c', 'exec "$@" 3<&"$IN" 4>&"$OUT"', 'bash',
             f'{lib}/chromium/chromium-headless-shell', '--remote-debugging-pipe', '--no-sandbox',
             '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars', '--no-first-run',
             '--disable-background-networking', '--window-size=820,560',
             f'--user-data-dir={self._profile.name}', 'about:blank'],
            env=dict(env, IN=str(to_read), OUT=str(to_write)), pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        os.close(to_read)
        os.close(to_write)
        self._lock = threading.Lock()
        self._buffer = b''
        self._last = 0
        self._session = None
        self.errors = []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self._session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log'):
            self.call(f'{domain}.enable')

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._log.close()
        self._profile.cleanup()

    def _message(self):
        end = time.monotonic() + LIMIT
        while b'\0' not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise TimeoutError('Chromium does not answer')
            data = os.read(self._from, 1 << 20)
            if not data:
                with open(self._log.name, errors='replace') as log:
                    raise EOFError('Chromium ended: ' + log.read()[-2000:])
            self._buffer += data
        message, self._buffer = self._buffer.split(b'\0', 1)
        return json.loads(message)

    def call(self, method, **params):
        with self._lock:
            return self._call(method, params)

    def _call(self, method, params):
        self._last += 1
        request = {'id': self._last, 'method': method, 'params': params}
        if self._session:
            request['sessionId'] = self._session
        data = json.dumps(request).encode() + b'\0'
        while data:
            data = data[os.write(self._to, data):]
        while True:
            message = self._message()
            if message.get('id') == self._last:
                assert 'error' not in message, (method, message['error'])
                return message['result']
            self._event(message)

    def _event(self, message):
        if message.get('method') == 'Runtime.exceptionThrown':
            self.errors.append(message['params']['exceptionDetails'])
        elif message.get('method') == 'Log.entryAdded':
            entry = message['params']['entry']
            if entry['source'] == 'security':
                self.errors.append(entry['text'])

    def open(self, url):
        self.call('Page.navigate', url=url)

    def run(self, expression):
        """What a JavaScript expression gives; of a promise, what it comes to"""
        answer = self.call('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True,
                           userGesture=True)
        assert 'exceptionDetails' not in answer, (expression, answer['exceptionDetails'])
        return answer['result'].get('value')

    def wait(self, expression):
        """Until it is true"""
        end = time.monotonic() + LIMIT
        while not self.run(f'Boolean({expression})'):
            if time.monotonic() > end:
                raise TimeoutError(f'{expression} does not come true: {self.run("document.body.innerText")}')
            time.sleep(0.05)

    def text(self, element):
        return self.run(f'document.getElementById({element!r}).textContent')

    def click(self, element):
        """As a person does, who waits until it can be clicked"""
        self.wait(f'!document.getElementById({element!r}).disabled')
        self.run(f'document.getElementById({element!r}).click()')

    def type(self, text):
        """Key by key, as a person does"""
        for char in text:
            key = {'\r': 'Enter'}.get(char, char)
            code = {'\r': 13}.get(char, 0)
            self.call('Input.dispatchKeyEvent', type='keyDown', key=key, text=char, windowsVirtualKeyCode=code)
            self.call('Input.dispatchKeyEvent', type='keyUp', key=key, windowsVirtualKeyCode=code)

    def screenshot(self, path):
        data = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=False)['data']
        with open(path, 'wb') as file:
            file.write(base64.b64decode(data))

    def screen(self):
        """The lines of the terminal, all of them"""
        return self.run('''(() => {
            const b = shadow.screen.term.buffer.active;
            return [...Array(b.length).keys()].map((n) => b.getLine(n).translateToString(true)).join("\\n");
        })()''').rstrip('\n')
