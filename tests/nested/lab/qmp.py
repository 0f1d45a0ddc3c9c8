# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's own asynchronous QMP library for synchronous callers.

One thread runs the event loop of all connections, so events are recorded when
they arrive, with their time, whatever the caller is busy with.
"""

import asyncio
import concurrent.futures
import threading
import time

from qemu.qmp import ExecuteError, QMPClient, QMPError

from .patience import LONG, Moved, Patience, WaitTimeout, scaled

__all__ = ['ExecuteError', 'Qmp', 'QMPError', 'WaitTimeout']


class _Loop:
    loop = None
    lock = threading.Lock()

    @classmethod
    def run(cls, coroutine, timeout, what):
        with cls.lock:
            if cls.loop is None:
                cls.loop = asyncio.new_event_loop()
                threading.Thread(target=cls.loop.run_forever, daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(coroutine, cls.loop)
        patience = Patience(timeout)
        while not concurrent.futures.wait([future], 1).done:
            if patience.over():
                future.cancel()
                raise patience.error(what)
        return future.result()


class Qmp:
    """One connection; address is a unix path or a (host, port) pair."""

    def __init__(self, address, name='qmp', timeout=LONG, alive=lambda: True):
        self.name = name
        self.events = []
        self._changed = threading.Condition()
        self._client = None
        patience = Patience(timeout)
        while self._client is None:
            client = QMPClient(name)
            try:
                _Loop.run(asyncio.wait_for(client.connect(address), scaled(10)), 60, name)
                self._client = client
            except (QMPError, asyncio.TimeoutError, TimeoutError, OSError) as error:
                if not alive() or patience.over():
                    raise ConnectionError(f'{name}: no QMP at {address}: {error}') \
                        from error
                time.sleep(0.1)
        self._collector = asyncio.run_coroutine_threadsafe(self._collect(), _Loop.loop)

    async def _collect(self):
        async for event in self._client.events:
            with self._changed:
                self.events.append((time.monotonic(), dict(event)))
                Moved.note()
                self._changed.notify_all()

    def cmd(self, command, timeout=LONG, **arguments):
        """Execute; underscores in argument names stand for hyphens."""
        arguments = {k.replace('_', '-'): v for k, v in arguments.items()}
        return _Loop.run(self._client.execute(command, arguments or None), timeout,
                         f'{self.name}: no answer to {command}')

    def begin(self, command, oob=False, **arguments):
        """Execute without waiting for the reply; out of band, if QEMU is not to wait
        either for what it does. The reply is the result() of what is returned."""
        arguments = {k.replace('_', '-'): v for k, v in arguments.items()}
        return asyncio.run_coroutine_threadsafe(
            self._client.execute(command, arguments or None, oob=oob), _Loop.loop)

    def hmp(self, line, timeout=120):
        return self.cmd('human-monitor-command', timeout, command_line=line)

    def mark(self):
        """A position in the list of events, for wait_event(since=...)."""
        return len(self.events)

    def find_event(self, name, since=0, **data):
        for stamp, event in self.events[since:]:
            if event['event'] == name and all(
                    event.get('data', {}).get(k.replace('_', '-')) == v
                    for k, v in data.items()):
                return event
        return None

    def wait_event(self, name, since=0, timeout=LONG, **data):
        patience = Patience(timeout)
        with self._changed:
            while (event := self.find_event(name, since, **data)) is None:
                self._changed.wait(1)
                if patience.over():
                    break
        if event is None:
            raise patience.error(f'{self.name}: no event {name} {data}; '
                                 f'events: {self.names(since)}')
        return event

    def wait_change(self, timeout):
        with self._changed:
            self._changed.wait(timeout)

    def names(self, since=0):
        return [event['event'] for _, event in self.events[since:]]

    def close(self):
        self._collector.cancel()
        try:
            _Loop.run(asyncio.wait_for(self._client.disconnect(), 5), 10, self.name)
        except Exception:       # the peer may be gone in any way
            pass
