#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Pack what a user VM has besides the files of OUTDIR/l2.cpio.gz, to work with:
#
#   images-workload.sh OUTDIR WORKLOAD
#
#   OUTDIR/l2-workload.cpio.gz     both, one after the other
#
# WORKLOAD is what scripts/workload.sh leaves.

set -euo pipefail

out=${1:?usage: images-workload.sh OUTDIR WORKLOAD}
workload=${2:?usage: images-workload.sh OUTDIR WORKLOAD}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=$out/l2-workload.cpio.gz

source "$here/images-common.sh"

stale "$image" "$0" "$out/l2.cpio.gz" "$workload/packages" "$here/guest/l2-workload" || exit 0
say "packing what a user VM works with"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
lib=usr/lib/x86_64-linux-gnu

mkdir -p "$root"/{bin,lib64,usr/bin,"$lib","$lib/tcc",usr/include,src}
cp "$workload"/root/usr/bin/{stress-ng,tcc} "$root/usr/bin/"
copy_libraries "$workload/root" "$root/$lib" "$root"/usr/bin/*
ln -s "/$lib/ld-linux-x86-64.so.2" "$root/lib64/"
cp -r "$workload/root/$lib/tcc" "$root/$lib/"
cp "$workload/root/$lib"/{crt1.o,crti.o,crtn.o} "$root/$lib/"
# Debian's libc.so is a script for another linker.
ln -s libc.so.6 "$root/$lib/libc.so"
ln -s libm.so.6 "$root/$lib/libm.so"
cp -r "$workload"/root/usr/include/. "$root/usr/include/"
cp -r "$workload/source" "$root/src/lua"
cp "$here/guest/l2-workload" "$root/bin/"
chmod 0755 "$root/bin/l2-workload"
{
    cat "$out/l2.cpio.gz"
    pack "$root" | gzip -n -1
} > "$image.new"
mv "$image.new" "$image"
