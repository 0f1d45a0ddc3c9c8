#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Build KVM's modules with our change (contrib/linux-6.12) from Debian 12's 6.12 source and headers,
# for the kernel that is in build/tools, else for the newest. They are left in build/kernel/modules.
# With --newest, look for a newer kernel.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

kernel=$build/kernel
patches=("$top"/contrib/linux-6.12/*.patch)
modules=(kvm kvm-amd kvm-intel)
# What patches may touch; the rest of the source is in the header packages.
parts=(
    arch/x86/kvm virt/kvm Documentation/virt/kvm
    arch/x86/include/asm/kvm_host.h include/uapi/linux/kvm.h
)

mkdir -p "$kernel" "$logs"
exec 8> "$kernel/lock"
flock -n 8 || {
    say "waiting for another ./shadow that is building KVM's modules"
    flock 8
}

# The release (6.12.N+deb12) of the kernel that is to load the modules; nothing if any will do.
wanted_release() {
    local image
    image=$(compgen -G "$tools/boot/vmlinuz-6.12.*+deb12-amd64" | sort -V | tail -n 1 || true)
    image=${image##*/vmlinuz-}
    echo "${image%-amd64}"
}

# RELEASE: all that a build needs but the source, which has no release in its name.
packages_of() {
    printf '%s\n' "linux-headers-$1-common" "linux-headers-$1-amd64" "linux-kbuild-$1"
}

has_all() { # RELEASE VERSION
    local package
    for package in "linux-image-$1-amd64" $(packages_of "$1"); do
        [[ -n $(apt_newest Packages "$package" "$2") ]] || return
    done
}

# Sets release and version; Debian keeps some older ones, for which not all of it need be there.
choose_version() {
    local wanted=$1
    while read -r version; do
        release=${version%%-*}+deb12
        if [[ -z $wanted || $release == "$wanted" ]] && has_all "$release" "$version"; then
            return
        fi
    done < <(apt_cache madison linux-source-6.12 | tr -d ' ' | cut -d '|' -f 2 |
        grep '~deb12' | sort -ruV)
    die "Debian's archive lacks source or headers for Linux 6.12${wanted:+ ($wanted)}" \
        "look for a newer kernel: ./shadow fetch"
}

# The folder with the headers, into which the source is unpacked too: KVM's makefiles expect both in one.
locate_tree() {
    tree=$kernel/$release/usr/src/linux-headers-$release-common
    headers=$kernel/$release/usr/src/linux-headers-$release-amd64
    pristine=$kernel/$release/pristine
}

unpack() {
    local downloads=$apt_dir/kernel final=$kernel/$release deb
    say "downloading the source and headers of Linux $version"
    rm -rf "$downloads" "$final" "$final.new"
    mapfile -t debs < <(packages_of "$release" | sed "s/\$/=$version/")
    apt_get_into "$downloads" download "linux-source-6.12=$version" "${debs[@]}"

    say "unpacking them into build/kernel"
    mkdir -p "$final.new/pristine"
    for deb in "$downloads"/linux-{headers,kbuild}-*.deb; do
        dpkg -x "$deb" "$final.new"
    done
    dpkg --fsys-tarfile "$downloads"/linux-source-*.deb |
        tar -xO ./usr/src/linux-source-6.12.tar.xz |
        tar -xJ -C "$final.new/pristine" --strip-components=1 "${parts[@]/#/linux-source-6.12/}"
    # They are where we put them, not where Debian installs them.
    # shellcheck disable=SC2016 # make's
    echo 'include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../linux-headers-'"$release"'-common/Makefile' \
        > "$final.new/usr/src/linux-headers-$release-amd64/Makefile"
    # Only for BTF, which needs more tools and which modules need not have.
    rm -f "$final.new/usr/src/linux-headers-$release-amd64/vmlinux"
    rm -rf "$downloads"
    mv "$final.new" "$final"
}

# Bring what the patches make of the source into the tree; what stays the same keeps its time.
apply() {
    local patched=$kernel/$release/patched patch file
    rm -rf "$patched"
    cp -a "$pristine" "$patched"
    for patch in "${patches[@]}"; do
        patch -d "$patched" -p1 -s --fuzz=0 < "$patch" > "$logs/kernel.log" 2>&1 || {
            tail -n 20 "$logs/kernel.log" >&2
            die "${patch#"$top/"} does not apply to Linux $release" \
                "it was written for the version that it names"
        }
    done
    while read -r file; do
        cmp -s "$patched/$file" "$tree/$file" || {
            mkdir -p "$(dirname "$tree/$file")"
            cp "$patched/$file" "$tree/$file"
        }
    done < <(cd "$patched" && find . -type f)
    rm -rf "$patched"
}

compile() {
    say "building ${modules[*]} for Linux $release"
    nice make -C "$headers" M="$tree/arch/x86/kvm" -j "$jobs" modules > "$logs/kernel.log" 2>&1 8>&- || {
        grep -E -A 8 -m 3 'error|Error' "$logs/kernel.log" >&2 || tail -n 20 "$logs/kernel.log" >&2
        die "building KVM's modules failed (all of it: $logs/kernel.log)"
    }
}

collect() {
    local module
    rm -rf "$kernel/modules.new"
    mkdir -p "$kernel/modules.new"
    for module in "${modules[@]}"; do
        strip --strip-debug -o "$kernel/modules.new/$module.ko" "$tree/arch/x86/kvm/$module.ko"
        grep -qa "vermagic=$release-amd64 " "$kernel/modules.new/$module.ko" ||
            die "$module.ko would not load in Linux $release-amd64" "remove build/kernel and run this again"
    done
    echo "$release-amd64" > "$kernel/modules.new/release"
    rm -rf "$kernel/modules"
    mv "$kernel/modules.new" "$kernel/modules"
}

# All that the modules depend on but the kernel's version.
inputs=$(sha256sum "${patches[@]}" "${BASH_SOURCE[0]}" | cut -d ' ' -f 1)
release=$(wanted_release)
if [[ -z $release && ${1:-} != --newest ]]; then
    release=$(sed 's/-amd64$//' "$kernel/modules/release" 2>/dev/null || true)
fi
if [[ -n $release && -f $kernel/built && $(cat "$kernel/built") == "$release $inputs" ]]; then
    exit 0
fi

"$top/scripts/packages.sh" gcc-12 || exit
locate_tree
if [[ -z $release || ! -d $pristine ]]; then
    apt_update
    choose_version "$release"
    locate_tree
    [[ -d $pristine ]] || unpack
fi
rm -f "$kernel/built"
apply
compile
collect
echo "$release $inputs" > "$kernel/built"
find "$kernel" -mindepth 1 -maxdepth 1 -name '6.*' ! -name "$release" -exec rm -rf {} +
say "build/kernel/modules has ${modules[*]} for Linux $release-amd64"
