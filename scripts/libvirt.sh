#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   libvirt.sh [--check]
#
# Unpack libvirt of Debian 12 into build/libvirt, with all that it depends on: the nested tests run it in a
# cloud VM. With --check, see that its own tools take the files in contrib/libvirt.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

libvirt=$build/libvirt
contrib=$top/contrib/libvirt

# What is run, with what it depends on; of the others only their files are looked at.
run=(libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients libcap2-bin udev apparmor libxml2-utils)
look_at=(libvirt-daemon-system)

# NAME=VERSION of each package and of all that it depends on, as if nothing were installed
closure() { # PACKAGE...
    apt-get -c "$apt_dir/apt.conf" -o Dir::State::status=/dev/null -o APT::Default-Release=bookworm \
        -qq --simulate install --no-install-recommends "$@" 2>> "$logs/apt.log" |
        sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p'
}

set_up() {
    local list=() package version
    [[ $(head -n 1 "$libvirt/packages" 2>/dev/null) != "${run[*]} ${look_at[*]}" ]] || return 0
    apt_update
    readarray -t list < <(closure "${run[@]}")
    [[ " ${list[*]}" == *" libvirt-daemon="* ]] || die "Debian has no libvirt 9.0" "is the mirror complete?"
    for package in "${look_at[@]}"; do
        version=$(apt_newest Packages "$package" 9.0.)
        list+=("$package=$version")
    done
    # The old folder stays in place until the new one is whole.
    rm -rf "$libvirt.new"
    apt_unpack_into "$libvirt.new" "${list[@]}"
    printf '%s\n' "${run[*]} ${look_at[*]}" "${list[@]}" > "$libvirt.new/packages"
    rm -rf "$libvirt"
    mv "$libvirt.new" "$libvirt"
}

# PROGRAM [ARGUMENT...]: of those, with their own libraries
run_there() {
    local program=$libvirt/$1 lib=$libvirt/usr/lib/x86_64-linux-gnu
    shift
    "$libvirt/lib64/ld-linux-x86-64.so.2" --library-path "$libvirt/lib/x86_64-linux-gnu:$lib" \
        "$program" "$@"
}

# An emulator that prints its arguments stands for one.
try_wrapper() { # ARGUMENT...
    SHADOW_EMULATOR=echo SHADOW_GUESTS=$work/guests "$contrib/qemu-wrapper" "$@"
}

check_wrapper() {
    local uuid=5348a000-0000-4000-8000-000000000001 agent='-device shadow-agent,guest='
    mkdir "$work/guests"
    echo vm1 > "$work/guests/$uuid"
    echo 'vm1,history-ahead=off' > "$work/guests/${uuid%1}2"
    if [[ $(try_wrapper -m 64 -uuid $uuid -S) != "-m 64 -uuid $uuid -S ${agent}vm1" ||
        $(try_wrapper -uuid "${uuid%1}3") == *shadow-agent* ||
        $(try_wrapper -name $uuid) == *shadow-agent* ||
        $(try_wrapper -uuid ../guests/$uuid) == *shadow-agent* ]] ||
        try_wrapper -uuid "${uuid%1}2" 2> /dev/null; then
        die "contrib/libvirt/qemu-wrapper gives the wrong VM an agent, or none"
    fi
}

check() {
    local work file
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # now, while it is known
    trap "rm -rf '$work'" EXIT
    cp -r "$libvirt/etc/apparmor.d" "$work/"
    mkdir -p "$work/apparmor.d/local/abstractions"
    cp "$contrib/apparmor" "$work/apparmor.d/local/abstractions/libvirt-qemu"
    grep -q 'local/abstractions/libvirt-qemu' "$work/apparmor.d/abstractions/libvirt-qemu" ||
        die "libvirt's AppArmor profile does not include local/abstractions/libvirt-qemu any more"
    run_there sbin/apparmor_parser --config-file /dev/null \
        --skip-kernel-load --skip-cache --base "$work/apparmor.d" \
        "$work/apparmor.d/libvirt/TEMPLATE.qemu" || die "contrib/libvirt/apparmor has faults, see above"
    for file in "$contrib"/*.xml; do
        run_there usr/bin/xmllint --noout --relaxng "$libvirt/usr/share/libvirt/schemas/domain.rng" "$file" ||
            die "$file has faults, see above"
    done
    check_wrapper
}

take_lock
set_up
if [[ ${1:-} == --check ]]; then
    check
fi
