/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often something may be done that the cloud VM can ask for.
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-pace.h"

static int64_t pace_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static int64_t pace_used(const ShadowPace *pace, int64_t now)
{
    return MAX(0, pace->used - (now - pace->last));
}

bool shadow_pace_ready(const ShadowPace *pace, int64_t interval,
                       unsigned burst)
{
    return pace_used(pace, pace_now()) + interval <= interval * burst;
}

void shadow_pace_take(ShadowPace *pace, int64_t interval)
{
    int64_t now = pace_now();

    pace->used = pace_used(pace, now) + interval;
    pace->last = now;
}
