# SPDX-License-Identifier: GPL-2.0-or-later
"""A door and its console as docs/door.rst has them, for tests of clients: no QEMU.

A test says what happens to the guest; and it can make the host lie.
"""

import contextlib
import copy
import json
import os
import secrets
import socket
import struct
import threading
import time

HEADER = struct.Struct('>cBHIQ')
PAYLOAD_MAX = 16384


def frame(kind, payload=b'', lease=0, position=0):
    return HEADER.pack(kind.encode(), 0, len(payload), lease, position) + payload


class Console:
    """What moves from host to host: output, input, counts."""

    def __init__(self, output=b''):
        self.life = secrets.token_bytes(16)
        self.epoch = 1
        self.output = bytearray(output)
        self.start = 0              # oldest byte that is held
        self.input = bytearray()    # accepted, from 0 on
        self.breaks = []            # positions
        self.leases = []            # (number, start)

    def note_lease(self, lease, position):
        """What is accepted from there on is of that lease."""
        if not self.leases or self.leases[-1][0] != lease:
            self.leases.append((lease, position))


class Host:
    """One host: a listener, and perhaps the console."""

    def __init__(self, folder, name, console=None, state='active', role='write'):
        self.name, self.state, self.role = name, state, role
        self.path = os.path.join(folder, name)
        self.address = f'unix:{self.path}'
        self.console = console or Console()
        self.protection = 'forced'
        self.measurement = None
        self.attached = True
        self.lock = threading.RLock()
        self.users = []
        self.writer = None          # a User
        self.window = 16384         # how much more is accepted
        self.echo = False
        self.with_leases = True
        self.deaf_to_breaks = False
        self.chardev = None
        self.numbers = 0
        self.received = []          # frames, as (kind, lease, position, payload)
        self.open()

    def open(self):
        self.listener = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.make_user(connection).run, daemon=True).start()

    def make_user(self, connection):
        return User(self, connection)

    def close(self):
        """As if the host had died"""
        # A thread that waits in accept() keeps it open.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.hang_up()

    def hang_up(self):
        with self.lock:
            for user in list(self.users):
                user.end()

    # --- the guest ---

    def write(self, data):
        with self.lock:
            self.console.output += data
            self.pump()

    def pump(self):
        for user in list(self.users):
            user.pump()

    def set(self, state=None, event='changed', reason=None, **values):
        with self.lock:
            self.state = state or self.state
            for name, value in values.items():
                setattr(self, name, value)
            self.notify(event, reason)

    def notify(self, event, reason=None):
        for user in list(self.users):
            user.notice(event, reason)
            if user is self.writer:
                user.accepted()

    def mute_writer(self):
        """From now on it is not told what is accepted; its first count has been sent."""
        with self.lock:
            self.writer.accepted = lambda: None

    def take(self, console, state='active', event='restored'):
        """The console has come from another host."""
        with self.lock:
            self.console = copy.deepcopy(console)
            self.console.epoch += 1
            self.set(state, event)

    def describe(self):
        c = self.console
        state = {
            'life': c.life.hex(), 'epoch': c.epoch, 'state': self.state,
            'protection': self.protection, 'attached': self.attached,
            'input-enabled': True, 'input-accepted': len(c.input),
            'input-taken': len(c.input), 'breaks': len(c.breaks),
            'output-start': c.start, 'output-end': len(c.output), 'first': 0,
            'clients': [user.describe() for user in self.users if user.name is not None],
            'clients-total': len(self.users),
        }
        if self.with_leases:
            state['leases'] = [{'lease': n, 'start': s} for n, s in c.leases[-8:]]
        if self.measurement:
            state['measurement'] = self.measurement
        if self.writer:
            state['writer'] = self.writer.describe()
        return state


class User:
    """A client, as the host has it"""

    def __init__(self, host, connection):
        self.host, self.connection = host, connection
        self.name = None
        self.lease = 0
        self.position = None        # of the output that is sent next
        self.since = int(time.time())
        self.deaf = False           # says nothing to what comes
        host.numbers += 1
        self.number = host.numbers

    def describe(self):
        return {'client': self.number, 'name': self.name or '', 'peer': 'uid 0',
                'role': self.host.role, 'since': self.since}

    def send(self, kind, payload=b'', lease=0, position=0):
        with contextlib.suppress(OSError):
            self.connection.sendall(frame(kind, payload, lease, position))

    def hello(self):
        return {'version': 1, 'guest': 'vm1', 'device': 'com1', 'type': 'shadow-serial',
                'host': self.host.name, 'role': self.host.role, 'client': self.number,
                'state': self.host.describe()}

    def run(self):
        with self.host.lock:
            self.host.users.append(self)
            self.greet()
        with contextlib.suppress(OSError):
            while data := self.receive(HEADER.size):
                kind, _, length, lease, position = HEADER.unpack(data)
                payload = self.receive(length) if length else b''
                with self.host.lock:
                    self.host.received.append((kind.decode(), lease, position, payload))
                    if not self.deaf:
                        self.obey(kind.decode(), lease, position, payload)
        self.end()

    def greet(self):
        self.send('H', json.dumps(self.hello()).encode())

    def receive(self, length):
        data = b''
        while len(data) < length:
            more = self.connection.recv(length - len(data))
            if not more:
                return b''
            data += more
        return data

    def end(self):
        with self.host.lock:
            if self in self.host.users:
                self.host.users.remove(self)
            if self.host.writer is self:
                self.host.writer = None
                self.host.notify('writer')
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def notice(self, event, reason=None):
        content = {'event': event, 'state': self.host.describe()}
        if reason:
            content['reason'] = reason
        self.send('N', json.dumps(content).encode())

    def pump(self):
        output = self.host.console.output
        while self.position is not None and self.position < len(output):
            self.position = max(self.position, self.host.console.start)
            data = bytes(output[self.position:self.position + PAYLOAD_MAX])
            self.send('O', data, position=self.position)
            self.position += len(data)

    def accepted(self):
        console = self.host.console
        accepted = len(console.input)
        limit = accepted + (self.host.window if self.host.state == 'active' else 0)
        self.send('A', struct.pack('>QQQ', accepted, limit, len(console.breaks)),
                  self.lease, accepted)

    def refuse(self, why):
        self.send('R', why.encode(), self.lease, len(self.host.console.input))
        if self.lease:
            self.accepted()

    def obey(self, kind, lease, position, payload):
        if kind == 'H':
            self.name = payload[1:].decode()
            self.host.notify('changed')
        elif kind == 'G':
            self.start(payload[:1].decode(), position, payload[1:])
        elif kind == 'W':
            self.keyboard(payload.decode())
        elif kind == 'I':
            self.input(lease, position, payload)
        elif kind == 'B':
            self.break_(lease, position, struct.unpack('>Q', payload)[0])
        elif kind == 'P':
            self.send('P', payload)

    def start(self, mode, position, life):
        console = self.host.console
        if mode == 'p' and life != console.life:
            self.refuse('the position is of another life')
            return
        self.position = {'p': position, 'b': console.start, 'f': 0, 'n': None,
                         'e': len(console.output),
                         'l': max(console.start, len(console.output) - position)}[mode]
        self.pump()

    def keyboard(self, what):
        host = self.host
        accepted = len(host.console.input)
        if what == 'r':
            if host.writer is self:
                host.writer, self.lease = None, 0
                self.send('W', b'given back', 0, accepted)
                host.notify('writer')
        elif host.writer and host.writer is not self and what == 't':
            self.send('W', f'{host.writer.name} has it'.encode(), 0, accepted)
        else:
            if host.writer and host.writer is not self:
                host.writer.lease = 0
                host.writer.send('W', f'{self.name} has taken it over'.encode(), 0, accepted)
            host.writer, self.lease = self, secrets.randbelow(2**32 - 1) + 1
            host.notify('writer')
            self.send('W', b'', self.lease, accepted)
            self.accepted()

    def allowed(self, lease, position):
        if not self.lease or lease != self.lease:
            self.refuse('this is not the lease of the keyboard')
        elif position > len(self.host.console.input):
            self.refuse('bytes are missing before these')
        else:
            return True
        return False

    def input(self, lease, position, data):
        console = self.host.console
        if not self.allowed(lease, position):
            return
        accepted = len(console.input)
        window = self.host.window if self.host.state == 'active' else 0
        if position + len(data) > accepted + window:
            self.refuse('there is no room')
            return
        if (rest := data[accepted - position:]):
            console.note_lease(lease, accepted)
            console.input += rest
            if self.host.echo:
                self.host.write(rest)
        self.accepted()

    def break_(self, lease, position, number):
        console = self.host.console
        if not self.allowed(lease, position) or number < len(console.breaks) or \
                self.host.deaf_to_breaks:
            return
        if position != len(console.input) or number != len(console.breaks) \
                or self.host.state != 'active':
            self.refuse('a break is not due here')
            return
        console.note_lease(lease, position)
        console.breaks.append(position)
        self.accepted()


def move(source, target, mid=lambda: None):
    """A live migration, as both hosts tell of it"""
    source.set('frozen', 'freezing')
    mid()
    target.take(source.console, 'restored')
    target.set('active', 'resumed')
    source.set('gone', 'moved', 'moved to another host')
