#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot an emulated AMD host with KVM and run a command as root of it.

Without a command, the commands are read from the standard input, line by line.
In the host, /bin/qemu is the outer QEMU; /firmware, /l1/vmlinuz and /l1/l1.cpio are its
guest's.
"""

import sys

import lab
from lab.program import elapsed, run


def show(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def read_commands():
    if sys.stdin.isatty():
        print('kvmhost: commands, or the end of the file to leave', file=sys.stderr)
    yield from sys.stdin


def main():
    parser = lab.Config.parser(__doc__)
    parser.add_argument('--kernel', choices=('6.12', '6.1'), default='6.12')
    parser.add_argument('--modules', metavar='DIR',
                        help="kernel modules that take the place of Debian's")
    parser.add_argument('--overlay', metavar='DIR', action='append', default=[],
                        help='files to be added at /; may be repeated')
    parser.add_argument('--memory', type=int, default=3072, metavar='MIB')
    parser.add_argument('--append', default='', help="added to the kernel's command line")
    parser.add_argument('--timeout', type=int, default=3600, metavar='SECONDS',
                        help='for each command')
    parser.add_argument('command', nargs='*')
    args = parser.parse_args()
    config = lab.Config.from_args(args)
    from lab.kvmhost import KvmHost
    status = 0
    with KvmHost(config, 'kvm', args.kernel, args.modules, args.overlay,
                 memory=args.memory, append=args.append) as host:
        host.launch().wait_ready()
        print(f'kvmhost: Linux {args.kernel} is up after {elapsed():.1f} s',
              file=sys.stderr)
        for command in [' '.join(args.command)] if args.command else read_commands():
            status, _ = host.run(command, args.timeout, show=show)
    return status


if __name__ == '__main__':
    run('kvmhost', main)
