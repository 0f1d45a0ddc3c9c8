# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An apt of our own: its lists, state and cache are under build/apt, so that the machine's own
# sources are neither used nor changed. Sourced, after common.sh.
# shellcheck disable=SC2154,SC2016 # common.sh sets them; $(REPO_URI) is apt-get's

apt_dir=$build/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# END: the first address in the machine's own sources that ends so. apt-get tells only those whose
# lists it has, so look into the files as well.
apt_machine_uri() {
    {
        apt-get indextargets --format '$(REPO_URI)' 2>/dev/null || true
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
            sed 's/#.*//' | tr -s ' \t' '\n' || true
    } | sed 's|/*$||' | awk -v end="$1" '/^https?:/ && $0 ~ end "$" && !n++ { print }'
}

apt_sources() {
    local mirror security
    mirror=${DEBIAN_MIRROR:-$(apt_machine_uri /debian)}
    [[ -n $mirror ]] ||
        die "this machine's apt has no Debian mirror" \
            "name one: DEBIAN_MIRROR=http://MIRROR/debian ./shadow ..."
    mirror=${mirror%/}
    security=${DEBIAN_SECURITY_MIRROR:-}
    if [[ -z $security && -z ${DEBIAN_MIRROR:-} ]]; then
        security=$(apt_machine_uri /debian-security)
    fi
    security=${security:-$mirror-security}

    local by="[arch=amd64 signed-by=$keyring]"
    # The guests' kernel and busybox are Debian 12's everywhere, so that all see the same guests.
    echo "deb $by $mirror bookworm main"
    echo "deb $by $security bookworm-security main"
    echo "deb $by $mirror trixie main"
    echo "deb $by $mirror trixie-updates main"
    echo "deb $by $security trixie-security main"
    echo "deb-src $by $mirror trixie main"
    echo "deb-src $by $mirror trixie-updates main"
    echo "deb-src $by $security trixie-security main"
    if [[ $series != 10.0 ]]; then
        echo "deb-src $by $mirror unstable main"
    fi
}

apt_configure() {
    [[ -r $keyring ]] ||
        die "$keyring is missing" "install it: apt-get install debian-archive-keyring"
    mkdir -p "$apt_dir"/{lists,archives}/partial "$apt_dir/state"
    apt_sources > "$apt_dir/sources.list.new"
    cmp -s "$apt_dir/sources.list.new" "$apt_dir/sources.list" ||
        mv "$apt_dir/sources.list.new" "$apt_dir/sources.list"
    # Hooks that the machine's apt has are for its own packages.
    cat > "$apt_dir/apt.conf" <<END
Dir::State "$apt_dir/state";
Dir::State::lists "$apt_dir/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$apt_dir";
Dir::Etc::sourcelist "$apt_dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
APT::Get::List-Cleanup "true";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
}

apt_update() {
    mkdir -p "$logs"
    apt_configure
    # tools.sh and source.sh often run one after the other
    if [[ -n $(find "$apt_dir/updated" -mmin -10 2>/dev/null) && ! $apt_dir/sources.list -nt $apt_dir/updated ]]; then
        return
    fi
    say "reading Debian's package lists"
    # A list that is out of reach or out of date is left out; what then lacks is said by who needs it.
    apt-get -c "$apt_dir/apt.conf" update > "$logs/apt.log" 2>&1 || true
    grep -E '^(E|W):' "$logs/apt.log" | head -n 8 >&2 || true
    if [[ -z $(apt_newest Packages meson) || -z $(apt_newest Packages busybox-static 1.35.) ]]; then
        if grep -q NO_PUBKEY "$logs/apt.log"; then
            die "this machine's debian-archive-keyring does not know Debian 13's keys" \
                "bring it up to date: apt-get update && apt-get install debian-archive-keyring"
        fi
        die "Debian's package lists cannot be had" \
            "check the network, or name a mirror that can be reached: DEBIAN_MIRROR=http://.../debian"
    fi
    touch "$apt_dir/updated"
}

apt_cache() {
    apt-cache -c "$apt_dir/apt.conf" "$@"
}

apt_newest() { # Packages|Sources NAME START: the newest version that starts so (but for the epoch)
    apt_cache madison "$2" | awk -F ' *[|] *' -v kind="$1" -v start="${3:-}" '
        $3 !~ kind "$" { next }
        { bare = $2; sub(/^[0-9]+:/, "", bare) }
        index(bare, start) == 1 { print $2 }' | sort -Vu | tail -n 1
}

apt_libraries() { # PACKAGE...: the names of all packages with libraries that they need
    local depends=(depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces
        --no-enhances) direct
    readarray -t direct < <(apt_cache "${depends[@]}" "$@" | sed -n 's/^ *Depends: \(lib\|zlib\)/\1/p')
    apt_cache "${depends[@]}" --recurse "${direct[@]}" | grep -E '^(lib|zlib)' | sort -u
}

# apt checks what it gets against the signed lists.
apt_get_into() { # DIR ARGUMENT...
    local dir=$1
    shift
    mkdir -p "$dir" "$logs"
    (cd "$dir" && apt-get -c "$apt_dir/apt.conf" -q "$@") >> "$logs/apt.log" 2>&1 || {
        grep -E '^E:' "$logs/apt.log" | tail -n 4 >&2 || true
        die "apt-get $* failed (all of it: $logs/apt.log)" "run this again when the network is there"
    }
}

# DIR PACKAGE[=VERSION]...: download them and unpack them into DIR, which must not be there
apt_unpack_into() {
    local dir=$1 downloads=$apt_dir/download deb
    shift
    rm -rf "$downloads"
    if (($# > 8)); then
        say "downloading $1 and $(($# - 1)) more packages"
    else
        say "downloading $*"
    fi
    apt_get_into "$downloads" download "$@"
    say "unpacking them"
    mkdir -p "$dir"
    for deb in "$downloads"/*.deb; do
        dpkg -x "$deb" "$dir"
    done
    rm -rf "$downloads"
}
