#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal on the user VM's shadow console; Ctrl-] opens a prompt."""

import contextlib
import os
import select
import termios
import threading
import time
import tty

import lab
from lab import program

ESCAPE = b'\x1d'
HELP = f'''  migrate   move the user VM to the other host, live; this terminal follows
  status    where the user VM is, and what L0 says of its console
  quit      stop everything
  (empty)   back to the console
Log in as "{lab.USER}" with the password "{lab.PASSWORD}".'''


class Terminal:
    """Raw while the console has it, as it was while the prompt does."""

    def __init__(self):
        self.saved = termios.tcgetattr(0) if os.isatty(0) else None

    @contextlib.contextmanager
    def raw(self):
        if self.saved:
            tty.setraw(0, termios.TCSADRAIN)     # what was typed ahead stays
        try:
            yield
        finally:
            if self.saved:
                termios.tcsetattr(0, termios.TCSADRAIN, self.saved)


class Screen:
    """Writes the console's output, on which connection it may ever come."""

    def __init__(self, console):
        self.console = console
        self.shown = threading.Event()
        threading.Thread(target=self._copy, daemon=True).start()

    def _copy(self):
        while True:
            self.shown.wait()
            data = self.console.read_screen(0.2)
            while data:
                data = data[os.write(1, data):]


def attach(console, screen):
    """Keys to the console until the escape key; False at the end of input."""
    screen.shown.set()
    try:
        while True:
            if not select.select([0], [], [], 1)[0]:
                if not console.connected:
                    print('\r\n[the console is closed; Ctrl-] for the prompt]\r')
                    select.select([0], [], [])
                continue
            data = os.read(0, 4096)
            if not data:
                return False
            before, escape, _ = data.partition(ESCAPE)
            console.send(before)
            if escape:
                return True
    finally:
        screen.shown.clear()


def status(pair):
    print(f'the user VM is on {pair.source.name}: '
          f'{pair.inner.qmp.cmd("query-status")["status"]}')
    for host in pair.hosts:
        guest = host.guest('vm1')
        print(f'  {host.name}: {guest["state"]}, epoch {guest["epoch"]}, '
              f'{guest["accesses"]} port accesses')
        for device in guest['devices']:
            print(f'    {device["id"]}: ' + ', '.join(
                f'{key} {value}' for key, value in sorted(device.items())
                if key != 'id'))


def migrate(pair, console):
    started = time.monotonic()
    print(f'migrating from {pair.source.name} to {pair.target.name} ...', flush=True)
    try:
        info, saved, _ = pair.migrate(console)
    except Exception as error:      # the session goes on, wherever the guest is
        print(f'migration failed: {error}')
        return
    if info['status'] != 'completed':
        print(f'migration {info["status"]}: {info.get("error-desc", "")}; '
              f'the user VM goes on at {pair.source.name}')
    else:
        print(f'now on {pair.source.name}, after {time.monotonic() - started:.1f} s; '
              f'down for {info["downtime"]} ms, envelope of {saved["bytes"]} bytes')


def prompt(pair, console):
    """True to go back to the console, False to end."""
    while True:
        try:
            word = input('\nshadow> ').strip()
        except EOFError:
            return False
        if word == 'quit':
            return False
        if word == 'migrate':
            migrate(pair, console)
            return True
        if word == 'status':
            status(pair)
        elif word == '':
            return True
        else:
            print(HELP)


def main():
    config = lab.Config.from_args(lab.Config.parser(__doc__).parse_args())
    from lab.pair import Pair
    terminal = Terminal()
    print('starting two cloud hosts ...', flush=True)
    with Pair(config, print) as pair:
        pair.add_guest('vm1')
        console = pair.boot('vm1')
        print(f'{HELP}\nEscape key: Ctrl-]. The user VM is booting.\n', flush=True)
        screen = Screen(console)
        first = True
        while True:
            with terminal.raw():
                if not first:
                    print('[console]\r', flush=True)
                first = False
                going = attach(console, screen)
            if not going or not prompt(pair, console):
                break
        console.close()
    return 0


if __name__ == '__main__':
    program.run('shell', main)
