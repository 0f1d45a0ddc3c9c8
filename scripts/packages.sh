#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   packages.sh [PACKAGE...]
#
# Make sure that the packages are installed which the build needs on the machine itself, and those
# that are named.
# All else is unpacked under build/ by tools.sh.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=(
    # QEMU's configure and build
    gcc libc6-dev make ninja-build pkgconf python3 python3-venv
    libglib2.0-dev libgcrypt20-dev libgnutls28-dev libslirp-dev
    # its source package, our hooks
    dpkg-dev xz-utils patch
    # the guests' images
    cpio
    "$@"
)

is_installed() { # PACKAGE
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Who may install packages: root, or a user of sudo who need not type a password or can.
as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        sudo "$@"
    fi
}

may_install() {
    ((EUID == 0)) && return
    command -v sudo > /dev/null || return
    sudo -n true 2>/dev/null || { [[ -t 0 ]] && sudo -v; }
}

command -v dpkg-query apt-get > /dev/null ||
    die "this is not a Debian system" "Debian 12 or 13 on x86-64 is needed"
[[ $(dpkg --print-architecture) == amd64 ]] ||
    die "this machine is $(dpkg --print-architecture)" "Debian 12 or 13 on x86-64 (amd64) is needed"

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
may_install ||
    die "these packages are missing: ${missing[*]}" \
        "ask an administrator of this machine to run:" \
        "    apt-get update && ${install[*]}"

mkdir -p "$logs"
say "installing ${#missing[@]} packages: ${missing[*]}"
# A source of the machine's that is out of reach is no matter if the packages can still be had.
as_root apt-get update > "$logs/packages.log" 2>&1 || true
as_root env DEBIAN_FRONTEND=noninteractive "${install[@]}" >> "$logs/packages.log" 2>&1 < /dev/null || {
    tail -n 20 "$logs/packages.log" >&2
    die "installing packages failed (all of it: $logs/packages.log)" "put that right, then run this again"
}
