#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   bench.sh [ARGUMENT...]
#
# Build QEMU and the guests' images, see that instructions can be counted and plots drawn, then run
# tests/nested/bench.py.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# matplotlib is of the system's python3, which bench.py asks when the one in PATH is another.
"$top/scripts/packages.sh" valgrind python3-matplotlib || exit
exec "$top/scripts/guests.sh" bench --plots "$build/bench" "$@"
