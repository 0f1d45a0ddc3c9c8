#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   build.sh [TARGET...]
#
# Set up whatever is missing, then build ninja's TARGETs (the emulator, when none is named), and
# shadow-console.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

take_lock

"$top/scripts/packages.sh" || exit
"$top/scripts/tools.sh" || exit
"$top/scripts/source.sh" || exit
locate_qemu
"$top/scripts/attach.sh" "$qemu_src" || exit

options=(
    --python=/usr/bin/python3
    --target-list=x86_64-softmmu
    --without-default-features
    --enable-system --enable-tcg --enable-kvm
    --enable-slirp --enable-gcrypt --enable-gnutls
    --disable-install-blobs
    --firmwarepath=/usr/share/qemu:/usr/share/seabios
    --disable-download
)

configure() {
    local stamp=$qemu_build/shadow-configured wanted dir
    wanted=$(printf '%s\n' "$qemu_src" "${options[@]}")
    if [[ -f $stamp && $(cat "$stamp") == "$wanted" && -f $qemu_build/build.ninja ]]; then
        return
    fi
    if [[ -f $stamp && $(head -n 1 "$stamp") != "$qemu_src" ]]; then
        rm -rf "$qemu_build"
    fi
    say "configuring QEMU $(cat "$qemu_src/VERSION")"
    mkdir -p "$qemu_build"
    (cd "$qemu_build" && "$qemu_src/configure" "${options[@]}") > "$logs/configure.log" 2>&1 9>&- || {
        tail -n 20 "$logs/configure.log" >&2
        die "configuring QEMU failed (all of it: $logs/configure.log)"
    }
    # For a ninja that is started by hand and finds that it must run meson again.
    echo "$tools/usr/lib/python3/dist-packages" > \
        "$(echo "$qemu_build"/pyvenv/lib/python3*/site-packages)/shadow-tools.pth"
    # An emulator that runs where it was built looks for the firmware under this folder.
    mkdir -p "$qemu_build/qemu-bundle/usr/share"
    for dir in qemu seabios; do
        ln -sfn "$tools/usr/share/$dir" "$qemu_build/qemu-bundle/usr/share/$dir"
    done
    echo "$wanted" > "$stamp"
}

# ninja's [n/m] lines as a percentage: one line rewritten on a terminal, every tenth part elsewhere.
progress() {
    local line percent shown=-10 tty=
    if [[ -t 2 ]]; then tty=yes; fi
    while IFS= read -r line; do
        [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
        percent=$((100 * BASH_REMATCH[1] / BASH_REMATCH[2]))
        if [[ -n $tty ]]; then
            printf '\rshadow: building %3d%% %s ' "$percent" "${BASH_REMATCH[0]}" >&2
        elif ((percent >= shown + 10)); then
            say "building $percent% ${BASH_REMATCH[0]}"
            shown=$((percent - percent % 10))
        fi
    done
    if [[ -n $tty && -n ${percent:-} ]]; then echo >&2; fi
}

configure
targets=("$@")
((${#targets[@]})) || targets=(qemu-system-x86_64)
NINJA_STATUS='[%f/%t] ' ninja -C "$qemu_build" -j "$jobs" "${targets[@]}" 2>&1 9>&- |
    tee "$logs/build.log" | progress || {
    grep -A 30 -m 1 -E '^FAILED|^ninja: error' "$logs/build.log" | cut -c 1-200 >&2 ||
        tail -n 20 "$logs/build.log" >&2
    die "building QEMU failed (all of it: $logs/build.log)"
}
"$top/scripts/client.sh"
