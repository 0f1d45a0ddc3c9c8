#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   guests.sh PROGRAM [ARGUMENT...]
#
# Build QEMU and the guests' images, then run tests/nested/PROGRAM.py with them.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

program=$top/tests/nested/$1.py
shift
"$top/scripts/build.sh" || exit
locate_qemu
"$top/tests/nested/images.sh" "$build/images" "$tools" "$qemu_build/qemu-system-x86_64" >&2 || exit

# What the cloud VM has besides, if it is another than the usual one
case " $* " in
*" --cloud plugin "*) "$top/scripts/plugin.sh" --host && "$top/scripts/deb.sh" --agent ;;
*" --cloud libvirt "*)
    "$top/scripts/libvirt.sh" && "$top/tests/nested/images-libvirt.sh" "$build/images" "$build/libvirt" >&2
    ;;
*" --cloud xen "*) "$top/scripts/xen.sh" --no-device-model ;;
esac || exit

export SHADOW_BUILD=$build
export QEMU_BINARY=$qemu_build/qemu-system-x86_64
export QEMU_SOURCE=$qemu_src QEMU_PYTHON=$qemu_src/python
exec python3 "$program" "$@"
