#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build what the nested tests with Xen boot, without root:
#
#   images-xen.sh OUTDIR TOOLSDIR XENROOT [DEVICEMODEL]
#
#   OUTDIR/xen/xen        Xen, which QEMU loads by multiboot
#   OUTDIR/xen/dom0.cpio  initramfs of its control domain: OUTDIR/l1.cpio, and over it xl, what that
#                         starts, contrib/xen, our QEMU as device model, and guests of a few
#                         instructions
#
# OUTDIR and TOOLSDIR are those of images.sh; XENROOT has the unpacked packages of scripts/xen.sh, which
# makes DEVICEMODEL.

set -euo pipefail

(($# == 3 || $# == 4)) || { echo "usage: images-xen.sh OUTDIR TOOLSDIR XENROOT [DEVICEMODEL]" >&2; exit 2; }
out=$(realpath "$1")
tools=$(realpath "$2")
xen=$(realpath "$3")
model=${4:+$(realpath "$4")}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$here/../..

programs='xl xenstored xenconsoled xen-init-dom0 libxl-save-helper xentrace'
modules='xen-evtchn xen-privcmd xen-gntdev xen-gntalloc xenfs'
firmware='kvmvapic.bin linuxboot.bin multiboot.bin'
libdir=lib/x86_64-linux-gnu

source "$here/images-common.sh"

# With Debian 12's headers and libraries, whatever this machine has
build_tools() {
    local bin=$out/xen/bin
    say "compiling contrib/xen"
    make -s -C "$top/contrib/xen" BUILD="$bin" CC="gcc --sysroot=$xen"
    gcc --sysroot="$xen" -O2 -Wall -o "$bin/cookie" "$here/xen/cookie.c" -lxenctrl -lxenforeignmemory
    gcc -static -O2 -Wall -I"$top/include" -o "$bin/attack-dom0" "$here/xen/attack-dom0.c"
    gcc -static -O2 -Wall -o "$bin/tcpio" "$here/xen/tcpio.c"
}

# In place of hvmloader: 32-bit programs, which Xen's domain builder loads as it does that.
build_bare() { # NAME SOURCE...
    local program=$out/xen/l2/$1
    shift
    gcc -m32 -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none \
        -fno-asynchronous-unwind-tables -mno-sse -O2 -Wall -nostdlib -static \
        -Wl,-N,-Ttext=0x100000,-e,_start,--build-id=none,--no-warn-rwx-segments -o "$program" "$@"
}

le32() { # NUMBER
    local n=$1 i
    for i in 0 8 16 24; do
        # shellcheck disable=SC2059 # the format is what is wanted
        printf "\\x$(printf %02x $((n >> i & 255)))"
    done
}

# For the shim: a user VM of Linux, with what is needed to be told the time and not to look for
# devices. TCG's time stamp counter has 1 GHz. lab/xen.py knows that "quiet" comes first.
build_linux() { # MEMORY-IN-MIB
    local command='quiet console=ttyS0 acpi=off pci=off noapic xen_nopv tsc_early_khz=1000000'
    command+=' tsc=reliable clocksource=tsc lpj=4000000 nosoftlockup nowatchdog mitigations=off'
    {
        le32 $((0x5348494d))
        le32 "$(stat -c %s "$out/vmlinuz")"
        le32 "$(stat -c %s "$out/l2.cpio.gz")"
        le32 $(($1 << 20))
        printf %s "$command"
        head -c $((240 - ${#command})) /dev/zero
        cat "$out/vmlinuz" "$out/l2.cpio.gz"
    } > "$out/xen/l2/linux"
}

copy_programs() { # ROOT
    local root=$1 name
    mkdir -p "$root"/{bin,lib64,usr/libexec,$libdir,usr/lib/xen-4.17/{bin,boot}}
    for name in $programs; do
        cp "$xen/usr/lib/xen-4.17/bin/$name" "$root/usr/lib/xen-4.17/bin/"
    done
    cp "$xen"/usr/bin/xenstore-{chmod,ls,read,rm,write} "$root/bin/"
    cp "$xen/usr/lib/xen-4.17/boot/hvmloader" "$root/usr/lib/xen-4.17/boot/"
    cp -L "$xen/usr/libexec/xen-qemu-system-i386" "$root/usr/libexec/"
    cp "$out"/xen/bin/* "$here"/xen/fake-* "$root/bin/"
    [ -z "$model" ] || strip --strip-unneeded -o "$root/bin/device-model" "$model"
    # in one folder, where they take the place of this machine's
    copy_libraries "$xen" "$root/$libdir" "$root"/{bin,usr/lib/xen-4.17/bin,usr/libexec}/*
    cp -L "$xen/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" "$root/lib64/"
}

copy_firmware() { # ROOT
    local root=$1 name
    mkdir -p "$root"/usr/share/{qemu,seabios}
    # where our device model looks for it, from /bin
    ln -s usr/share "$root/share"
    cp -L "$tools"/usr/share/seabios/bios-256k.bin "$root/usr/share/seabios/"
    for name in $firmware; do
        cp -L "$tools/usr/share/qemu/$name" "$root/usr/share/qemu/" 2>/dev/null ||
            cp -L "$tools/usr/share/seabios/$name" "$root/usr/share/qemu/"
    done
    # QEMU ends without it, even with no display.
    cp -rL "$tools/usr/share/qemu/keymaps" "$root/usr/share/qemu/"
}

copy_modules() { # ROOT
    local root=$1 version name file
    version=$(basename "$tools"/boot/vmlinuz-6.1.*-amd64)
    version=${version#vmlinuz-}
    mkdir -p "$root/modules"
    # the cloud VM's, but for KVM
    cpio -i --quiet --to-stdout modules/load < "$out/l1.cpio" |
        grep -Ev '^(kvm|kvm_amd|ccp|irqbypass)$' > "$root/modules/load"
    for name in $modules; do
        file=$(find "$tools/lib/modules/$version/kernel" -name "$name.ko" -print -quit)
        [ -n "$file" ] || die "no kernel module $name"
        cp "$file" "$root/modules/"
        echo "$name" >> "$root/modules/load"
    done
}

pack_dom0() {
    local root=$work/dom0
    say "packing the control domain's initramfs"
    mkdir -p "$root"/{etc/xen,l2,var/lock}
    ln -s ../run "$root/var/run"
    cp "$here/xen/dom0-init" "$root/init"
    chmod 0755 "$root/init"
    echo 'autoballoon="off"' > "$root/etc/xen/xl.conf"
    copy_programs "$root"
    copy_firmware "$root"
    copy_modules "$root"
    cp "$out"/xen/l2/* "$root/l2/"
    {
        cat "$out/l1.cpio"
        pack "$root"
    } > "$out/xen/dom0.cpio.new"
    mv "$out/xen/dom0.cpio.new" "$out/xen/dom0.cpio"
}

sources=("$0" "$here/images-common.sh" "$top"/contrib/xen/* "$top"/include/ultracall*.h "$here"/xen/*
    "$here/guest/echo.inc" "$xen/packages" ${model:+"$model"} "$out/l1.cpio")
stale "$out/xen/dom0.cpio" "${sources[@]}" || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"/xen/{bin,l2}
gunzip -c "$xen"/boot/xen-4.17-amd64.gz > "$out/xen/xen"
build_tools
build_bare shim "$here"/xen/shim-start.S "$here"/xen/shim.c
build_bare echo "$here"/xen/echo.S
build_linux 128
pack_dom0
say "ready in $out/xen ($(du -shL "$out/xen" | cut -f1))"
