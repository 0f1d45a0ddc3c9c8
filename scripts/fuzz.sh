#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   fuzz.sh [SECONDS] [TARGET...]
#
# Build what the fuzz targets are made from, then build and run them.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$top/scripts/packages.sh" "${fuzz_packages[@]}" || exit
"$top/scripts/build.sh" qemu-system-x86_64 shadow/tests/unit/test-shadow-seal || exit
locate_qemu
run_python "$top/scripts/fuzz.py" "$qemu_build" "$@"
