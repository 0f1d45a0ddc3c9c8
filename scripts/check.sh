#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   check.sh [--long] [LAYER...]
#
# Build what the layers' tests need and run them; check.py runs, counts and reports.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

long=()
if [[ ${1:-} == --long ]]; then
    long=(--long)
    shift
fi
layers=("$@")
((${#layers[@]})) || layers=(style unit client web qtest sanitize fuzz qemu nested)
for layer in "${layers[@]}"; do
    [[ $layer =~ ^(style|unit|client|web|qtest|sanitize|fuzz|qemu|nested)$ ]] ||
        die "there is no layer $layer" "layers: style unit client web qtest sanitize fuzz qemu nested"
done

if [[ " ${layers[*]} " == *" fuzz "* ]]; then
    "$top/scripts/packages.sh" "${fuzz_packages[@]}" || exit
fi
"$top/scripts/build.sh" || exit
if [[ " ${layers[*]} " == *" style "* ]]; then
    "$top/scripts/docs.sh" --set-up || exit
    "$top/scripts/libvirt.sh" || exit
fi
if [[ " ${layers[*]} " == *" web "* ]]; then
    "$top/scripts/web.sh" --set-up || exit
fi
locate_qemu
readarray -t targets < <(python3 "$top/scripts/check.py" --targets "$qemu_build" "${layers[@]}")
if ((${#targets[@]})); then
    "$top/scripts/build.sh" "${targets[@]}" || exit
fi
if [[ " ${layers[*]} " == *" nested "* ]]; then
    "$top/scripts/kernel.sh" || exit
    "$top/scripts/plugin.sh" --host || exit
    "$top/scripts/deb.sh" || exit
    "$top/scripts/libvirt.sh" || exit
    "$top/tests/nested/images.sh" "$build/images" "$tools" "$qemu_build/qemu-system-x86_64" >&2 || exit
    "$top/tests/nested/images-libvirt.sh" "$build/images" "$build/libvirt" >&2 || exit
fi

run_python "$top/scripts/check.py" "${long[@]}" "$qemu_build" "${layers[@]}"
