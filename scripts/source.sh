#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Unpack the newest QEMU source package of the series into build/src. With --newest, look for a
# newer one than is there.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

if [[ -n ${QEMU_SRC:-} ]] || [[ -n $qemu_src && ${1:-} != --newest ]]; then
    exit 0
fi

apt_update
version=$(apt_newest Sources qemu "$series.")
[[ -n $version ]] ||
    die "Debian's archive has no QEMU $series source package" \
        "unpack QEMU $series yourself and name the folder: QEMU_SRC=DIR ./shadow build" \
        "or choose a series that the archive has: QEMU_SERIES=10.0"

# 1:10.0.13+ds-0+deb13u1 is upstream's 10.0.13.
upstream=${version#*:}
upstream=${upstream%%[+-]*}
target=$build/src/qemu-$upstream
if [[ -d $target ]]; then
    exit 0
fi

say "downloading the source of QEMU $version"
downloads=$apt_dir/source
rm -rf "$downloads"
apt_get_into "$downloads" source --download-only "qemu=$version"

# dpkg-source applies Debian's own patches too; an interrupted run must not pass for a whole tree.
say "unpacking it into build/src/qemu-$upstream"
mkdir -p "$build/src"
rm -rf "$build/src/.new"
dpkg-source --no-check --no-copy -x "$downloads"/qemu_*.dsc "$build/src/.new" > "$logs/source.log" 2>&1 || {
    tail -n 10 "$logs/source.log" >&2
    die "unpacking QEMU's source failed (all of it: $logs/source.log)"
}
mv "$build/src/.new" "$target"
rm -rf "$downloads"
