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
#include "exec/translation-block.h"
#else
#include "exec/exec-all.h"
#endif

/* Forget what was translated of the RAM from @start to @last; no CPU is in it. */
static inline void shadow_tb_invalidate(ram_addr_t start, ram_addr_t last)
{
#if SHADOW_QEMU_AT_LEAST(10, 1)
    tb_invalidate_phys_range(NULL, start, last);
#else
    tb_invalidate_phys_range(start, last);
#endif
}

#endif /* SHADOW_COMPAT_TCG_H */
