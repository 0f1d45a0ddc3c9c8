/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in a console's input its user has sent a BREAK.
 */
#include "qemu/osdep.h"
#include "shadow/hw/char/shadow-breaks.h"

void shadow_breaks_add(ShadowBreaks *b, uint64_t pos)
{
    if (!shadow_breaks_full(b)) {
        b->at[b->n++] = pos;
    }
}

void shadow_breaks_take(ShadowBreaks *b)
{
    b->n--;
    memmove(b->at, b->at + 1, b->n * sizeof(b->at[0]));
}

void shadow_breaks_put_back(ShadowBreaks *b, uint64_t pos)
{
    if (!shadow_breaks_full(b)) {
        memmove(b->at + 1, b->at, b->n * sizeof(b->at[0]));
        b->n++;
    }
    b->at[0] = pos;
}

bool shadow_breaks_valid(const ShadowBreaks *b, uint64_t start, uint64_t end)
{
    if (b->n > SHADOW_BREAKS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->at[i] < start || b->at[i] > end) {
            return false;
        }
        start = b->at[i];
    }
    return true;
}
