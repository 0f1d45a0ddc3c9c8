#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   docs.sh [--set-up]
#
# Build docs/ to HTML in build/docs. A warning is an error. With --set-up, only unpack Sphinx into
# build/sphinx: Debian 13's, which runs with the python3 of Debian 12 too. Nothing is installed.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"

sphinx=$build/sphinx
html=$build/docs

# Sphinx and what it imports
packages=(
    python3-sphinx sphinx-common libjs-sphinxdoc
    python3-docutils docutils-common python3-roman
    python3-alabaster python3-babel python-babel-localedata python3-defusedxml python3-imagesize
    python3-jinja2 python3-markupsafe python3-packaging python3-pygments python3-snowballstemmer
    python3-requests python3-certifi python3-charset-normalizer python3-idna python3-urllib3
)

# -S: not what this machine has installed
run_sphinx() {
    env LC_ALL=C.UTF-8 PYTHONPATH="$sphinx/usr/lib/python3/dist-packages" \
        /usr/bin/python3 -S -m sphinx "$@"
}

# Debian's packages look for their data where they are installed.
relocate() { # FROM TO
    local file
    for file in sphinx docutils; do
        sed -i "s|'/usr/share/$file|'$2/usr/share/$file|" \
            "$1/usr/lib/python3/dist-packages/$file/__init__.py"
    done
}

set_up() {
    # Where they are is part of it: another folder needs them relocated anew.
    local stamp=$sphinx/packages list
    list=$(printf '%s\n' "$sphinx" "${packages[@]}")
    if [[ -f $stamp && $list == "$(cat "$stamp")" ]]; then
        return
    fi
    [[ -x /usr/bin/python3 ]] || die "there is no /usr/bin/python3" "apt-get install python3"
    apt_update
    # The old folder stays in place until the new one is whole.
    rm -rf "$sphinx.new"
    apt_unpack_into "$sphinx.new" "${packages[@]}"
    relocate "$sphinx.new" "$sphinx"
    echo "$list" > "$sphinx.new/packages"
    rm -rf "$sphinx"
    mv "$sphinx.new" "$sphinx"
}

take_lock
set_up
if [[ ${1:-} == --set-up ]]; then
    exit 0
fi
rm -rf "$html"
run_sphinx -W -n --keep-going -q -b html "$top/docs" "$html" 9>&- ||
    die "the documentation has faults, see above"
say "the documentation is in build/docs/index.html"
