#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Unpack Debian's GRUB into build/grub, and make of it what a user VM's disk begins with
# (tests/nested/test_private_imported.py).

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

grub=$build/grub

set_up() {
    local version
    [[ ! -e $grub ]] || return 0
    apt_update
    version=$(apt_newest Packages grub-common 2.06)
    [[ -n $version ]] || die "Debian 12 has no GRUB" "is the mirror complete?"
    apt_unpack_into "$grub.new" "grub-common=$version" "grub-pc-bin=$version"
    mv "$grub.new" "$grub"
}

take_lock
set_up
"$top/tests/nested/images-disk.sh" "$build/images" "$grub" >&2
