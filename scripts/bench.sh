#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   bench.sh [ARGUMENT...]
#
# Build QEMU, the guests' images and, with --accel kvm, KVM's modules with our change, or see that
# instructions can be counted and plots drawn; then run tests/nested/bench.py.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Counts are not drawn.
if [[ " $* " =~ ' --accel'[\ =]'kvm ' ]]; then
    "$top/scripts/kernel.sh" || exit
    exec "$top/scripts/guests.sh" bench "$@"
fi
# matplotlib is of the system's python3, which bench.py asks when the one in PATH is another.
"$top/scripts/packages.sh" valgrind python3-matplotlib || exit
exec "$top/scripts/guests.sh" bench --plots "$build/bench" "$@"
