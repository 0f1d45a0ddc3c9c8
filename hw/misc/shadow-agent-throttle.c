/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slow the nested guest down, just so much that its private memory can be sent.
 *
 * QEMU's auto-converge counts pages of RAM, and private ones are none.  What is
 * written to while one round is sent is what the next one has to send: if that
 * takes longer than the guest may stand still, the guest gets the less of its
 * CPUs' time, in the same proportion.
 */
#include "qemu/osdep.h"
#include "migration/migration.h"
#include "migration/options.h"
#include "system/cpu-throttle.h"
#include "shadow/hw/misc/shadow-agent-throttle.h"

#define THROTTLE_PAGE       (4 * KiB)
#define THROTTLE_STEP       10
#define THROTTLE_MAX        99

/* A round that was shorter tells nothing. */
#define THROTTLE_ROUND_MS   100

static int64_t throttle_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

static void throttle_next_round(ShadowAgentThrottle *t)
{
    t->since_ms = throttle_ms();
    t->sent = 0;
}

void shadow_agent_throttle_start(ShadowAgent *a)
{
    a->throttle = (ShadowAgentThrottle) { .on = a->throttle_auto };
    throttle_next_round(&a->throttle);
}

void shadow_agent_throttle_sent(ShadowAgent *a, uint64_t bytes)
{
    a->throttle.sent += bytes;
}

/* How much of its CPUs' time the guest is to lose, if it loses @pct now */
static int throttle_next(int pct, double left, double bound)
{
    double runs = (100 - pct) * bound / left;
    int next = 100 - (int)runs;

    return MIN(MAX(next, pct + THROTTLE_STEP), THROTTLE_MAX);
}

void shadow_agent_throttle_round(ShadowAgent *a)
{
    ShadowAgentThrottle *t = &a->throttle;
    int64_t ms = throttle_ms() - t->since_ms;
    double left = a->unsent * THROTTLE_PAGE, bound;

    if (!t->on || ms < THROTTLE_ROUND_MS || !t->sent) {
        return;
    }
    bound = (double)t->sent / ms * migrate_downtime_limit();
    /* the first round sends what was written to before it began */
    if (t->rounds++ && left > bound) {
        t->percent = throttle_next(t->percent, left, bound);
        cpu_throttle_set(t->percent);
    }
    throttle_next_round(t);
}

void shadow_agent_throttle_stop(ShadowAgent *a)
{
    if (a->throttle.percent) {
        cpu_throttle_stop();
    }
    a->throttle = (ShadowAgentThrottle) { };
}
