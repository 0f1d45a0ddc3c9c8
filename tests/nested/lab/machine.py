# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU on this machine, and commands as root of the Linux that runs in it."""

import contextlib
import secrets
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from . import state
from .patience import LONG, Moved, Patience, longest, scaled
from .qmp import Qmp

NETWORK_CARD = 'virtio-net-pci,netdev=net0,romfile='


class HostError(RuntimeError):
    pass


class RootShell:
    """Commands as root, over the second serial port; address as Qmp's."""

    def __init__(self, address, name, alive):
        self._lock = threading.Lock()
        self._name, self._alive = name, alive
        if isinstance(address, tuple):
            self._socket = socket.create_connection(address)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(address)
        self._data = b''

    def read_until(self, mark, timeout, show=None):
        """What comes before the mark; shown already as it comes, if asked for."""
        patience = Patience(timeout)
        shown = 0
        while mark not in self._data:
            if show and len(self._data) - shown > len(mark):
                show(self._data[shown:-len(mark)])
                shown = len(self._data) - len(mark)
            self._receive()
            if patience.over():
                raise patience.error(f'no {mark!r} from {self._name}: {self._data[-500:]!r}')
        before, _, self._data = self._data.partition(mark)
        if show:
            show(before[shown:])
        return before

    def _receive(self):
        self._socket.settimeout(1)
        try:
            data = self._socket.recv(65536)
        except socket.timeout:
            if not self._alive():
                raise HostError(f'the QEMU of {self._name} has ended') from None
            return
        if not data:
            raise HostError(f'{self._name} has ended')
        self._data += data
        Moved.note()

    def run(self, command, timeout=LONG, show=None):
        with self._lock:
            token = secrets.token_hex(8)
            line = (f'timeout -s KILL {longest(timeout)} sh -c {shlex.quote(command)} '
                    f'</dev/null 2>&1; echo "@{token} $?@"\n')
            self._socket.settimeout(scaled(60))
            self._socket.sendall(line.encode())
            output = self.read_until(f'@{token} '.encode(), timeout + 60, show)
            return int(self.read_until(b'@\n', 60)), output.decode(errors='replace')

    def run_if_idle(self, command, timeout):
        """The output, or nothing where another command is under way."""
        if not self._lock.acquire(blocking=False):
            return 'the shell is at another command'
        self._lock.release()
        return self.run(command, timeout)[1]

    @contextlib.contextmanager
    def lent(self):
        """The connection itself, for one who measures: nothing is run meanwhile."""
        with self._lock:
            yield self._socket

    def close(self):
        self._socket.close()


class Machine:
    """Start with launch(), which returns at once, then wait_ready().

    self.command is QEMU's; it has net0, QMP and the serial ports of common_options().
    """

    def __init__(self, config, name):
        self.config, self.name = config, name
        self.dir = tempfile.mkdtemp(prefix=f'shadow-{name}-')
        self.command = []
        self.qmp = self.shell = self.process = None
        self.ready = False      # whether the shell takes commands
        self._forwards = {}
        state.things.add(self)

    def __str__(self):
        return self.name

    def describe(self):
        """What the state of this machine is, line by line"""
        if self.process is None:
            return
        yield f'{self}: ended={self.process.poll() is not None}, last of its QEMU: ' \
              f'{state.last_line(Machine.log(self))}; of its kernel: ' \
              f'{state.last_line(Machine.kernel_log(self))}'
        if self.qmp:
            yield f'{self}: {state.registers(self.qmp)}'
        if self.ready:
            yield f'{self}: {self.shell.run_if_idle(state.EXITS, state.BRIEF).strip()}'

    def common_options(self, cpus, memory, kernel, initrd, append=''):
        options = machine_options(self.name, cpus, memory, kernel, initrd, append) + [
            '-serial', f'file:{self.dir}/ttyS0.log',
            '-serial', f'unix:{self.dir}/ttyS1,server=on,wait=off',
            '-qmp', f'unix:{self.dir}/qmp,server=on,wait=off',
            '-netdev', 'user,id=net0']
        for path in self.config.firmware:
            options += ['-L', path]
        return options

    # A thread that ends would take its child with it: pdeathsig is the thread's.
    def launch(self):
        assert threading.current_thread() is threading.main_thread()
        with open(f'{self.dir}/qemu.log', 'wb') as log:
            self.process = subprocess.Popen(
                ['setpriv', '--pdeathsig', 'KILL'] + self.command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._started = time.monotonic()
        try:
            self.qmp = Qmp(f'{self.dir}/qmp', self.name, alive=self.alive)
            self.shell = RootShell(f'{self.dir}/ttyS1', self.name, self.alive)
        except ConnectionError as error:
            raise HostError(f'{error}\n{self.log()}') from error
        return self

    def wait_ready(self):
        self.shell.read_until(b'init: ready\n', LONG)
        self.ready = True
        self.boot_seconds = time.monotonic() - self._started
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        with open(f'{self.dir}/qemu.log', encoding='utf-8', errors='replace') as log:
            return log.read()

    def kernel_log(self):
        with open(f'{self.dir}/ttyS0.log', encoding='utf-8', errors='replace') as log:
            return log.read()

    def run(self, command, timeout=LONG, check=False, show=None):
        """Run a shell command as root: (exit status, output)."""
        status, output = self.shell.run(command, timeout, show)
        if check and status:
            raise HostError(f'{self.name}: {command}: status {status}: {output}')
        return status, output

    def forward(self, port):
        """The port on this machine's loopback that leads to a TCP port of the guest."""
        if port not in self._forwards:
            self._forwards[port] = forward_port(self.qmp, port, '127.0.0.1')
        return self._forwards[port]

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def close(self):
        if self.qmp:
            self.qmp.close()
        if self.shell:
            self.shell.close()
        self.kill()
        self.process = None
        if self.config.keep:
            print(f'# logs of {self.name}: {self.dir}')
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def machine_options(name, cpus, memory, kernel, initrd, append):
    # no_timer_check: on a machine that is very busy the kernel may see no tick while it looks for
    # them, and panics.
    return ['-name', name, '-smp', str(cpus), '-m', str(memory),
            '-display', 'none', '-nodefaults', '-no-user-config', '-no-reboot',
            '-kernel', kernel, '-initrd', initrd,
            '-append', f'console=ttyS0 loglevel=4 panic=-1 no_timer_check {append}'.strip(),
            '-device', NETWORK_CARD]


def forward_port(qmp, port, address):
    """Of the machine that runs the QEMU, a free port that leads to one of the guest."""
    error = qmp.hmp(f'hostfwd_add net0 tcp:{address}:0-:{port}')
    if error.strip():
        raise HostError(error)
    for line in qmp.hmp('info usernet').splitlines():
        word = line.split()
        if word and word[0] == 'TCP[HOST_FORWARD]' and int(word[5]) == port:
            return int(word[3])
    raise HostError(f'port {port} is not forwarded')
