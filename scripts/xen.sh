#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   xen.sh [--newest | --variant DIR]
#
# What a cloud VM with Xen needs: unpack Debian 12's Xen into build/xen/root, compile contrib/xen for
# it, and pack the images into build/images/xen. The images of images.sh must be there. With
# --newest, look for newer packages. With --variant, also compile contrib/xen, into DIR/xen, with the
# sources that are under DIR/shadow instead of ours.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

xen=$build/xen
packages=(
    xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils qemu-system-xen
    # to compile contrib/xen for it, whatever the machine's own libraries are
    libxen-dev libc6-dev linux-libc-dev
    # all that the programs are linked with
    libxen{call1,devicemodel1,evtchn1,foreignmemory1,gnttab1,hypfs1,misc4.17,store4,toolcore1,toollog1}
    libyajl2 libext2fs2 liblzma5 libuuid1 libzstd1 zlib1g libc6 libgcc-s1 libstdc++6
    libfdt1 libglib2.0-0 libpcre2-8-0 libjpeg62-turbo libpixman-1-0 libusb-1.0-0 libudev1
    libspice-server1 libgstreamer1.0-0 libgstreamer-plugins-base1.0-0 liborc-0.4-0 libcap2
    libdw1 libelf1 libunwind8 libbz2-1.0 libffi8 liblz4-1 libopus0 libsasl2-2 libssl3
)

mkdir -p "$xen" "$logs"
exec 8> "$xen/lock"
flock -n 8 || {
    say "waiting for another ./shadow that sets up Xen"
    flock 8
}

# Both Debian 12's and 13's packages are in our apt's lists; Xen 4.17 is Debian 12's.
unpack() {
    local downloads=$apt_dir/xen deb
    apt_update
    say "downloading Xen and what it needs: ${#packages[@]} packages"
    rm -rf "$downloads" "$xen/root.new"
    apt_get_into "$downloads" -o 'APT::Default-Release=/^bookworm/' download "${packages[@]}"
    say "unpacking them into build/xen"
    mkdir -p "$xen/root.new"
    for deb in "$downloads"/*.deb; do
        dpkg -x "$deb" "$xen/root.new"
    done
    basename -a "$downloads"/*.deb > "$xen/root.new/packages"
    rm -rf "$downloads" "$xen/root" "$xen/unpacked"
    mv "$xen/root.new" "$xen/root"
    echo "${packages[*]}" > "$xen/unpacked"
}

if [[ ${1:-} == --newest || "${packages[*]}" != "$(cat "$xen/unpacked" 2>/dev/null)" ]]; then
    unpack
fi
"$top/tests/nested/images-xen.sh" "$build/images" "$tools" "$xen/root" >&2 8>&-

make_variant() { # DIR
    local copy=$1/xen-source
    rm -rf "$copy"
    mkdir -p "$copy/contrib" "$copy/include" "$1/xen"
    cp -r "$top/contrib/xen" "$copy/contrib/"
    cp "$top"/include/ultracall*.h "$copy/include/"
    cp -r "$1"/shadow/* "$copy/"
    make -s -C "$copy/contrib/xen" BUILD="$(realpath "$1/xen")" CC="gcc --sysroot=$xen/root"
}

[[ ${1:-} != --variant ]] || make_variant "${2:?DIR is missing}"
