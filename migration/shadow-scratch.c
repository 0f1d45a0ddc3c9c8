/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of this process alone, in which states and envelopes are worked on.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "shadow/migration/shadow-scratch.h"
#include "shadow/migration/shadow-secret.h"

/*
 * The cloud VM says how large an envelope is: not all of that is kept.  But a
 * record of private memory is.
 */
#define SCRATCH_KEPT_MAX (3 * MiB)

static struct {
    uint8_t *data;
    size_t size;
    bool taken;
} scratch[SHADOW_SCRATCH__MAX];

uint8_t *shadow_scratch_take(ShadowScratch which, size_t len)
{
    if (scratch[which].taken) {
        return NULL;
    }
    if (!scratch[which].data || scratch[which].size < len) {
        g_free(scratch[which].data);
        scratch[which].data = g_try_malloc(MAX(len, 1));
        scratch[which].size = scratch[which].data ? len : 0;
    }
    scratch[which].taken = scratch[which].data;
    return scratch[which].data;
}

void shadow_scratch_give(ShadowScratch which, size_t used)
{
    assert(scratch[which].taken && used <= scratch[which].size);
    shadow_wipe(scratch[which].data, used);
    scratch[which].taken = false;
    if (scratch[which].size > SCRATCH_KEPT_MAX) {
        g_clear_pointer(&scratch[which].data, g_free);
        scratch[which].size = 0;
    }
}
