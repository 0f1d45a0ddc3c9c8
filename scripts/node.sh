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

# Debian's node looks for parts of itself where they are installed: it runs with a /usr/share of its own.
# shellcheck disable=SC2016 # the inner shell's
in_node_share() {
    printf '%s\0' unshare --mount
    ((EUID == 0)) || printf '%s\0' --map-root-user
    printf '%s\0' sh -c 'mount -t tmpfs none /usr/share && ln -s "$0" /usr/share/nodejs && exec "$@"' \
        "$node_dir/usr/share/nodejs"
}

# Certificates, should the machine have none
node_trust() {
    local file=/etc/ssl/certs/ca-certificates.crt
    if [[ ! -s $file ]]; then
        file=$node_dir/trusted.crt
        [[ -s $file ]] || cat "$node_dir"/usr/share/ca-certificates/mozilla/*.crt > "$file"
    fi
    printf '%s' "$file"
}

# Sets the arrays node and npm: how to run each
node_set_up() {
    node=(node)
    npm=(npm)
    ! machine_has_node || return 0
    web_unpack "$node_dir" nodejs npm
    readarray -d '' -t node < <(in_node_share)
    node+=(env "LD_LIBRARY_PATH=$(web_libraries "$node_dir")" "SSL_CERT_FILE=$(node_trust)"
        "NODE_PATH=$node_dir/usr/share/nodejs:$node_dir/usr/lib/x86_64-linux-gnu/nodejs"
        "$node_dir/usr/bin/node")
    npm=("${node[@]}" "$node_dir/usr/share/nodejs/npm/bin/npm-cli.js")
    "${node[@]}" -e 0 9>&- || die "Debian's node does not run here" \
        "it needs a mount namespace; or install it: apt-get install nodejs npm"
}

# What the page's tests run: a browser without windows, and a font; what makes certificates that it trusts
chromium_set_up() {
    web_unpack "$chromium_dir" chromium-headless-shell fonts-dejavu-core libnss3-tools openssl
    cat > "$chromium_dir/fonts.conf" <<FONTS
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir>$chromium_dir/usr/share/fonts</dir>
<cachedir>$chromium_dir/fontcache</cachedir>
</fontconfig>
FONTS
}
