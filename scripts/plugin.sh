#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   plugin.sh [--host] [--variant DIR]
#
# Build the agent as a plug-in of Debian's own QEMU, for the one package version whose source is
# unpacked: build/plugin/shadow-agent.so. What it needs of QEMU must be what the package's binary has.
# Also build/plugin/shadow-run. With --host, for the tests, unpack all that this QEMU needs to run, into
# build/plugin/debian, and build plug-ins that it must refuse, in build/plugin/refused. With --variant,
# make all that in DIR, of the sources that are under DIR/shadow instead of ours.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

plugin=$build/plugin
tree=$plugin/src            # the source without our changes
headers=$plugin/qemu        # QEMU's generated headers
debian=$plugin/debian       # the package, unpacked
emulator=usr/bin/qemu-system-x86_64

host=
variant=
while (($#)); do
    case $1 in
    --host) host=yes ;;
    --variant)
        variant=${2:?DIR is missing}
        shift
        ;;
    *) die "./shadow plugin takes no arguments" ;;
    esac
    shift
done
out=${variant:-$plugin}

take_lock
"$top/scripts/packages.sh" || exit
"$top/scripts/tools.sh" || exit
"$top/scripts/source.sh" || exit
locate_qemu
[[ -f $qemu_src/debian/changelog ]] ||
    die "$qemu_src is not a Debian source package" \
        "the plug-in is for the QEMU of a Debian package: unpack its source, apt-get source qemu=VERSION"
version=$(dpkg-parsechangelog -l "$qemu_src/debian/changelog" -S Version)

# Links to the files of the source, all but those that we have changed: these are copied, and put
# back to what they were.
copy_source() {
    local file
    say "taking our changes out of a copy of QEMU $version"
    rm -rf "$tree.new"
    mkdir -p "$plugin"
    cp -al "$qemu_src" "$tree.new" 2> /dev/null || {
        rm -rf "$tree.new"
        cp -a "$qemu_src" "$tree.new"
    }
    rm -f "$tree.new"/{shadow,qapi/shadow.json,qapi/shadow-object.json}
    [[ -f $qemu_src/.shadow-attached ]] || return 0
    while read -r file; do
        rm "$tree.new/$file"
        cp -p "$qemu_src/$file" "$tree.new/$file"
    done < <(sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$qemu_src/.shadow-attached")
    patch -d "$tree.new" -p1 -R --force --no-backup-if-mismatch \
        < "$qemu_src/.shadow-attached" > "$logs/plugin.log" 2>&1 ||
        die "our changes cannot be taken out of $qemu_src (see $logs/plugin.log)"
}

# What makes no difference to the structures that the agent uses is left out: Debian's QEMU has much
# that this machine need not have libraries for. shadow-agent-plugin.c compares their sizes.
options=(
    --python=/usr/bin/python3
    --target-list=x86_64-softmmu
    --without-default-features
    --enable-system --enable-tcg --enable-kvm
    --enable-modules --enable-plugins
    --disable-install-blobs
    --disable-download
    "--with-pkgversion=Debian $version"
)

configure() {
    say "configuring QEMU $version"
    rm -rf "$headers"
    mkdir -p "$headers"
    (cd "$headers" && "$tree/configure" "${options[@]}") > "$logs/plugin.log" 2>&1 9>&- || {
        tail -n 20 "$logs/plugin.log" >&2
        die "configuring QEMU failed (all of it: $logs/plugin.log)"
    }
    # one header of each program that makes any which the agent includes
    ninja -C "$headers" config-poison.h qapi/qapi-types-run-state.h >> "$logs/plugin.log" 2>&1 9>&- || {
        tail -n 20 "$logs/plugin.log" >&2
        die "QEMU's headers could not be made (all of it: $logs/plugin.log)"
    }
}

is_installed() {
    [[ $(dpkg-query -W -f '${Version}' qemu-system-x86 2> /dev/null || true) == "$version" ]]
}

unpack() { # PACKAGE...: with the emulator
    apt_update
    [[ -n $(apt_newest Packages qemu-system-x86 "${version#*:}") ]] ||
        die "Debian's archive has no qemu-system-x86 $version any more" \
            "look for a newer source package: ./shadow fetch"
    rm -rf "$debian"
    apt_unpack_into "$debian.new" "qemu-system-x86=$version" "$@"
    echo "$version" > "$debian.new/version"
    mv "$debian.new" "$debian"
}

# The binary that the plug-in is for; the machine's own if it is that.
find_package() {
    local libraries
    [[ -e $debian/version && $version == "$(cat "$debian/version")" ]] || rm -rf "$debian"
    if [[ -n $host && ! -e $debian/usr/sbin/setcap ]]; then
        apt_update
        readarray -t libraries < <(apt_libraries "qemu-system-x86=$version" libcap2-bin)
        unpack "${libraries[@]}" libcap2-bin
    fi
    if [[ -e $debian/version ]]; then
        binary=$debian/$emulator
    elif is_installed; then
        binary=/$emulator
    else
        unpack
        binary=$debian/$emulator
    fi
}

set_up() {
    local wanted
    wanted=$(printf '%s\n' "$version" "$qemu_src" "${options[@]}")
    if [[ -f $plugin/for && $wanted == "$(cat "$plugin/for")" ]]; then
        return
    fi
    rm -f "$plugin/for"
    copy_source
    rm -rf "$tree"
    mv "$tree.new" "$tree"
    configure
    echo "$wanted" > "$plugin/for"
}

# Our sources find shadow/... and the trace events there; a plug-in has none.
include_folder() {
    mkdir -p "$plugin/include/trace"
    ln -sfn "$top" "$plugin/include/shadow"
    /usr/bin/python3 "$tree/scripts/tracetool.py" --backends=nop --format=h --group=shadow \
        "$top/trace-events" "$plugin/include/trace/trace-shadow.h.new"
    cmp -s "$plugin/include/trace/trace-shadow.h"{.new,} ||
        mv "$plugin/include/trace/trace-shadow.h"{.new,}
}

source_of() { # PATH
    if [[ -n $variant && -e $variant/shadow/$1 ]]; then
        echo "$variant/shadow/$1"
    else
        echo "$top/$1"
    fi
}

# shellcheck disable=SC2207 # words
flags=($(pkg-config --cflags glib-2.0) -std=gnu11 -m64 -mcx16 -O2 -g -pthread -fPIC
    -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_LARGEFILE_SOURCE
    -fno-strict-aliasing -fno-common -fwrapv -ftrivial-auto-var-init=zero -fvisibility=hidden
    -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
    -Wall "-W${variant:+no-}error" -Wundef -Wwrite-strings -Wmissing-prototypes -Wstrict-prototypes
    -isystem "$tree/linux-headers" -isystem linux-headers)
folders=(-iquote . -iquote "$tree" -iquote "$tree/include" -iquote "$tree/host/include/x86_64"
    -iquote "$tree/host/include/generic" -iquote "$plugin/include" -Iqapi)

compile() { # OBJECT SOURCE FLAG...
    mkdir -p "$(dirname "$1")"
    (cd "$headers" && cc "${flags[@]}" "${@:3}" "${folders[@]}" -c -o "$1" "$2") >> "$logs/plugin.log" 2>&1 || {
        tail -n 30 "$logs/plugin.log" >&2
        die "compiling the agent failed (all of it: $logs/plugin.log)"
    }
}

link() { # OUTPUT OBJECT...
    cc -shared -Wl,-z,relro,-z,now,-z,nodelete -o "$1.new" "${@:2}"
    mv "$1.new" "$1"
}

package_flag() { # PACKAGE
    echo "-DSHADOW_PLUGIN_PACKAGE=\"$1\""
}

# Those that QEMU must refuse: one for another package, and one for a QEMU that was configured
# otherwise, with larger locks in its structures.
make_refused() {
    local main other=$out/objects/other
    main=$(source_of hw/misc/shadow-agent-plugin.c)
    mkdir -p "$out/refused" "$plugin/include-debug"
    sed 's/^#undef CONFIG_DEBUG_MUTEX/#define CONFIG_DEBUG_MUTEX/' "$headers/config-host.h" \
        > "$plugin/include-debug/config-host.h"
    compile "$other.o" "$main" "$(package_flag "Debian $version~other")"
    link "$out/refused/package.so" "$other.o" "${objects[@]}"
    compile "$other.o" "$main" "$(package_flag "Debian $version")" -iquote "$plugin/include-debug"
    link "$out/refused/build.so" "$other.o" "${objects[@]}"
}

make_plugin() {
    local path objects=() main=$out/objects/shadow-agent-plugin.o
    say "compiling the agent for QEMU $version"
    : > "$logs/plugin.log"
    for path in "$top"/hw/misc/shadow-agent*.c; do
        path=${path#"$top/"}
        [[ $path == */shadow-agent-@(builtin|plugin|xen).c ]] && continue
        objects+=("$out/objects/$(basename "$path" .c).o")
        compile "${objects[-1]}" "$(source_of "$path")"
    done
    compile "$main" "$(source_of hw/misc/shadow-agent-plugin.c)" "$(package_flag "Debian $version")"
    link "$out/shadow-agent.so" "$main" "${objects[@]}"
    check_symbols "$out/shadow-agent.so"
    [[ -z $host ]] || make_refused
}

make_run() {
    cc -O2 -Wall "-W${variant:+no-}error" -fPIE -pie -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
        -Wl,-z,relro,-z,now -I"$top/include" -o "$out/shadow-run.new" \
        "$(source_of contrib/plugin/shadow-run.c)"
    mv "$out/shadow-run.new" "$out/shadow-run"
}

# What has been made of the same sources is made.
is_made() {
    local made=$out/shadow-run
    [[ -z $variant && -e $made && ( -z $host || -e $out/refused/build.so ) ]] &&
        [[ -z $(find "$top"/hw/misc/shadow-agent* "$top"/include "$top"/trace-events "$top"/contrib/plugin \
            "${BASH_SOURCE[0]}" "$plugin/for" -type f -newer "$made" -print -quit) ]]
}

symbols() { # FILE OPTION...: without versions
    nm -D "${@:2}" "$1" | awk '{ sub(/@.*/, "", $NF); print $NF }' | LC_ALL=C sort -u
}

newest_libc() { # FILE: what it needs
    nm -D --undefined-only "$1" | sed -n 's/.*@GLIBC_\([0-9.]*\)$/\1/p' | sort -V | tail -n 1
}

# What QEMU exports is there, and so are the libraries' functions that QEMU needs itself. Symbols of
# the C library have versions: it must be no newer than QEMU's.
check_symbols() { # PLUGIN
    local needs has lacking
    needs=$(nm -D --undefined-only "$1" | awk '$1 != "w" && $NF !~ /@/ { print $NF }' | LC_ALL=C sort -u)
    has=$({ symbols "$binary" --defined-only && symbols "$binary" --undefined-only; } | LC_ALL=C sort -u)
    lacking=$(comm -23 <(echo "$needs") <(echo "$has"))
    [[ -z $lacking ]] ||
        die "QEMU $version does not have what the agent needs of it:" "${lacking//$'\n'/ }"
    needs=$(newest_libc "$1")
    has=$(newest_libc "$binary")
    printf '%s\n' "$needs" "$has" | sort -CV ||
        die "the agent needs the C library $needs, and QEMU $version $has" \
            "build it on the Debian release that this QEMU is of, or on an older one"
}

set_up
find_package
if ! is_made; then
    include_folder
    make_plugin
    make_run
fi
"$top/scripts/launch.sh" "$out/shadow-launch.bin"
say "${out#"$top/"}/shadow-agent.so is for qemu-system-x86 $version"
