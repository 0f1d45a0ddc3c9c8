#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""shadow-console on the user VM's console; leaving it (Ctrl-] q) opens a prompt."""

import subprocess
import tempfile
import threading
import time

import lab
from lab import program

HELP = f'''  migrate   move the user VM to the other host, live; the console follows
  status    where the user VM is, and what L0 says of its console
  quit      stop everything
  (empty)   back to the console
Log in as "{lab.USER}" with the password "{lab.PASSWORD}".'''


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


class Move(threading.Thread):
    """A migration, while the user is at the console; it says there how it went."""

    def __init__(self, pair):
        super().__init__()
        self.pair = pair
        print(f'migrating from {pair.source.name} to {pair.target.name} ...', flush=True)
        self.start()

    def run(self):
        started = time.monotonic()
        try:
            said = self.result(*self.pair.migrate(), started)
        except Exception as error:      # the session goes on, wherever the guest is
            said = f'migration failed: {error}'
        print(f'\r\n[shadow: {said}]\r', flush=True)

    def result(self, info, saved, _, started):
        name = self.pair.source.name
        if info['status'] != 'completed':
            return f'migration {info["status"]}: {info.get("error-desc", "")}; ' \
                   f'the user VM goes on at {name}'
        return f'now on {name}, after {time.monotonic() - started:.1f} s; ' \
               f'down for {info["downtime"]} ms, envelope of {saved["bytes"]} bytes'


class Prompt:
    def __init__(self, pair):
        self.pair = pair
        self.move = None

    def wait_move(self):
        if self.move:
            self.move.join()

    def ask(self):
        """True to go back to the console, False to end."""
        while True:
            try:
                word = input('\nshadow> ').strip()
            except EOFError:
                return False
            if word == 'quit':
                return False
            if word == 'migrate':
                self.wait_move()
                self.move = Move(self.pair)
                return True
            if word == 'status':
                status(self.pair)
            elif word == '':
                return True
            else:
                print(HELP)


def main():
    config = lab.Config.from_args(lab.Config.parser(__doc__).parse_args())
    from lab.doors import PROGRAM, add_doors
    from lab.pair import Pair
    print('starting two cloud hosts ...', flush=True)
    with Pair(config, print) as pair, tempfile.NamedTemporaryFile() as hosts:
        pair.add_guest('vm1')
        add_doors(pair, hosts.name)
        pair.boot('vm1', client=False)
        print(f'{HELP}\nCtrl-] ? for help, Ctrl-] q for this prompt. The user VM is booting.\n',
              flush=True)
        prompt = Prompt(pair)
        going = True
        while going:
            subprocess.run([PROGRAM, 'attach', '--from', 'oldest', '--hosts', hosts.name, 'vm1'],
                           check=False)
            going = prompt.ask()
        prompt.wait_move()
    return 0


if __name__ == '__main__':
    program.run('shell', main)
