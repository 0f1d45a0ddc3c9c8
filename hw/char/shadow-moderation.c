/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a UART's interrupt is told to the cloud VM.
 */
#include "qemu/osdep.h"
#include "shadow/hw/char/shadow-moderation.h"

/*
 * How often a guest that makes accesses is left to find out, each time for
 * twice as long: up to 63 intervals in all
 */
#define MODERATION_WAITS_MAX 5

static void moderation_tell(ShadowModeration *m, int64_t now)
{
    m->told = true;
    m->last = now;
    m->waits = 0;
    m->tell(m->opaque);
}

/* Timers are lazy: one that comes early is set anew. */
static void moderation_wait(ShadowModeration *m, int64_t due)
{
    m->due = due;
    if (!timer_pending(m->timer) || timer_expire_time_ns(m->timer) > due) {
        timer_mod(m->timer, due);
    }
}

static void moderation_expired(void *opaque)
{
    ShadowModeration *m = opaque;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    bool busy = m->accesses != m->seen;

    m->seen = m->accesses;
    if (!m->line || m->told) {
        return;
    }
    if (now < m->due) {
        moderation_wait(m, m->due);
    } else if (busy && m->waits < MODERATION_WAITS_MAX) {
        m->waits++;
        moderation_wait(m, now + (m->interval << m->waits));
    } else {
        moderation_tell(m, now);
    }
}

void shadow_moderation_set(ShadowModeration *m, bool line, bool transmit,
                           int64_t interval)
{
    int64_t now, due;

    if (!line) {
        m->line = false;
        m->told = false;
        return;
    }
    if (m->told || (m->line && m->transmit == transmit)) {
        return;
    }
    now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    due = (transmit || m->in_access ? now : m->last) + interval;
    m->line = true;
    m->transmit = transmit;
    m->interval = interval;
    if (due <= now) {
        moderation_tell(m, now);
    } else {
        moderation_wait(m, due);
    }
}

void shadow_moderation_reset(ShadowModeration *m)
{
    timer_del(m->timer);
    m->line = false;
    m->told = false;
    m->waits = 0;
}

void shadow_moderation_start(ShadowModeration *m, void (*tell)(void *opaque),
                             void *opaque)
{
    *m = (ShadowModeration) {
        .timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, moderation_expired, m),
        .tell = tell,
        .opaque = opaque,
        .last = INT64_MIN / 2,
    };
}

void shadow_moderation_stop(ShadowModeration *m)
{
    timer_free(m->timer);
    m->timer = NULL;
}
