#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build shadow-console, in build/client. Libraries that are not installed on the machine are unpacked in
# build/client-debian, of the Debian that the machine runs; so are the OpenSSH server and the other programs
# that the tests start.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

client=$build/client
debian=$build/client-debian
library=$debian/usr/lib/x86_64-linux-gnu
packages=(libjson-glib-dev libjson-glib-1.0-0 libvterm-dev openssh-server libwrap0
    glib-networking openssl)

unpack() {
    local release wanted
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    wanted="$release ${packages[*]}"
    if [[ -f $debian/packages && $wanted == "$(cat "$debian/packages")" ]]; then
        return
    fi
    apt_update
    rm -rf "$debian.new"
    apt_unpack_into "$debian.new" "${packages[@]/%//$release}"
    sed -i "s|=/usr|=$debian/usr|" "$debian.new/usr/lib/x86_64-linux-gnu/pkgconfig"/*.pc
    # It wants more libraries, and no proxy is asked for
    rm -f "$debian.new/usr/lib/x86_64-linux-gnu/gio/modules/libgiolibproxy.so"
    echo "$wanted" > "$debian.new/packages"
    rm -rf "$debian"
    mv "$debian.new" "$debian"
    rm -rf "$client"
}

unpack
export PKG_CONFIG_PATH=$library/pkgconfig
if [[ ! -f $client/build.ninja ]]; then
    say "configuring shadow-console"
    rm -rf "$client"
    python3 "$tools/usr/bin/meson" setup "$client" "$top/client" "-Ddebian=$debian" \
        > "$logs/client.log" 2>&1 9>&- || {
        tail -n 20 "$logs/client.log" >&2
        die "configuring shadow-console failed (all of it: $logs/client.log)"
    }
fi
ninja -C "$client" -j "$jobs" "$@" > "$logs/client.log" 2>&1 9>&- || {
    grep -A 30 -m 1 -E '^FAILED|^ninja: error' "$logs/client.log" | cut -c 1-200 >&2
    die "building shadow-console failed (all of it: $logs/client.log)"
}
