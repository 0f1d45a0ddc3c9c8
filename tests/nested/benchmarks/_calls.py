# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benchmarks of SAVE and RESTORE share: measure-save, in the cloud VM"""

import contextlib
import socket
import statistics
import threading

from ._together import together

LEAST = 'AES-256-GCM and memcpy'
# The first of each run warms up.
COUNT = 21
HISTORY = 192 * 1024


class FullConsole:
    """Base of benchmarks that save the user VM with a shadow console, when there is as much
    output as its port keeps; its client has all of it."""

    def __init__(self, env):
        self.env = env

    def __enter__(self):
        self.vm = self.env.shadow()
        self.vm.console.command(f'measure output {HISTORY + 4096} >/dev/ttyS0')
        device, = self.vm.state()['devices']
        assert device['output-produced'] - device['output-start'] == HISTORY, device
        return self

    def __exit__(self, *_):
        pass


@contextlib.contextmanager
def paused(vm):
    vm.inner.qmp.cmd('stop')
    try:
        yield
    finally:
        vm.inner.qmp.cmd('cont')


def send(host, data, path):
    """A file for the cloud VM"""
    with socket.create_server(('127.0.0.1', 0)) as server:
        def serve():
            connection, _ = server.accept()
            with connection:
                connection.sendall(data)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        host.run(f'nc 10.0.2.2 {server.getsockname()[1]} </dev/null >{path}', check=True)
        thread.join()
    assert int(host.run(f'wc -c <{path}', check=True)[1]) == len(data)


def turns(call, measure):
    """measure-save takes its turns between the call and its peer, and so gives the figures
    of both series of a round at once."""
    return together((call, LEAST), lambda: turns_parse(call, measure()))


def turns_parse(call, text):
    took, total, least = map(statistics.median, zip(
        *(map(float, line.split()) for line in text.splitlines())))
    return {call: {None: took, 'total': total}, LEAST: {None: least, 'total': least}}
