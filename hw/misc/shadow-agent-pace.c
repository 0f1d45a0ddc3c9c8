/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much a guest is to be slowed down so that what it writes to can be sent.
 */
#include "qemu/osdep.h"
#include "shadow/hw/misc/shadow-agent-pace.h"

uint64_t shadow_pace_bound(const ShadowPace *p)
{
    double bound = (double)p->sent / p->ms * p->limit_ms;

    if (bound >= (double)INT64_MAX) {
        return INT64_MAX;
    }
    return bound;
}

/* What it writes to is in proportion to its time. */
int shadow_pace_percent(const ShadowPace *p, int now)
{
    uint64_t bound = shadow_pace_bound(p);
    int next;

    if (p->rest <= bound) {
        return now;
    }
    next = 100 - (int)((100 - now) * ((double)bound / p->rest));
    return MIN(MAX(next, now + SHADOW_PACE_STEP), SHADOW_PACE_MAX);
}
