# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM with an ordinary inner isa-serial: what the shadow is measured against."""

import lab

from .chardev import ChardevClient
from .patience import Patience


class PlainVm:
    """With serial=, a chardev of the inner QEMU's, its user is at that address."""

    def __init__(self, host, name='plain', address=None, **options):
        self.host, self.name, self.address, self.options = host, name, address, options

    def __enter__(self):
        self.inner = self.host.start_inner(self.name, shadow=False, append='quiet',
                                           **self.options)
        self.console = ChardevClient().connect_plain(self.address or
                                                     self.inner.console_address())
        return self

    def wait_login(self, timeout=lab.LONG):
        """Under an emulated L0 the inner port may lose an interrupt; a key helps. But not
        before there is a login: what waits when the driver starts holds up the interrupt's
        line, which then has no edge any more, and the port is dead."""
        patience = Patience(timeout)
        while not (match := self.console.expect_within('login: ', 5)):
            if patience.over(len(self.console.output)):
                raise patience.error('no login prompt on the ordinary console')
            if b'Welcome' in self.console.output:
                self.console.send('\r')
        return match

    def login(self):
        self.console.send('\r')
        self.wait_login()
        screen = self.console.login(lab.USER, lab.PASSWORD, prompt=False)
        assert lab.PASSWORD not in screen, 'the password was echoed'

    def __exit__(self, *_):
        self.console.close()
        if self.host.alive():
            self.inner.stop()
