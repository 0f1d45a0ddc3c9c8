#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   attach.sh DIR            make the QEMU source tree DIR build our devices
#   attach.sh --remove DIR   undo that
#
# Links, added lines and patches/*.patch. All is prepared on copies of the files, and only when
# everything fits are they put back, so a tree is never half attached. What was done to the tree
# is kept in DIR/.shadow-attached, and undone by it, so that changed patches replace the old ones.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# file | whole line that must be there once | line to add after it
lines=(
    "meson.build|# that is filled in by qapi/.|subdir('shadow')"
    "meson.build|subdir('docs')|subdir('shadow/tests')"
    "Kconfig|source hw/Kconfig|source shadow/Kconfig"
    "qapi/meson.build|  'yank',|  'shadow', 'shadow-object',"
    "qapi/qapi-schema.json|{ 'include': 'crypto.json' }|{ 'include': 'shadow-object.json' }"
    "qapi/qapi-schema.json|{ 'include': 'virtio.json' }|{ 'include': 'shadow.json' }"
)

remove=
if [[ ${1:-} == --remove ]]; then
    remove=yes
    shift
fi
[[ $# -eq 1 && -f $1/VERSION && -f $1/qapi/meson.build ]] ||
    die "${1:-} is not a QEMU source tree" "usage: ./shadow attach DIR"
tree=$(cd "$1" && pwd -P)
record=$tree/.shadow-attached

shopt -s nullglob
patches=("$top"/patches/*.patch)

patched_files() { # PATCH...
    (($# == 0)) || sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$@"
}

touched() {
    {
        printf '%s\n' "${lines[@]%%|*}"
        patched_files "${patches[@]}"
        if [[ -f $record ]]; then
            patched_files "$record"
        fi
    } | sort -u
}

add_line() { # FILE ANCHOR LINE
    local file=$work/new/$1 count
    if grep -qxF -- "$3" "$file"; then
        die "$tree/$1 already has the line: $3" \
            "it was put there by other means than ./shadow attach; take it out, or use a fresh tree"
    fi
    count=$(grep -cxF -- "$2" "$file" || true)
    [[ $count == 1 ]] ||
        die "$tree/$1 has this line $count times, not once: $2" \
            "our line goes after it: $3" "this QEMU ($(cat "$tree/VERSION")) is none that we know"
    ANCHOR=$2 LINE=$3 awk '{ print } $0 == ENVIRON["ANCHOR"] { print ENVIRON["LINE"] }' \
        "$file" > "$work/line"
    cat "$work/line" > "$file"
}

add_patch() { # PATCH
    patch -d "$work/new" -p1 --fuzz=0 --force --no-backup-if-mismatch < "$1" > "$work/log" 2>&1 || {
        cat "$work/log" >&2
        find "$work/new" -name '*.rej' -exec cat {} + >&2
        die "patches/${1##*/} does not apply to $tree" \
            "this QEMU is $(cat "$tree/VERSION"); nothing in it was changed"
    }
}

# The tree's files as they are without us in $work/old; the same, to be changed, in $work/new.
stage() {
    local file
    while read -r file; do
        [[ -f $tree/$file ]] ||
            die "$tree has no file $file" "this QEMU ($(cat "$tree/VERSION")) is none that we know"
        mkdir -p "$work/old/$(dirname "$file")"
        cp -p "$tree/$file" "$work/old/$file"
    done < <(touched)
    if [[ -f $record ]]; then
        patch -d "$work/old" -p1 -R --force --no-backup-if-mismatch < "$record" > "$work/log" 2>&1 || {
            cat "$work/log" >&2
            die "what was attached to $tree cannot be taken out: the tree was changed since" \
                "undo the change in the files named above, or use a fresh tree"
        }
    fi
    cp -a "$work/old" "$work/new"
}

# Only files that differ are written, lest all be built again.
put_back() {
    local file
    trap '' INT TERM HUP
    while read -r file; do
        cmp -s "$work/new/$file" "$tree/$file" || cat "$work/new/$file" > "$tree/$file"
    done < <(touched)
}

link() { # TARGET NAME
    [[ $(readlink "$tree/$2" || true) == "$1" ]] || ln -sfn "$1" "$tree/$2"
}

mkdir -p "$build"
work=$(mktemp -d "$build/attach.XXXXXX")
trap 'rm -rf "$work"' EXIT

other=$(readlink "$tree/shadow" || true)
if [[ -n $other && $other != "$top" && -x $other/shadow ]]; then
    die "$tree is attached to $other" "detach it there first: $other/shadow detach $tree"
fi

if [[ -n $remove && ! -f $record ]]; then
    die "$tree was not attached by ./shadow attach"
fi
stage
if [[ -n $remove ]]; then
    put_back
    rm -f "$record" "$tree/shadow" "$tree/qapi/shadow.json" "$tree/qapi/shadow-object.json"
    say "detached from $tree"
    exit 0
fi

for entry in "${lines[@]}"; do
    IFS='|' read -r file anchor line <<< "$entry"
    add_line "$file" "$anchor" "$line"
done
for patch in "${patches[@]}"; do
    add_patch "$patch"
done

(cd "$work"; diff -ru old new || true) | sed -e '/^diff /d' \
    -e 's|^--- old/\([^[:space:]]*\).*|--- a/\1|' -e 's|^+++ new/\([^[:space:]]*\).*|+++ b/\1|' > "$work/record"
if ! cmp -s "$work/record" "$record"; then
    say "attaching to $tree: ${#lines[@]} lines, ${#patches[@]} patches"
    put_back
    cat "$work/record" > "$record"
fi
link "$top" shadow
for schema in shadow shadow-object; do
    link "../shadow/qapi/$schema.json" "qapi/$schema.json"
done
