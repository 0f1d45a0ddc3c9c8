#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build what a cloud VM with libvirt has besides the files of OUTDIR/l1.cpio, after which the kernel is
# to unpack it:
#
#   images-libvirt.sh OUTDIR LIBVIRT
#
#   OUTDIR/l1-libvirt.cpio
#
# LIBVIRT is what scripts/libvirt.sh leaves. Its programs have libraries of their own, of Debian 12, in
# a place of their own: the emulator's are the machine's that built it.

set -euo pipefail

out=${1:?usage: images-libvirt.sh OUTDIR LIBVIRT}
libvirt=${2:?usage: images-libvirt.sh OUTDIR LIBVIRT}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
contrib=$here/../../contrib/libvirt
image=$out/l1-libvirt.cpio

source "$here/images-common.sh"

lib=usr/lib/libvirt/lib
loader=$lib/ld-linux-x86-64.so.2
drivers=usr/lib/x86_64-linux-gnu/libvirt
programs=(
    usr/sbin/libvirtd usr/sbin/virtlogd usr/bin/virsh usr/lib/libvirt/libvirt_iohelper
    usr/bin/udevadm usr/sbin/setcap sbin/apparmor_parser usr/lib/libvirt/virt-aa-helper
)

# Debian 12 has some below /usr and some not; here all are.
find_there() { # PATH
    local path
    for path in "$libvirt/$1" "$libvirt/${1#usr/}"; do
        [ -e "$path" ] && { echo "$path"; return; }
    done
    die "$libvirt has no $1"
}

# As a script that starts it with its libraries
add_program() { # PATH [NAME]
    local name=${2:-$1}
    mkdir -p "$root/usr/lib/libvirt/programs" "$root/$(dirname "$name")"
    cp "$(find_there "$1")" "$root/usr/lib/libvirt/programs/"
    printf '#!/bin/sh\nexec /%s --library-path /%s --argv0 /%s /usr/lib/libvirt/programs/%s "$@"\n' \
        "$loader" "$lib" "$name" "$(basename "$1")" > "$root/$name"
    chmod 0755 "$root/$name"
}

add_programs() {
    local program all=()
    for program in "${programs[@]}"; do
        add_program "$program"
        all+=("$(find_there "$program")")
    done
    add_program usr/bin/udevadm usr/sbin/systemd-udevd
    mkdir -p "$root/$drivers/connection-driver" "$root/$lib" "$root/usr/share/libvirt"
    cp "$libvirt/$drivers/connection-driver/libvirt_driver_qemu.so" "$root/$drivers/connection-driver/"
    cp -r "$libvirt/usr/share/libvirt/cpu_map" "$root/usr/share/libvirt/"
    cp "$libvirt/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" "$root/$lib/"
    copy_libraries "$libvirt" "$root/$lib" "${all[@]}" \
        "$libvirt/$drivers/connection-driver/libvirt_driver_qemu.so"
}

# Debian's files, with what contrib/libvirt says, and a TCP port for the other cloud VM's libvirt
add_settings() {
    mkdir -p "$root"/etc/{libvirt,udev/rules.d} "$root/usr/lib/udev/rules.d"
    cp "$libvirt"/etc/libvirt/{libvirt,libvirtd,virtlogd,qemu}.conf "$root/etc/libvirt/"
    cat "$contrib/qemu.conf" "$here/guest/l1-libvirt-qemu.conf" >> "$root/etc/libvirt/qemu.conf"
    cat "$here/guest/l1-libvirt-libvirtd.conf" >> "$root/etc/libvirt/libvirtd.conf"
    cp "$contrib/70-shadow.rules" "$root/etc/udev/rules.d/"
    cp "$(find_there usr/lib/udev/rules.d/50-udev-default.rules)" "$root/usr/lib/udev/rules.d/"
    cat > "$root/etc/passwd" <<END
root:x:0:0:root:/root:/bin/sh
libvirt-qemu:x:64055:64055:Libvirt Qemu:/var/lib/libvirt:/bin/false
END
    cat > "$root/etc/group" <<END
root:x:0:
kvm:x:104:libvirt-qemu
libvirt:x:105:
libvirt-qemu:x:64055:
END
    printf '127.0.0.1 localhost\n10.9.0.1 host-a\n10.9.0.2 host-b\n' > "$root/etc/hosts"
}

# Debian's policy with what contrib/libvirt adds, and what is only the tests'
add_apparmor() {
    local name
    cp -r "$libvirt"/etc/apparmor{,.d} "$root/etc/"
    cp -r "$libvirt/usr/share/apparmor-features" "$root/usr/share/"
    echo 'Optimize=no-expr-simplify' >> "$root/etc/apparmor/parser.conf"    # its own advice for slow machines
    mkdir -p "$root/etc/apparmor.d/local/abstractions"
    cat "$contrib/apparmor" "$here/guest/l1-libvirt-apparmor" \
        > "$root/etc/apparmor.d/local/abstractions/libvirt-qemu"
    for name in usr.sbin.libvirtd usr.lib.libvirt.virt-aa-helper; do
        cp "$here/guest/l1-libvirt-apparmor-loader" "$root/etc/apparmor.d/local/$name"
    done
}

build() {
    root=$work/root
    mkdir -p "$root"/usr/{bin,share} "$root"/var/{lib/libvirt/images,log/libvirt/qemu}
    ln -s ../run "$root/var/run"
    add_programs
    add_settings
    add_apparmor
    # the firmware, where contrib/libvirt has it
    ln -s /firmware "$root/usr/share/qemu"
    ln -s /firmware "$root/usr/share/seabios"
    cp "$here/guest/l1-libvirt-init" "$root/init"
    chmod 0755 "$root/init"
    pack "$root" > "$image.new"
    mv "$image.new" "$image"
}

stale "$image" "$0" "$here/images-common.sh" "$here"/guest/l1-libvirt-* "$contrib"/* \
    "$libvirt/packages" || exit 0
say "packing what a cloud VM with libvirt has"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build
