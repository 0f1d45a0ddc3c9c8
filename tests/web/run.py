#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
run.py [--images DIR] [NAME...]

Run the tests of the page (or those named) in Chromium, and print TAP. SHADOW_CHROMIUM: where that is; SHADOW_WEB: the
page; QEMU_BINARY: the outer QEMU. With --images, leave the pictures there that the documentation has.
"""

import contextlib
import os
import re
import sys
import tempfile
import time
import traceback
import urllib.parse

import test_doors
import test_page
import test_tls
from authority import Authority
from browser import Browser
from enemy import Enemy
from outer import Outer
from page import serve


class Lab:
    """What a test asks for; gone when it ends."""

    def __init__(self, server, stack, images):
        self.server = server
        self._stack = stack
        self._images = images
        self.pages = []

    def host(self, name, **options):
        return self._stack.enter_context(contextlib.closing(Outer(self.folder(), name, **options)))

    def enemy(self, messages, **options):
        return self._stack.enter_context(contextlib.closing(Enemy(messages, **options)))

    def authority(self):
        return Authority(self.folder(), os.environ['SHADOW_CHROMIUM'])

    def serve(self, authority):
        """The page from now on, with a certificate"""
        self.server = self._stack.enter_context(serve(os.environ['SHADOW_WEB'], authority))
        return self.server.url

    def folder(self):
        return self._stack.enter_context(tempfile.TemporaryDirectory())

    def browser(self, query, **options):
        browser = self._stack.enter_context(contextlib.closing(
            Browser(os.environ['SHADOW_CHROMIUM'], **options)))
        browser.open(f'{self.server.url}/?{query}')
        self.pages.append(browser)
        return browser

    def page(self, *hosts, **options):
        browser = self.browser(urllib.parse.urlencode([('host', host.url) for host in hosts]), **options)
        browser.wait('globalThis.shadow')
        return browser

    def screenshot(self, page, name):
        if self._images:
            page.screenshot(f'{self._images}/{name}.png')


def run(server, test, images):
    with contextlib.ExitStack() as stack:
        lab = Lab(server, stack, images)
        test(lab)
        for page in lab.pages:
            page.run('1')
            assert not page.errors, page.errors


def main(arguments):
    images = None
    if arguments[:1] == ['--images']:
        images = arguments[1]
        arguments = arguments[2:]
    tests = {name: test for module in (test_page, test_doors, test_tls) for name, test in vars(module).items()
             if name.startswith('test_')}
    unknown = set(arguments) - set(tests)
    if unknown:
        sys.exit(f'there is no {" ".join(unknown)}')
    failed = 0
    chosen = arguments or list(tests)
    print(f'1..{len(chosen)}', flush=True)
    for number, name in enumerate(chosen, 1):
        start = time.monotonic()
        try:
            with serve(os.environ['SHADOW_WEB']) as server:
                run(server, tests[name], images)
            said = 'ok'
        except Exception:    # whatever it is, the others are run
            print(re.sub('(?m)^', '# ', traceback.format_exc()))
            failed += 1
            said = 'not ok'
        print(f'{said} {number} {name} # {time.monotonic() - start:.1f} s', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
