#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Bring the QEMU source and the tools up to what Debian's archive has now.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$top/scripts/packages.sh" || exit
"$top/scripts/tools.sh" --newest || exit
"$top/scripts/source.sh" --newest || exit
locate_qemu
say "QEMU source: $qemu_src"
