# SPDX-License-Identifier: GPL-2.0-or-later
"""An emulated AMD host with KVM, in which our outer QEMU runs with -accel kvm."""

import os
import shutil
import stat

from . import ROOT
from .machine import Machine

KERNELS = {'6.12': 'vmlinuz-6.12', '6.1': 'vmlinuz'}


def write_cpio(output, entries):
    """entries: (path in the archive, file or folder on this machine); root's."""
    done = set()

    def write(path, mode, data):
        fields = (len(done), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path) + 1, 0)
        header = b'070701' + b''.join(b'%08x' % field for field in fields)
        header += path.encode() + b'\0'
        for part in (header, data):
            output.write(part + bytes(-len(part) % 4))

    for path, source in entries:
        parts = path.split('/')
        for n in range(1, len(parts)):
            folder = '/'.join(parts[:n])
            if folder not in done:
                done.add(folder)
                write(folder, stat.S_IFDIR | 0o755, b'')
        done.add(path)
        with open(source, 'rb') as file:
            executable = os.stat(source).st_mode & 0o111
            write(path, stat.S_IFREG | (0o755 if executable else 0o644), file.read())
    write('TRAILER!!!', 0, b'')


def add_files(output, images, entries):
    """An initramfs with further files: the kernel unpacks one archive after the other, the
    later over the earlier."""
    with open(output, 'wb') as initrd:
        for image in images:
            with open(image, 'rb') as file:
                shutil.copyfileobj(file, initrd)
        write_cpio(initrd, entries)
    return output


def cloud_vm(config, folder, files=(), images=('l1.cpio',)):
    """L1's initramfs; where it is more than one image, a file in the folder."""
    images = [f'{config.images}/{name}' for name in images]
    files = [*files, *([('bin/qemu', config.inner)] if config.inner else [])]
    if not files and len(images) == 1:
        return images[0]
    return add_files(f'{folder}/l1.cpio', images, files)


def files_under(folder, prefix=''):
    for top, _, names in os.walk(folder):
        for name in sorted(names):
            path = os.path.join(top, name)
            yield prefix + os.path.relpath(path, folder), path


def kernel_modules(folder):
    """Modules that take the place of Debian's; the kernel writes - and _ as it likes."""
    for _, path in files_under(folder):
        if path.endswith('.ko'):
            yield 'modules/' + os.path.basename(path).replace('-', '_'), path


def changed_modules():
    """Those with the change in contrib/"""
    folder = f'{ROOT}/build/kernel/modules'
    if not os.path.exists(f'{folder}/kvm.ko'):
        raise FileNotFoundError(f'{folder}/kvm.ko is missing: run ./shadow kernel')
    return folder


class KvmHost(Machine):
    """One processor and one thread: what KVM runs in it depends on the order.

    In it: /bin/qemu, its /firmware, the cloud VM's kernel and initramfs in /l1, the
    test programs in /bin, what may be preloaded in /lib, and what the overlay folders have.
    """

    def __init__(self, config, name='kvm', kernel='6.12', modules=None, overlays=(),
                 cloudvm=True, memory=3072, append=''):
        super().__init__(config, name)
        self.kernel = kernel
        entries = [('bin/qemu', config.qemu), *files_under(f'{config.images}/kvm', 'bin/'),
                   *files_under(f'{config.images}/preloaded', 'lib/')]
        if cloudvm:
            entries += [('l1/vmlinuz', f'{config.images}/vmlinuz'),
                        ('l1/l1.cpio', cloud_vm(config, self.dir))]
        if modules:
            entries += kernel_modules(modules)
        for overlay in overlays:
            entries += files_under(overlay)
        add_files(f'{self.dir}/initrd', [f'{config.images}/host-{kernel}.cpio'], entries)
        # The processor's clock does not stand still while it is not emulated.
        self.command = [
            config.qemu, '-accel', 'tcg,thread=single', '-cpu', 'max,+svm,+npt,la57=off',
            *self.common_options(1, memory, f'{config.images}/{KERNELS[kernel]}',
                                 f'{self.dir}/initrd', f'tsc=unstable {append}')]

    def wait_ready(self):
        super().wait_ready()
        os.unlink(f'{self.dir}/initrd')
        return self
