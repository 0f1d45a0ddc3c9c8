# SPDX-License-Identifier: GPL-2.0-or-later
# Devices of the device model that scripts/xen.sh builds: xenfv's board, and ours
CONFIG_I440FX=y
CONFIG_SHADOW=y
