#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the nested tests: every function test_* of the files test_*.py.

A test takes what it needs as arguments: "config", or a host that the tests of
one file share: "host", "host2" (with 2 vCPUs), "plain_host" (without
ultracall) or "pair".
"""

import glob
import importlib
import inspect
import os
import re
import sys
import time
import traceback

import lab



class Fixtures:
    """The hosts of one file of tests: started when first asked for."""

    def __init__(self, config):
        self.config = config
        self.made = {}

    def get(self, name):
        if name == 'config':
            return self.config
        if name not in self.made:
            self.made[name] = getattr(self, f'make_{name}')().__enter__()
        return self.made[name]

    def make_host(self, **options):
        from lab.host import CloudHost
        host = CloudHost(self.config, 'host', **options)
        try:
            host.launch().wait_ready()
        except BaseException:
            host.close()
            raise
        return host

    def make_plain_host(self):
        return self.make_host(ultracall=False)

    def make_host2(self):
        return self.make_host(cpus=2)

    def make_pair(self):
        from lab.pair import Pair
        return Pair(self.config)

    def drop(self, names=None):
        for name in list(self.made) if names is None else names:
            self.made.pop(name).__exit__(None, None, None)


def run_test(function, fixtures, number):
    name = f'{function.__module__}.{function.__name__}'
    used = list(inspect.signature(function).parameters)
    started = time.monotonic()
    try:
        arguments = [fixtures.get(argument) for argument in used]
        function(*arguments)
        result, why = 'ok', ''
    except KeyboardInterrupt:
        raise
    except Exception:
        result, why = 'not ok', traceback.format_exc()
        for host in [h for f in fixtures.made.values()
                     for h in getattr(f, 'hosts', [f])]:
            if host.process:
                why += f'--- {host.name}: ended={not host.alive()}\n{host.log()}'
                why += host.kernel_log()[-1000:]
        # What a failed test leaves behind is not the next one's.
        fixtures.drop([n for n in used if n in fixtures.made])
    print(f'{result} {number} {name} # {time.monotonic() - started:.1f} s', flush=True)
    if why:
        print(re.sub('(?m)^', '# ', why), flush=True)
    return result == 'ok'


def main():
    parser = lab.Config.parser(__doc__)
    parser.add_argument('--list', action='store_true', help='only list the tests')
    parser.add_argument('pattern', nargs='*', help='regular expressions of names')
    args = parser.parse_args()
    config = lab.Config.from_args(args)
    here = os.path.dirname(os.path.abspath(__file__))
    counts = {True: 0, False: 0}
    for path in sorted(glob.glob(f'{here}/test_*.py')):
        module = importlib.import_module(os.path.basename(path)[:-3])
        fixtures = Fixtures(config)
        try:
            for name, function in vars(module).items():
                full = f'{module.__name__}.{name}'
                if not name.startswith('test_') or not callable(function) or \
                        args.pattern and not any(re.search(p, full)
                                                 for p in args.pattern):
                    continue
                if args.list:
                    print(full)
                else:
                    counts[run_test(function, fixtures, sum(counts.values()) + 1)] += 1
        finally:
            fixtures.drop()
    if not args.list:
        print(f'{counts[True]} passed, {counts[False]} failed')
    return 1 if counts[False] else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
