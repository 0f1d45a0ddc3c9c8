#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   deb.sh [--agent]
#
# Make Debian packages in build/debs: of the outer QEMU, and of the agent as a plug-in of Debian's own
# QEMU, with what goes with it. With --agent, only the latter. Nothing is installed.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

debs=$build/debs
maintainer="${DEBFULLNAME:-Shadow devices for QEMU} <${DEBEMAIL:-shadow-devices@localhost}>"
moddir=usr/lib/x86_64-linux-gnu/qemu    # of Debian's QEMU: where AppArmor lets it load from

agent_only=
if [[ ${1:-} == --agent ]]; then
    agent_only=yes
    shift
fi
(($# == 0)) || die "./shadow deb takes no argument but --agent"

[[ -n $agent_only ]] || "$top/scripts/build.sh" || exit
"$top/scripts/plugin.sh" || exit
take_lock
locate_qemu

# The same sources make the same package.
SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2> /dev/null || stat -c %Y "$top/meson.build")
export SOURCE_DATE_EPOCH
release=0~$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d)

work=$(mktemp -d "$build/deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
umask 022

add() { # MODE SOURCE PATH: a file of the package
    install -D -m "$1" "$2" "$root/$3"
}

add_docs() { # NAME VERSION
    local doc=usr/share/doc/$1
    add 0644 "$top/contrib/debian/copyright" "$doc/copyright"
    gzip -9n > "$root/$doc/changelog.Debian.gz" <<END
$1 ($2) unstable; urgency=medium

  * Made by ./shadow deb.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
}

make_deb() { # NAME VERSION SED-ARGUMENT...
    local name=$1 version=$2 control=$root/DEBIAN/control
    shift 2
    add_docs "$name" "$version"
    mkdir -p "$root/DEBIAN"
    (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
    sed -e "s|@VERSION@|$version|" -e "s|@MAINTAINER@|$maintainer|" \
        -e "s|@SIZE@|$(du -sk --apparent-size "$root/usr" | cut -f 1)|" "$@" \
        "$top/contrib/debian/$name.control" > "$control"
    find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    mkdir -p "$debs"
    rm -f "$debs/$name"_*.deb
    dpkg-deb --root-owner-group -Zxz --build "$root" "$debs" > "$logs/deb.log" 2>&1 || {
        cat "$logs/deb.log" >&2
        die "making the package $name failed"
    }
    say "build/debs/$(basename "$debs/$name"_*.deb)"
}

agent() {
    local qemu
    qemu=$(head -n 1 "$build/plugin/for")
    root=$work/agent
    add 0644 "$build/plugin/shadow-agent.so" "$moddir/shadow-agent.so"
    strip --strip-unneeded "$root/$moddir/shadow-agent.so"
    add 0755 "$build/plugin/shadow-run" usr/bin/shadow-run
    add 0755 "$top/contrib/plugin/qemu-shadow-agent" usr/bin/qemu-shadow-agent
    add 0644 "$build/plugin/shadow-launch.bin" usr/share/qemu/shadow-launch.bin
    add 0644 "$top/contrib/libvirt/70-shadow.rules" usr/lib/udev/rules.d/70-shadow.rules
    add 0644 "$top/contrib/libvirt/modules-load.conf" usr/lib/modules-load.d/shadow.conf
    add 0755 "$top/contrib/debian/qemu-shadow-agent.postinst" DEBIAN/postinst
    make_deb qemu-shadow-agent "$release+qemu${qemu#*:}" -e "s|@QEMU@|$qemu|"
}

# What the emulator is linked with, as this machine's packages say
library_packages() { # PROGRAM
    mkdir -p "$work/shlibs/debian"
    printf 'Source: qemu\n\nPackage: qemu-system-shadow\nArchitecture: amd64\n' > "$work/shlibs/debian/control"
    (cd "$work/shlibs" && dpkg-shlibdeps -O -e "$1" 2> "$logs/deb.log") | sed -n 's/^shlibs:Depends=//p'
}

outer() {
    local upstream depends
    upstream=$(cat "$qemu_src/VERSION")
    root=$work/outer
    add 0755 "$qemu_build/qemu-system-x86_64" usr/bin/qemu-system-shadow
    strip "$root/usr/bin/qemu-system-shadow"
    depends=$(library_packages "$root/usr/bin/qemu-system-shadow")
    [[ -n $depends ]] || die "dpkg-shlibdeps does not say what the emulator depends on (see $logs/deb.log)"
    make_deb qemu-system-shadow "$release+qemu$upstream" -e "s|@DEPENDS@|$depends|" \
        -e "s|@UPSTREAM@|$upstream|"
}

agent
[[ -n $agent_only ]] || outer
