# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the scripts share that build images. Sourced.

say() { echo "images: $*"; }
die() { echo "images: error: $*" >&2; exit 1; }

# stale OUTPUT INPUT... : is OUTPUT missing, or older than one of its inputs?
stale() {
    local output=$1 input
    shift
    [ -e "$output" ] || return 0
    for input; do
        [ "$input" -nt "$output" ] && return 0
    done
    return 1
}

pack() { # ROOT: a cpio archive that belongs to root, on stdout
    (cd "$1" && find . -print0 | LC_ALL=C sort -z |
        cpio --null --create --quiet --format=newc --owner=0:0)
}
