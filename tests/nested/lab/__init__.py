# SPDX-License-Identifier: GPL-2.0-or-later
"""Two cloud hosts in software, for the demo and the nested tests."""

import argparse
import dataclasses
import glob
import os
import signal
import sys

from .patience import LONG, wait_until     # noqa: F401

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), '../../..'))
USER, PASSWORD = 'user', 'Rosebud-1941'     # as in images.sh


def long(test):
    """For a test that only ./shadow check --long runs, or who names it"""
    test.long = True
    return test


@dataclasses.dataclass
class Config:
    """Where things are; every program here takes the same options."""
    images: str
    qemu: str
    firmware: list
    keep: bool = False
    accel: str = 'tcg'
    inner: str = None       # instead of the inner QEMU that L1's image has

    @staticmethod
    def parser(description):
        build = os.path.join(ROOT, 'build')
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument('--images', default=f'{build}/images',
                            help='output folder of images.sh')
        parser.add_argument('--tools', default=f'{build}/tools',
                            help='unpacked packages (for the firmware)')
        parser.add_argument('--qemu', help='outer QEMU (default: IMAGES/qemu)')
        parser.add_argument('--inner', help="inner QEMU (default: the one in L1's image)")
        parser.add_argument('--qemu-python',
                            help="the folder python/ of QEMU's source tree")
        parser.add_argument('--accel', choices=('tcg', 'kvm'), default='tcg',
                            help='of the outer QEMU (default: tcg)')
        parser.add_argument('--keep', action='store_true',
                            help='keep the logs of the hosts')
        return parser

    @classmethod
    def from_args(cls, args):
        sources = [args.qemu_python, os.environ.get('QEMU_PYTHON')]
        if os.environ.get('QEMU_SRC'):
            sources.append(os.environ['QEMU_SRC'] + '/python')
        sources += sorted(glob.glob(f'{ROOT}/build/src/qemu-*/python'))
        source = next((s for s in sources if s and os.path.isdir(s)), None)
        if source is None:
            sys.exit("no QEMU source tree for its qemu.qmp library: "
                     "use --qemu-python")
        sys.path.insert(0, source)
        qemu = args.qemu or f'{args.images}/qemu'
        for path in (qemu, f'{args.images}/vmlinuz', f'{args.images}/host-6.12.cpio'):
            if not os.path.exists(path):
                sys.exit(f'{path} is missing: run images.sh first')
        firmware = [path for top in (args.tools, '/')
                    for path in (f'{top}/usr/share/qemu', f'{top}/usr/share/seabios')
                    if os.path.isdir(path)]
        # So that a terminated program leaves its with-blocks, and no QEMU behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return cls(args.images, qemu, firmware, args.keep, args.accel, args.inner)
