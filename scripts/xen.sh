#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   xen.sh [--newest | --variant DIR | --no-device-model]
#
# What a cloud VM with Xen needs: unpack Debian 12's Xen into build/xen/root, compile contrib/xen and
# a device model with the agent for it, and pack the images into build/images/xen. The images of
# images.sh must be there. With --newest, look for newer packages. With --variant, also compile
# contrib/xen, into DIR/xen, with the sources that are under DIR/shadow instead of ours. With
# --no-device-model there is only Debian's, unless ours has been built: it takes as long as QEMU.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

xen=$build/xen
packages=(
    xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils qemu-system-xen
    # to compile contrib/xen for it, whatever the machine's own libraries are
    libxen-dev libc6-dev linux-libc-dev
    # and QEMU
    lib{glib2.0,pcre2,gcrypt20,gpg-error,pixman-1}-dev zlib1g-dev
    # all that the programs are linked with
    libxen{call1,devicemodel1,evtchn1,foreignmemory1,gnttab1,hypfs1,misc4.17,store4,toolcore1,toollog1}
    libyajl2 libext2fs2 liblzma5 libuuid1 libzstd1 zlib1g libc6 libgcc-s1 libstdc++6
    libfdt1 libglib2.0-0 libpcre2-8-0 libjpeg62-turbo libpixman-1-0 libusb-1.0-0 libudev1
    libspice-server1 libgstreamer1.0-0 libgstreamer-plugins-base1.0-0 liborc-0.4-0 libcap2
    libdw1 libelf1 libunwind8 libgcrypt20 libgpg-error0 libbz2-1.0 libffi8 liblz4-1 libopus0 libsasl2-2 libssl3
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

# A device model with no more devices than the tests have. It is linked with Debian 12's libraries.
options=(
    --python=/usr/bin/python3
    "--cc=gcc --sysroot=$xen/root"
    --target-list=x86_64-softmmu
    --without-default-features --without-default-devices
    --with-devices-x86_64=../../../shadow/tests/nested/xen/device-model
    --enable-system --enable-xen --enable-gcrypt
    # xl says "-vnc none"
    --enable-vnc --enable-pixman
    --disable-install-blobs
    --disable-download
)

build_device_model() {
    local dm=$xen/qemu wanted
    wanted=$(printf '%s\n' "$qemu_src" "$(cat "$xen/root/packages")" "${options[@]}")
    if [[ $wanted != "$(cat "$dm/shadow-configured" 2>/dev/null)" ]]; then
        say "configuring QEMU $(cat "$qemu_src/VERSION") as Xen's device model"
        rm -rf "$dm"
        mkdir -p "$dm"
        (cd "$dm" && "$qemu_src/configure" "${options[@]}") > "$logs/xen-qemu.log" 2>&1 8>&- || {
            tail -n 20 "$logs/xen-qemu.log" >&2
            die "configuring QEMU failed (all of it: $logs/xen-qemu.log)"
        }
        echo "$wanted" > "$dm/shadow-configured"
        say "building it"
    fi
    ninja -C "$dm" -j "$jobs" qemu-system-x86_64 > "$logs/xen-qemu.log" 2>&1 8>&- || {
        grep -A 30 -m 1 -E '^FAILED|^ninja: error' "$logs/xen-qemu.log" | cut -c 1-200 >&2
        die "building QEMU as Xen's device model failed (all of it: $logs/xen-qemu.log)"
    }
}

export PKG_CONFIG_SYSROOT_DIR=$xen/root
export PKG_CONFIG_LIBDIR=$xen/root/usr/lib/x86_64-linux-gnu/pkgconfig:$xen/root/usr/share/pkgconfig
device_model=$xen/qemu/qemu-system-x86_64
[[ ${1:-} == --no-device-model ]] || build_device_model
[[ -x $device_model ]] || device_model=
"$top/tests/nested/images-xen.sh" "$build/images" "$tools" "$xen/root" ${device_model:+"$device_model"} >&2 8>&-

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
