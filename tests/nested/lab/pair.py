# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts and one user VM that goes back and forth between them."""

import concurrent.futures
import contextlib
import secrets

import lab

from .chardev import ChardevClient
from .doors import UserClient
from .emulated import cloud_host
from .private import MEMORY, add_imported, add_memory, remove_memory
from .trace import PioTrace


class Pair:
    """Hosts a and b, started in parallel; self.source has the user VM."""

    FIRMWARE = 'SeaBIOS'        # what is heard of it on the console
    SEEN_BY = 'KVM'             # whose trace watch() is

    def __init__(self, config, say=lambda text: None, cpus=1, names=('host-a', 'host-b'),
                 **options):
        self.say = say
        self.key = secrets.token_bytes(32)
        self.hosts = [cloud_host(config, name, cpus=cpus, **options) for name in names]
        self.source, self.target = self.hosts
        self.inner = self.new = None     # the inner QEMUs at the source and the target
        self.private = self.imported = False

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.launch(stack)
            self.wait_ready()
            self._stack = stack.pop_all()
        return self

    def launch(self, stack):
        """Start the hosts, which the stack ends."""
        for host in self.hosts:
            stack.enter_context(host)
        for host in self.hosts:
            host.launch()

    def wait_ready(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: host.wait_ready(), self.hosts))
        for host in self.hosts:
            self.say(f'{host.name}: cloud VM is up after {host.boot_seconds:.1f} s')

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def add_guest(self, guest='vm1', ports=1, target_key=None, **options):
        """The guest's shadow on both hosts, as the operator of L0 sets it up."""
        self.source.add_guest(guest, self.key, ports, **options)
        self.target.add_guest(guest, target_key or self.key, ports, incoming=True,
                              **options)

    def user(self, guest='vm1', port=1, start='end'):
        """Somebody at the console, wherever that is; the output from that position on"""
        return UserClient(self, guest, port, start)

    def boot(self, guest='vm1', client=True, **options):
        """Start the user VM at the source, with the user connected before."""
        console = self.user(guest) if client else None
        self.inner = self.source.start_inner(guest, **options)
        self.options = options
        return console

    def start_plain(self, **options):
        """An ordinary user VM at the source: its user, and what ends it"""
        inner = self.source.start_inner('plain', shadow=False, append='quiet', **options)
        return ChardevClient().connect_plain(inner.console_address()), inner.stop

    def watch(self):
        """What L1's root does at the source, until stop(), which says what it has seen"""
        return PioTrace(self.source).start()

    def keep_logs(self):
        """For a person to look at, with what the inner QEMUs have said."""
        for host in self.hosts:
            host.config.keep = True
            with contextlib.suppress(Exception), \
                    open(f'{host.dir}/inner.log', 'w', encoding='utf-8') as file:
                file.write(host.run('tail -n +1 /tmp/*.log; dmesg | tail -n 50')[1])

    # --- a user VM that many tests share ---

    def start_session(self, private=False, imported=False, user=lab.USER, **options):
        """A user VM with two ports, and no shadow yet at the other host. imported: its memory is
        private, too, but the cloud VM starts it."""
        for host in self.hosts:
            host.add_keys()
        self.private, self.imported = private or imported, imported
        self.source.add_guest('vm1', self.key, 2)
        if self.private:
            self._add_memory(self.source)
            options |= {'memory': MEMORY, 'private': private}
        self.console = self.boot(append='quiet', **options)
        self.person = user
        self.new_session()

    def add_target(self, ports, key=None, **properties):
        """The other host is to wait for the guest."""
        self.target.add_guest('vm1', key or self.key, ports, incoming=True, **properties)
        if self.private:
            self._add_memory(self.target)

    def _add_memory(self, host):
        if self.imported:
            add_imported(host)
        else:
            add_memory(host, host.config)

    def boot_again(self):
        """After the inner QEMU at the source has ended."""
        self.inner = self.source.start_inner(self.inner.name, **self.options)
        self.console.come_back(self.source)

    def new_session(self):
        self.console.login(self.person, lab.PASSWORD)
        self.mark = secrets.token_hex(4)
        self.console.command(f'export TRANSFER_MARK={self.mark}')

    def check_session(self):
        """The same shell, and nothing lost on the way to it."""
        assert self.console.command('echo $TRANSFER_MARK')[1].strip() == self.mark
        assert self.console.gap == 0, self.console.gap

    def introduce_hosts(self):
        """What the operators of both hosts tell each other."""
        self.source.qmp.cmd('shadow-guest-set-destination', guest='vm1',
                            encryption_key=self.target.public_key('encryption'))
        self.target.qmp.cmd('qom-set', path='/objects/host0', property='trusted-hosts',
                            value=[self.source.public_key('signing')])

    @contextlib.contextmanager
    def waiting_target(self, key=None, **properties):
        """The other host waits for the guest; where it is not then, it is removed."""
        self.add_target(2, key, **properties)
        yield
        if self.private:
            remove_memory(self.target)
        self.target.remove_guest('vm1', 2)

    def migrate_start(self, paused=False, through=lambda uri: uri, **capabilities):
        """Start the other inner QEMU, of which the machine may stay paused, and the
        migration, which may go through something on its way."""
        name = self.inner.name
        self.new = self.target.start_inner(name, incoming=True, **self.options,
                                           extra='-S' if paused else '')
        for capability, on in capabilities.items():
            for inner in (self.inner, self.new):
                inner.set_capability(capability.replace('_', '-'), on)
        uri = through(self.new.listen())
        self._marks = self.source.qmp.mark(), self.target.qmp.mark()
        self.inner.migrate_start(uri)

    def migrate_finish(self, *consoles, timeout=2 * lab.LONG):
        """After success the pair has changed places: (info, saved, restored)."""
        name = self.inner.name
        # Before the inner QEMU is asked: the user is to wait no longer than needed.
        for console in consoles:
            console.follow(self.target, self._has_failed, timeout)
        info = self.inner.migrate_wait(timeout)
        if info['status'] != 'completed':
            self.new.stop()
            return info, None, None
        saved = self.source.qmp.wait_event('SHADOW_GUEST_SAVED', self._marks[0],
                                           guest=name)['data']
        restored = self.target.qmp.wait_event('SHADOW_GUEST_RESTORED', self._marks[1],
                                              guest=name)['data']
        self.inner.stop()
        self.inner = self.new
        self.source, self.target = self.target, self.source
        return info, saved, restored

    def _has_failed(self):
        return self.inner.migration_ended() in ('failed', 'cancelled')

    def migrate(self, *consoles, timeout=2 * lab.LONG):
        self.migrate_start()
        return self.migrate_finish(*consoles, timeout=timeout)


class ChardevPair(Pair):
    """A pair of which the user is a plain client of the chardev"""

    def user(self, guest='vm1', port=1):
        return ChardevClient().connect(self.source, guest, port)
