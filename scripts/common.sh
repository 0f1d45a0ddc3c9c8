# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where things are and how the scripts speak. Sourced, never run.
# shellcheck disable=SC2034 # what is set here is for others

set -euo pipefail
trap 'echo "shadow: error: ${BASH_SOURCE[0]}, line $LINENO: $BASH_COMMAND failed" >&2' ERR

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$top/build
tools=$build/tools
logs=$build/log
jobs=${JOBS:-$(nproc)}

# QEMU 10.0 wants a newer meson than Debian 12 installs; the unpacked one is found here.
export PYTHONPATH=$tools/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}

say() {
    echo "shadow: $*" >&2
}

die() {
    local line
    echo "shadow: error: $1" >&2
    shift
    for line; do
        echo "  $line" >&2
    done
    exit 1
}

# Be the only one that changes build/, until this script ends. What it leaves running must not have
# the lock: 9>&-
take_lock() {
    if ! mkdir -p "$logs" || [[ ! -w $build ]]; then
        die "$build cannot be written to" "is it another user's?"
    fi
    exec 9> "$build/lock"
    flock -n 9 || {
        say "waiting for another ./shadow that is building"
        flock 9
    }
}

# Where QEMU's source is (nothing, before source.sh has unpacked it), and where it is built.
locate_qemu() {
    if [[ -n ${QEMU_SRC:-} ]]; then
        [[ -f $QEMU_SRC/VERSION && -x $QEMU_SRC/configure ]] ||
            die "QEMU_SRC=$QEMU_SRC is not a QEMU source tree" \
                "give the folder that holds QEMU's configure and VERSION"
        series=$(cut -d. -f1,2 "$QEMU_SRC/VERSION")
        qemu_src=$(cd "$QEMU_SRC" && pwd -P)
        qemu_build=$build/qemu-user
        return
    fi
    series=${QEMU_SERIES:-10.0}
    qemu_src=$(compgen -G "$build/src/qemu-$series.*" | sort -V | tail -n 1 || true)
    qemu_build=$build/qemu
    if [[ $series != 10.0 ]]; then
        qemu_build=$build/qemu-$series
    fi
}

locate_qemu

# What only fuzzing needs
fuzz_packages=(clang libclang-rt-dev)

# Become one of our Python programs, which is told where things are.
run_python() {
    export SHADOW_BUILD=$build
    export QEMU_BINARY=$qemu_build/qemu-system-x86_64
    export QEMU_SOURCE=$qemu_src QEMU_PYTHON=$qemu_src/python
    export JOBS=$jobs
    exec python3 "$@"
}
