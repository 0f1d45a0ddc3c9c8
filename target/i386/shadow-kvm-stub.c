/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No shadow devices: every exit is QEMU's own. */
#include "qemu/osdep.h"
#include "cpu.h"
