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
#include "qemu/main-loop.h"
#include "migration/migration.h"
#include "migration/options.h"
#include "system/cpu-throttle.h"
#include "shadow/hw/misc/shadow-agent-pace.h"
#include "shadow/hw/misc/shadow-agent-throttle.h"
#include "shadow/trace.h"

#define THROTTLE_PAGE       (4 * KiB)

/* A round that was shorter tells nothing. */
#define THROTTLE_ROUND_MS   100

/* How often QEMU is held back: what has not come to fit by then will not. */
#define THROTTLE_HOLDS      16

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

/* QEMU's auto-converge may have slowed it down, too: the slower of both. */
static void throttle_set(ShadowAgentThrottle *t, const ShadowPace *pace)
{
    int now;

    BQL_LOCK_GUARD();
    now = cpu_throttle_get_percentage();
    t->percent = shadow_pace_percent(pace, now);
    if (t->percent > now) {
        cpu_throttle_set(t->percent);
    }
}

void shadow_agent_throttle_round(ShadowAgent *a)
{
    ShadowAgentThrottle *t = &a->throttle;
    ShadowPace pace = {
        .sent = t->sent,
        .ms = throttle_ms() - t->since_ms,
        .rest = a->unsent * THROTTLE_PAGE,
        .limit_ms = migrate_downtime_limit(),
    };

    if (pace.ms < THROTTLE_ROUND_MS || !t->sent) {
        return;
    }
    t->bound = shadow_pace_bound(&pace) / THROTTLE_PAGE;
    /* the first round sends what was written to before it began */
    if (t->rounds++ && t->on) {
        throttle_set(t, &pace);
    }
    trace_shadow_agent_throttle_round(a->guest, a->unsent, t->bound,
                                      t->percent);
    throttle_next_round(t);
}

/* QEMU goes by what the last tenth of a second has brought. */
bool shadow_agent_throttle_holds(ShadowAgent *a)
{
    ShadowAgentThrottle *t = &a->throttle;

    return t->on && t->rounds > 1 && a->unsent > t->bound &&
           t->holds++ < THROTTLE_HOLDS;
}

void shadow_agent_throttle_stopped(ShadowAgent *a)
{
    trace_shadow_agent_throttle_stopped(a->guest, a->unsent,
                                        a->throttle.bound);
}

void shadow_agent_throttle_stop(ShadowAgent *a)
{
    if (a->throttle.percent) {
        cpu_throttle_stop();
    }
    a->throttle = (ShadowAgentThrottle) { };
}
