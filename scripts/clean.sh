#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Remove everything made. A tree of the user's stays attached until ./shadow detach.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

say "removing build/"
rm -rf "$build"
