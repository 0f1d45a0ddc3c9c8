#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   web.sh [--check [--images DIR] [TEST...]]
#   web.sh --set-up | --run PROGRAM [ARGUMENT...]
#
# Put the page for consoles into build/web: our modules and xterm.js, which npm downloads as
# web/package-lock.json says. With --check, run its tests too, or those in a browser that are named.
# --set-up: what the tests need is there afterwards; --run: one of their programs, for check.py.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$top/scripts/apt.sh"
source "$top/scripts/node.sh"

modules=$build/web-modules
page=$build/web

set_up_modules() {
    if cmp -s "$top/web/package-lock.json" "$modules/done"; then
        return
    fi
    rm -rf "$modules"
    mkdir -p "$modules"
    cp "$top"/web/package*.json "$modules/"
    say "downloading xterm.js"
    (cd "$modules" && "${npm[@]}" ci --ignore-scripts --no-audit --no-fund) > "$logs/npm.log" 2>&1 9>&- || {
        tail -n 5 "$logs/npm.log" >&2
        die "npm ci failed (all of it: $logs/npm.log)" "run this again when the network is there"
    }
    cp "$top/web/package-lock.json" "$modules/done"
}

make_page() {
    local addon
    rm -rf "$page.new"
    mkdir -p "$page.new/xterm"
    cp -r "$top/web"/{index.html,style.css,src} "$page.new/"
    cp "$modules/node_modules/@xterm/xterm"/{lib/xterm.mjs,css/xterm.css,LICENSE} "$page.new/xterm/"
    for addon in search serialize; do
        cp "$modules/node_modules/@xterm/addon-$addon/lib/addon-$addon.mjs" "$page.new/xterm/"
    done
    # A link to a map that is not there
    sed -i '/^\/\/# sourceMappingURL=/d' "$page.new"/xterm/*.mjs
    rm -rf "$page"
    mv "$page.new" "$page"
}

run_browser() {
    export SHADOW_CHROMIUM=$chromium_dir SHADOW_WEB=$page
    run_python "$top/tests/web/run.py" "$@"
}

run_program() { # browser or a file of tests/web, ARGUMENT...
    local name=$1
    shift
    if [[ $name == browser ]]; then
        run_browser "$@"
    fi
    node_set_up
    exec "${node[@]}" --test-reporter=tap "$top/tests/web/$name"
}

if [[ ${1:-} == --run ]]; then
    run_program "${@:2}"
fi
if [[ ${1:-} == --check && $# == 1 ]]; then
    exec "$top/scripts/check.sh" web
fi
take_lock
node_set_up
set_up_modules
make_page
say "the page is in build/web"
[[ -n ${1:-} ]] || exit 0
chromium_set_up
[[ $1 == --check ]] || exit 0
exec 9>&-
"$top/scripts/build.sh" || exit
run_browser "${@:2}"
