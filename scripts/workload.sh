#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Unpack what a user VM works with for a while (tests/nested/test_private_guests.py) into
# build/workload: stress-ng, and a C compiler with Lua's source, which it compiles; and pack it.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

workload=$build/workload
run=(stress-ng tcc libc6-dev)

# NAME=VERSION of each package and of all that it depends on, as if nothing were installed
closure() { # PACKAGE...
    apt-get -c "$apt_dir/apt.conf" -o Dir::State::status=/dev/null -o APT::Default-Release=bookworm \
        -qq --simulate install --no-install-recommends "$@" 2>> "$logs/apt.log" |
        sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p'
}

set_up() {
    local list=() version
    [[ $(cat "$workload/packages" 2>/dev/null) != "${run[*]}" ]] || return 0
    apt_update
    readarray -t list < <(closure "${run[@]}")
    version=$(apt_newest Sources lua5.4)
    [[ " ${list[*]}" == *" tcc="* && -n $version ]] || die "Debian has no tcc, or no source of Lua" "is the mirror complete?"
    # The old folder stays in place until the new one is whole.
    rm -rf "$workload.new"
    apt_unpack_into "$workload.new/root" "${list[@]}"
    apt_get_into "$apt_dir/source" source --download-only "lua5.4=$version"
    dpkg-source --no-check --no-copy -x "$apt_dir"/source/lua5.4_*.dsc "$workload.new/source" > "$logs/source.log" 2>&1 ||
        die "unpacking Lua's source failed (all of it: $logs/source.log)"
    rm -rf "$apt_dir/source"
    echo "${run[*]}" > "$workload.new/packages"
    rm -rf "$workload"
    mv "$workload.new" "$workload"
}

take_lock
set_up
"$top/tests/nested/images-workload.sh" "$build/images" "$workload" >&2
