#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build what the nested tests boot, without root:
#
#   images.sh OUTDIR TOOLSDIR QEMU
#
#   OUTDIR/vmlinuz     Debian's kernel, for the cloud VM (L1) and the user VM (L2)
#   OUTDIR/l2.cpio.gz  initramfs of the user VM: busybox with a real login
#   OUTDIR/l1.cpio     initramfs of the cloud VM: KVM, the inner QEMU and L2's files
#   OUTDIR/vmlinuz-6.12, OUTDIR/host-6.12.cpio, OUTDIR/host-6.1.cpio
#                      the emulated host that has KVM, with either of two kernels; the outer
#                      QEMU, the cloud VM's files and the next two are added when it starts
#   OUTDIR/kvm         programs for it
#   OUTDIR/preloaded   libraries that its outer QEMU may have preloaded
#   OUTDIR/qemu        the outer QEMU: a copy, so that a rebuild does not pull it
#                      away under a running test
#
# TOOLSDIR holds the unpacked packages linux-image-6.1*-amd64 and 6.12*, busybox-static and,
# where the machine itself lacks them, seabios and qemu-system-data.

set -euo pipefail

out=${1:?usage: images.sh OUTDIR TOOLSDIR QEMU}
tools=${2:?usage: images.sh OUTDIR TOOLSDIR QEMU}
qemu=${3:?usage: images.sh OUTDIR TOOLSDIR QEMU}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

firmware='bios-256k.bin kvmvapic.bin linuxboot_dma.bin multiboot_dma.bin'
modules='kvm-amd virtio_pci virtio_net uio_pci_generic'
host_modules='kvm-amd virtio_pci virtio_net'
user_modules='virtio_pci virtio_blk virtio_net virtio_balloon e1000 button evdev ext4
              crc32c_generic'
user_name=user
user_password=Rosebud-1941

source "$here/images-common.sh"

first() { # WHAT PATTERN... : of the files that match, the newest version
    local what=$1 found
    shift
    found=$(for pattern; do compgen -G "$pattern"; done | sort -V | tail -n 1)
    [ -n "$found" ] || die "no $what (looked for $*)"
    echo "$found"
}

find_firmware() { # NAME
    local dir
    for dir in "$tools"/usr/share/{qemu,seabios} /usr/share/{qemu,seabios}; do
        [ -e "$dir/$1" ] && { readlink -f "$dir/$1"; return; }
    done
    die "no firmware $1: unpack seabios and qemu-system-data into $tools"
}

modules_of() { # KERNEL
    first "kernel modules" "$tools"{,/usr}"/lib/modules/${1##*/vmlinuz-}"
}

module_file() { # NAME: the kernel writes - and _ as it likes
    find "$moddir/kernel" \( -name "${1//[-_]/[-_]}.ko" \
        -o -name "${1//[-_]/[-_]}.ko.xz" -o -name "${1//[-_]/[-_]}.ko.zst" \) -print -quit
}

# Copy a module and, before it, all that it depends on; the order goes to "load".
copy_module() { # NAME DESTDIR
    local name=${1//-/_} dest=$2 file dep
    [ -e "$dest/$name.ko" ] && return
    file=$(module_file "$name")
    [ -n "$file" ] || { # built into this kernel?
        grep -q "/${name//_/[-_]}\.ko$" "$moddir/modules.builtin" && return
        die "no kernel module $name under $moddir"
    }
    case $file in
    *.xz) xz -dc "$file" > "$dest/$name.ko" ;;
    *.zst) zstd -qdc "$file" > "$dest/$name.ko" ;;
    *) cp "$file" "$dest/$name.ko" ;;
    esac
    for dep in $(tr '\0' '\n' < "$dest/$name.ko" | sed -n 's/^depends=//p' | tr , ' '); do
        copy_module "$dep" "$dest"
    done
    echo "$name" >> "$dest/load"
}

busybox_tree() { # ROOT
    local applet
    mkdir -p "$1"/{bin,sbin,etc,proc,sys,dev,tmp,run,root,home/$user_name}
    cp "$busybox" "$1/bin/busybox"
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
    done
    ln -s ../bin/busybox "$1/sbin/init"
    cp "$out"/guest/* "$1/bin/"
    cat > "$1/etc/passwd" <<END
root:x:0:0:root:/root:/bin/sh
$user_name:x:1000:1000:user:/home/$user_name:/bin/sh
END
    printf 'root:x:0:\n%s:x:1000:\n' $user_name > "$1/etc/group"
    chmod 0777 "$1/tmp" "$1/home/$user_name"
}

build_program() { # PROGRAM HEADERS-FOLDER SOURCE...
    local program=$1 headers=$2
    shift 2
    stale "$program" "$@" "$headers"/*.h "$here"/../../include/ultracall*.h || return 0
    say "compiling $(basename "$program")"
    gcc -static -O2 -Wall -I"$here/../../include" -o "$program.new" "$@"
    mv "$program.new" "$program"
}

build_guest_programs() {
    local source
    mkdir -p "$out/guest"
    for source in "$here"/guest/*.c; do
        [[ $source == */bare-* ]] && continue
        build_program "$out/guest/$(basename "$source" .c)" "$here/guest" "$source"
    done
}

# Each file that has a main is a program, of it and its NAME-*.c, with all that is no program's.
build_kvm_programs() {
    local source other part names=() shared=() own
    mkdir -p "$out/kvm"
    for source in $(grep -l '^int main(' "$here"/kvm/*.c); do
        names+=("$(basename "$source" .c)")
    done
    for source in "$here"/kvm/*.c; do
        part=$(basename "$source" .c)
        for other in "${names[@]}"; do
            [[ $part == "$other" || $part == "$other"-* ]] && continue 2
        done
        shared+=("$source")
    done
    for other in "${names[@]}"; do
        readarray -t own < <(compgen -G "$here/kvm/$other-*.c")
        build_program "$out/kvm/$other" "$here/kvm" "$here/kvm/$other.c" "${own[@]}" \
            "${shared[@]}"
    done
}

# What an emulated host's outer QEMU may have preloaded
build_preloaded() {
    local source program
    mkdir -p "$out/preloaded"
    for source in "$here"/kvm/lib/*.c; do
        program=$out/preloaded/$(basename "$source" .c).so
        stale "$program" "$source" "$here/kvm/lib/ioctl.h" || continue
        say "compiling $(basename "$source")"
        gcc -shared -fPIC -O2 -Wall -o "$program" "$source"
    done
}

# Guests that start instead of Linux, and one instead of a BIOS.
build_bare_guests() {
    local source=$here/guest/tagged.S
    if stale "$out/guest/tagged.bin" "$source" "$here/guest/echo.inc"; then
        say "assembling $(basename "$source")"
        gcc -m32 -c -o "$work/tagged.o" "$source"
        ld -m elf_i386 --oformat binary -Ttext=0xf0000 -e 0xf0000 \
            -o "$out/guest/tagged.bin" "$work/tagged.o"
    fi
    "$here/../../scripts/launch.sh" "$out/guest/shadow-launch.bin"
    for source in "$here"/guest/bare-*.c; do
        local program
        program=$out/guest/$(basename "$source" .c)
        stale "$program" "$source" || continue
        say "compiling $(basename "$source")"
        gcc -m32 -ffreestanding -fno-pic -fno-stack-protector -O2 -Wall -Wno-main \
            -nostdlib -static -Wl,-Ttext=0x100000,--build-id=none -o "$program" "$source"
    done
}

# A cloud VM without Linux; in 64-bit code, which a multiboot loader takes only when it looks
# like 32-bit code.
build_bare_hypervisor() {
    local program=$out/kvm/bare-hv sources=("$here"/guest/bare-hv/*.[cS])
    stale "$program" "${sources[@]}" "$here"/guest/bare-hv/*.h "$here"/../../include/ultracall*.h ||
        return 0
    say "compiling $(basename "$program")"
    mkdir -p "$out/kvm"
    gcc -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none \
        -fno-asynchronous-unwind-tables -mno-red-zone -mgeneral-regs-only -O2 -Wall \
        -I"$here/../../include" -nostdlib -static \
        -Wl,-N,-Ttext=0x200000,-z,max-page-size=16,--build-id=none,--no-warn-rwx-segments \
        -o "$work/bare-hv" "${sources[@]}"
    objcopy -O elf32-i386 "$work/bare-hv" "$program"
}

# A kernel for a guest in private memory under it
build_victim() {
    local program=$out/kvm/victim.bin sources=("$here"/guest/victim/*.[cS])
    stale "$program" "${sources[@]}" "$here"/guest/victim/*.h || return 0
    say "compiling $(basename "$program")"
    gcc -ffreestanding -fpie -fno-stack-protector -fcf-protection=none \
        -fno-asynchronous-unwind-tables -mno-red-zone -mgeneral-regs-only -O2 -Wall \
        -nostdlib -static \
        -Wl,-N,-Ttext=0x5ec2e70ffc00,--build-id=none,--no-warn-rwx-segments \
        -o "$work/victim" "${sources[@]}"
    objcopy -O binary "$work/victim" "$program"
}

build_l2() {
    local root=$work/l2 hash image name moddir
    stale "$out/l2.cpio.gz" "$0" "$here"/guest/l2-* "$busybox" "$kernel" "$host_kernel" \
        "$out"/guest/* || return 0
    say "packing the user VM's initramfs"
    busybox_tree "$root"
    cp "$here/guest/l2-init" "$root/init"
    cp "$here"/guest/l2-{login,load} "$root/bin/"
    chmod 0755 "$root/init" "$root"/bin/l2-{login,load}
    for image in "$kernel" "$host_kernel"; do
        moddir=$(modules_of "$image")
        mkdir -p "$root/modules/${image##*/vmlinuz-}"
        for name in $user_modules; do
            copy_module "$name" "$root/modules/${image##*/vmlinuz-}"
        done
    done
    echo 'stty echo    # see l2-login' > "$root/etc/profile"
    hash=$("$busybox" mkpasswd -m sha512 -S shadowconsole "$user_password")
    printf 'root:%s:19000:0:99999:7:::\n%s:%s:19000:0:99999:7:::\n' \
        "$hash" "$user_name" "$hash" > "$root/etc/shadow"
    chmod 0600 "$root/etc/shadow"
    pack "$root" | gzip -n -1 > "$out/l2.cpio.gz.new"
    mv "$out/l2.cpio.gz.new" "$out/l2.cpio.gz"
}

# What the cloud VM and the emulated host have in common: all that QEMU with KVM needs, but QEMU.
qemu_host_tree() { # ROOT INIT KERNEL MODULES
    local root=$1 name lib libs moddir
    moddir=$(modules_of "$3")
    cp "$here/guest/$2" "$root/init"
    cp "$here/guest/common.sh" "$root/"
    chmod 0755 "$root/init"
    printf 'root::19000:0:99999:7:::\n' > "$root/etc/shadow"
    mkdir -p "$root"/{modules,firmware}
    for name in $4; do
        copy_module "$name" "$root/modules"
    done
    for name in $firmware; do
        cp "$(find_firmware "$name")" "$root/firmware/$name"
    done
    libs=$(ldd "$qemu" | grep -o '/[^ ]*') || die "$qemu is no emulator for this machine"
    for lib in $libs; do
        mkdir -p "$root$(dirname "$lib")"
        cp -L "$lib" "$root$lib"
    done
}

build_l1() {
    local root=$work/l1
    stale "$out/l1.cpio" "$0" "$here"/guest/{l1-init,common.sh} "$busybox" "$qemu" "$kernel" \
        "$out"/guest/* "$out/l2.cpio.gz" || return 0
    say "packing the cloud VM's initramfs"
    busybox_tree "$root"
    qemu_host_tree "$root" l1-init "$kernel" "$modules"
    mkdir -p "$root/l2"
    cp "$kernel" "$root/l2/vmlinuz"
    cp "$out/l2.cpio.gz" "$root/l2/"
    strip -o "$root/bin/qemu" "$qemu"
    pack "$root" > "$out/l1.cpio.new"
    mv "$out/l1.cpio.new" "$out/l1.cpio"
}

build_host() { # SERIES KERNEL
    local root=$work/host-$1
    stale "$out/host-$1.cpio" "$0" "$here"/guest/{host-init,common.sh} "$busybox" "$qemu" "$2" \
        "$out"/guest/* || return 0
    say "packing the emulated host's initramfs for Linux $1"
    busybox_tree "$root"
    qemu_host_tree "$root" host-init "$2" "$host_modules"
    pack "$root" > "$out/host-$1.cpio.new"
    mv "$out/host-$1.cpio.new" "$out/host-$1.cpio"
}

copy_kernel() { # KERNEL NAME
    stale "$out/$2" "$1" || return 0
    cp "$1" "$out/$2.new"
    mv "$out/$2.new" "$out/$2"
}

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for command in gcc strip cpio gzip ldd; do
    command -v $command > /dev/null || die "the program $command is missing"
done
[ -x "$qemu" ] || die "no QEMU at $qemu"
kernel=$(first "kernel (package linux-image-6.1.*-amd64)" "$tools/boot/vmlinuz-6.1.*-amd64")
host_kernel=$(first "kernel (package linux-image-6.12.*-amd64)" "$tools/boot/vmlinuz-6.12.*-amd64")
busybox=$(first "busybox (package busybox-static)" "$tools/bin/busybox" "$tools/usr/bin/busybox")

build_guest_programs
build_bare_guests
build_preloaded
build_l2
build_l1
build_host 6.12 "$host_kernel"
build_host 6.1 "$kernel"
copy_kernel "$kernel" vmlinuz
copy_kernel "$host_kernel" vmlinuz-6.12
if stale "$out/qemu" "$qemu"; then
    say "copying the outer QEMU"
    strip -o "$out/qemu.new" "$qemu"
    mv "$out/qemu.new" "$out/qemu"
fi
build_kvm_programs
build_bare_hypervisor
build_victim
say "ready in $out ($(du -shL "$out" | cut -f1))"
