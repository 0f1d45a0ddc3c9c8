#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Make the beginning of a disk that boots by itself:
#
#   images-disk.sh OUTDIR GRUB
#
#   OUTDIR/grub.img    1 MiB: GRUB, and a table with one partition, which follows: an archive of
#                      tar's with vmlinuz and l2.cpio.gz
#
# GRUB is where the packages grub-common and grub-pc-bin are unpacked.

set -euo pipefail

out=${1:?usage: images-disk.sh OUTDIR GRUB}
grub=${2:?usage: images-disk.sh OUTDIR GRUB}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=$out/grub.img
modules=$grub/usr/lib/grub/i386-pc

source "$here/images-common.sh"

stale "$image" "$0" "$modules/boot.img" || exit 0
say "making a boot loader"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/config" <<'END'
set root=(hd0,msdos1)
linux /vmlinuz console=ttyS0 quiet
initrd /l2.cpio.gz
boot
END
"$grub/usr/bin/grub-mkimage" -d "$modules" -O i386-pc -p / -c "$work/config" -o "$work/core.img" \
    biosdisk part_msdos tar linux boot

# The first sector loads the second one, which loads what follows it: their defaults. The
# partition: bootable, Linux, from sector 2048 on, 128 MiB; where three more would be there is what
# diskettes need.
cat "$modules/boot.img" "$work/core.img" > "$image.new"
{
    printf '\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\0\x04\0'
    head -c 48 /dev/zero
} | dd of="$image.new" bs=1 seek=446 conv=notrunc status=none
[ "$(stat -c %s "$image.new")" -le $((1 << 20)) ] || die "the boot loader is too large"
truncate -s 1M "$image.new"
mv "$image.new" "$image"
