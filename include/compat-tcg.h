/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where TCG's view of guest memory is declared differs between QEMU series. */
#ifndef SHADOW_COMPAT_TCG_H
#define SHADOW_COMPAT_TCG_H

#include "shadow/include/compat.h"

#if SHADOW_QEMU_AT_LEAST(10, 1)
#include "accel/tcg/cpu-mmu-index.h"
#include "accel/tcg/probe.h"
#include "exec/target_page.h"
#include "exec/tlb-flags.h"
#else
#include "exec/exec-all.h"
#endif

#endif /* SHADOW_COMPAT_TCG_H */
