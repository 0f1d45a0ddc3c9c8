# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hooks cost a user VM that does not use its console: instructions, by valgrind

The same work of the same nested guest (guest/bare-hv/work.c) under two outer QEMUs: one has a
shadow console for the guest, the other was built without the hooks. Each is counted from its
start to its end, and once with no work at all, which is taken off.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile

import lab

from . import Goal

NAME = 'hooks'
TITLE = "the outer QEMU's instructions for L2's work, console idle"
UNIT = 'million'
SHADOW, WITHOUT = 'shadow', 'without hooks'
GOALS = [Goal(SHADOW, WITHOUT, at_most=1.01)]
COUNTED = 3
# An entry with about so much work is more of an entry than a Linux that boots has: see
# docs/performance.rst.
ENTRIES, STEPS = 500, 1000
COUNT = re.compile(r'I +refs: +([\d,]+)')


def unhooked(env):
    """The emulator without hooks, which is built first if need be"""
    source = os.environ.get('QEMU_SOURCE') or sorted(glob.glob(f'{env.build}/src/qemu-*'))[-1]
    return subprocess.run([sys.executable, f'{lab.ROOT}/scripts/unhooked.py',
                           os.path.dirname(env.qemu)],
                          env={'JOBS': str(os.cpu_count()), **os.environ, 'QEMU_SOURCE': source},
                          stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


class Bench:
    def __init__(self, env):
        self.env = env

    def __enter__(self):
        self.env.say('building an emulator without hooks')
        self.qemus = {SHADOW: self.env.config.qemu, WITHOUT: unhooked(self.env)}
        self.idle = {name: self.count(name, 0) for name in self.qemus}
        self.work = {}
        return self

    def __exit__(self, *_):
        if len(self.work) == len(self.qemus):
            more = (self.work[SHADOW] - self.work[WITHOUT]) / ENTRIES
            self.env.note(f'the hooks add {more:,.0f} instructions to each of {ENTRIES} entries, '
                          f'which takes {self.work[WITHOUT] / ENTRIES:,.0f} without them')

    def series(self):
        return {name: lambda name=name: self.measure(name) for name in self.qemus}

    def measure(self, name):
        self.work[name] = self.count(name, ENTRIES) - self.idle[name]
        return self.work[name] / 1e6

    def count(self, name, entries):
        """Of one outer QEMU, from its start to its end"""
        with tempfile.TemporaryDirectory(prefix='shadow-hooks-') as folder:
            done = subprocess.run(self.command(name, entries, folder), check=False, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                with open(f'{folder}/report', encoding='latin-1') as file:
                    report = file.read()
            except FileNotFoundError:
                report = ''
        if not report.endswith('done 0 failed\n') or not (found := COUNT.search(done.stdout)):
            raise RuntimeError(f'nothing was counted: {report}\n{done.stdout}')
        return int(found[1].replace(',', ''))

    def command(self, name, entries, folder):
        """Its virtual time goes by instructions, so that the guest does the same each time."""
        config = self.env.config
        return ['setpriv', '--pdeathsig', 'KILL',
                'valgrind', '--tool=cachegrind', '--cache-sim=no',
                f'--cachegrind-out-file={folder}/counts', self.qemus[name],
                '-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=off', '-m', '64',
                '-display', 'none', '-nodefaults', '-no-user-config',
                *(word for path in config.firmware for word in ('-L', path)),
                '-object', f'secret,id=key,data={"k" * 32}',
                '-object', 'shadow-guest,id=vm1,secret=key', '-device', 'ultracall',
                '-device', 'shadow-serial,id=vm1-com1,guest=vm1',
                '-debugcon', f'file:{folder}/report', '-device', 'isa-debug-exit,iobase=0xf4',
                '-kernel', f'{config.images}/kvm/bare-hv',
                '-append', f'scenario=work entries={entries} steps={STEPS} '
                           f'bind={int(name == SHADOW)}']
