#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Unpack into build/tools what is used but need not be installed: meson, the firmware of QEMU's
# machines, and what the nested guests and emulated hosts run. With --newest, look for newer versions.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

# A folder that an earlier version of this script has made lacks what was added since.
if [[ ${1:-} != --newest ]] && grep -qs '^linux-image-6\.12' "$tools/packages"; then
    exit 0
fi

choose() { # PACKAGE [START]
    local version
    version=$(apt_newest Packages "$1" "${2:-}")
    [[ -n $version ]] || die "Debian has no package $1${2:+ $2*}" "is the mirror complete?"
    wanted+=("$1=$version")
}

choose_kernel() { # METAPACKAGE START: what the newest one depends on
    local meta kernel
    meta=$(apt_newest Packages "$1" "$2")
    kernel=$(apt_cache show "$1=$meta" 2>/dev/null |
        sed -n "s/^Depends: \(linux-image-${2//./\\.}[^ ,]*\).*/\1/p")
    [[ -n $kernel ]] || die "Debian has no $1 $2*" "is the mirror complete?"
    choose "$kernel"
}

wanted=()
apt_update
for package in meson seabios qemu-system-data ipxe-qemu; do
    choose "$package"
done
choose busybox-static 1.35.
# Debian 12's own kernel for the nested guests, and its newer one for an emulated KVM host.
choose_kernel linux-image-amd64 6.1.
choose_kernel linux-image-6.12-amd64 6.12.

list=$(printf '%s\n' "${wanted[@]}")
if [[ -f $tools/packages && $list == "$(cat "$tools/packages")" ]]; then
    exit 0
fi

# The old folder stays in place until the new one is whole.
rm -rf "$tools.new"
apt_unpack_into "$tools.new" "${wanted[@]}"
echo "$list" > "$tools.new/packages"
rm -rf "$tools"
mv "$tools.new" "$tools"
