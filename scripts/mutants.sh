#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   mutants.sh [MUTANT...]
#
# Build what the mutants are made from and what the nested tests boot, then make and test them.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$top/scripts/build.sh" || exit
locate_qemu
readarray -t targets < <(python3 "$top/scripts/check.py" --targets "$qemu_build" unit qtest)
"$top/scripts/build.sh" "${targets[@]}" || exit
"$top/scripts/plugin.sh" --host || exit
"$top/scripts/deb.sh" --agent || exit
"$top/tests/nested/images.sh" "$build/images" "$tools" "$qemu_build/qemu-system-x86_64" >&2 || exit
run_python "$top/scripts/mutants.py" "$qemu_build" "$@"
