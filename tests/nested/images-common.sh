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

needed() { # FILE: the names of the libraries that it is linked with
    readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

copy_libraries() { # PACKAGES INTO FILE...: all that they need, from where packages are unpacked
    local packages=$1 into=$2 file name found
    shift 2
    for file; do
        for name in $(needed "$file"); do
            [ -e "$into/$name" ] && continue
            found=$(find "$packages/lib" "$packages/usr/lib" -name "$name" ! -path '*/python*' -print -quit)
            [ -n "$found" ] || die "$file needs $name: no package in $packages has it"
            cp -L "$found" "$into/$name"
            copy_libraries "$packages" "$into" "$found"
        done
    done
}
