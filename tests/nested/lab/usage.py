# SPDX-License-Identifier: GPL-2.0-or-later
"""What an outer QEMU holds of the machine, to see what it does not give back."""

import contextlib
import dataclasses
import glob
import os
import re

MAPPING = re.compile(r'([0-9a-f]+)-([0-9a-f]+) (....) ')


@dataclasses.dataclass
class Usage:
    rss: int = 0            # KiB
    own: int = 0            # of that, neither a guest's memory nor translated code
    code: int = 0           # translated
    private: int = 0        # of a user VM
    files: int = 0          # open file descriptors


def usage(host, private=None):
    """The guest's memory is one mapping of its size, and so is a user VM's private memory, if
    there is such (bytes); only translated code may be run and belongs to no file."""
    result = Usage(files=len(os.listdir(f'/proc/{host.process.pid}/fd')))
    size = own = code = None
    with open(f'/proc/{host.process.pid}/smaps', encoding='utf-8') as smaps:
        for line in smaps:
            if match := MAPPING.match(line):
                size = int(match[2], 16) - int(match[1], 16)
                code = 'x' in match[3] and '/' not in line
                own = not code and size < host.memory << 20 and size != private
            elif line.startswith('Rss:'):
                rss = int(line.split()[1])
                result.rss += rss
                result.own += rss if own else 0
                result.code += rss if code else 0
                result.private += rss if size == private else 0
    return result


def cloud_used(host):
    """KiB of the cloud VM's memory that it could not have for something else"""
    total, free = (int(host.run(f'awk "/^{name}:/ {{print \\$2}}" /proc/meminfo', check=True)[1])
                   for name in ('MemTotal', 'MemAvailable'))
    return total - free


def cpu_seconds(host):
    """That all threads of the outer QEMU have run, by the kernel's clock"""
    total = 0
    for path in glob.glob(f'/proc/{host.process.pid}/task/*/schedstat'):
        with contextlib.suppress(OSError), open(path, encoding='ascii') as file:
            total += int(file.read().split()[0])
    return total / 1e9
