#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   launch.sh OUTPUT
#
# Assemble what a user's VM starts in place of a kernel where L0 has its kernel, unless it is there.

set -euo pipefail

output=${1:?usage: launch.sh OUTPUT}
source=$(dirname "${BASH_SOURCE[0]}")/../hw/misc/shadow-launch.S

[[ ! -e $output || $source -nt $output ]] || exit 0
gcc -m32 -c -o "$output.o" "$source"
ld -m elf_i386 --oformat binary -Ttext=0x100000 -e 0x100000 -o "$output.new" "$output.o"
rm "$output.o"
mv "$output.new" "$output"
