# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Node, npm and Chromium: the machine's own, or Debian's unpacked under build/. Nothing is installed.
# Sourced, after common.sh and apt.sh.
# shellcheck disable=SC2154 # common.sh and apt.sh set them

node_dir=$build/node
chromium_dir=$build/chromium

# As for a machine that has nothing; but its own C library, which is as new or newer.
web_closure() { # PACKAGE...
    apt-get -c "$apt_dir/apt.conf" -o Dir::State::status=/dev/null -o APT::Default-Release=bookworm \
        -qq --simulate install --no-install-recommends "$@" 2>> "$logs/apt.log" |
        sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' | grep -v '^libc6='
}

web_unpack() { # DIR PACKAGE...
    local dir=$1 list
    shift
    [[ $(head -n 1 "$dir/packages" 2>/dev/null) != "$*" ]] || return 0
    apt_update
    readarray -t list < <(web_closure "$@")
    [[ " ${list[*]}" == *" $1="* ]] || die "Debian has no $1" "is the mirror complete?"
    # The old folder stays in place until the new one is whole.
    rm -rf "$dir.new"
    apt_unpack_into "$dir.new" "${list[@]}"
    printf '%s\n' "$*" "${list[@]}" > "$dir.new/packages"
    rm -rf "$dir"
    mv "$dir.new" "$dir"
}

web_libraries() { # DIR: where its libraries are
    printf '%s' "$1/usr/lib/x86_64-linux-gnu:$1/lib/x86_64-linux-gnu"
}

machine_has_node() {
    command -v node npm > /dev/null &&
        node -e 'process.exit(process.versions.node.split(".")[0] >= 18 ? 0 : 1)'
}

# Sets the arrays node and npm: how to run each
node_set_up() {
    node=(node)
    npm=(npm)
    ! machine_has_node || return 0
    web_unpack "$node_dir" nodejs npm
    node=(env "LD_LIBRARY_PATH=$(web_libraries "$node_dir")"
        "NODE_PATH=$node_dir/usr/share/nodejs:$node_dir/usr/lib/x86_64-linux-gnu/nodejs"
        "$node_dir/usr/bin/node")
    npm=("${node[@]}" "$node_dir/usr/share/nodejs/npm/bin/npm-cli.js")
}

# What the page's tests run: a browser without windows, and a font
chromium_set_up() {
    web_unpack "$chromium_dir" chromium-headless-shell fonts-dejavu-core
    cat > "$chromium_dir/fonts.conf" <<FONTS
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir>$chromium_dir/usr/share/fonts</dir>
<cachedir>$chromium_dir/fontcache</cachedir>
</fontconfig>
FONTS
}
