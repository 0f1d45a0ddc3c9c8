/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Those who read a console besides the user of its chardev.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "shadow/hw/char/shadow-readers.h"

/*
 * So many are served before the virtual CPUs and the main loop have their turn
 * again: of a thousand readers each is a system call.
 */
#define READERS_A_TURN 16

/* Each of them is told of all: the more there are, the more rarely */
#define READERS_CHANGED_NS  NANOSECONDS_PER_SECOND
#define READERS_CHANGED_EACH_NS (20 * SCALE_MS)

static void readers_turn(void *opaque)
{
    ShadowReaders *rs = opaque;

    for (unsigned i = 0; i < READERS_A_TURN; i++) {
        ShadowReader *r = QTAILQ_FIRST(&rs->due);

        if (!r) {
            return;
        }
        QTAILQ_REMOVE(&rs->due, r, next_due);
        r->due = false;
        r->ops->flush(r);
    }
    if (!QTAILQ_EMPTY(&rs->due)) {
        qemu_bh_schedule(rs->turn);
    }
}

static void readers_changed(void *opaque)
{
    shadow_readers_tell(opaque, SHADOW_DOOR_EVENT_CHANGED, NULL);
}

void shadow_readers_start(ShadowReaders *rs)
{
    QTAILQ_INIT(&rs->all);
    QTAILQ_INIT(&rs->due);
    rs->n = 0;
    rs->turn = qemu_bh_new(readers_turn, rs);
    rs->later = timer_new_ns(QEMU_CLOCK_REALTIME, readers_changed, rs);
}

void shadow_readers_stop(ShadowReaders *rs, const char *reason)
{
    ShadowReader *r;

    while ((r = QTAILQ_FIRST(&rs->all))) {
        shadow_readers_remove(r);
        r->ops->ended(r, reason);
    }
    qemu_bh_delete(rs->turn);
    rs->turn = NULL;
    timer_free(rs->later);
    rs->later = NULL;
}

void shadow_readers_add(ShadowReaders *rs, ShadowReader *r)
{
    r->at = rs;
    r->due = false;
    QTAILQ_INSERT_TAIL(&rs->all, r, next);
    rs->n++;
    shadow_readers_changed(rs);
}

void shadow_readers_remove(ShadowReader *r)
{
    ShadowReaders *rs = r->at;

    if (!rs) {
        return;
    }
    if (r->due) {
        QTAILQ_REMOVE(&rs->due, r, next_due);
        r->due = false;
    }
    QTAILQ_REMOVE(&rs->all, r, next);
    rs->n--;
    r->at = NULL;
    shadow_readers_changed(rs);
}

void shadow_readers_due(ShadowReader *r)
{
    if (r->at && !r->due) {
        r->due = true;
        QTAILQ_INSERT_TAIL(&r->at->due, r, next_due);
        qemu_bh_schedule(r->at->turn);
    }
}

void shadow_readers_all_due(ShadowReaders *rs)
{
    ShadowReader *r;

    QTAILQ_FOREACH(r, &rs->all, next) {
        shadow_readers_due(r);
    }
}

void shadow_readers_tell(ShadowReaders *rs, ShadowDoorEvent event,
                         const char *reason)
{
    ShadowReader *r;

    QTAILQ_FOREACH(r, &rs->all, next) {
        r->ops->tell(r, event, reason);
        shadow_readers_due(r);
    }
}

void shadow_readers_changed(ShadowReaders *rs)
{
    if (!timer_pending(rs->later)) {
        timer_mod(rs->later, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                             READERS_CHANGED_NS +
                             rs->n * READERS_CHANGED_EACH_NS);
    }
}

char *shadow_reader_who(const ShadowReader *r)
{
    return *r->name ? g_strdup_printf("%s (%s)", r->name, r->peer) :
                      g_strdup(r->peer);
}

ShadowDoorClient *shadow_reader_query(const ShadowReader *r)
{
    ShadowDoorClient *info = g_new0(ShadowDoorClient, 1);

    info->client = r->client;
    info->name = g_strdup(r->name);
    info->peer = g_strdup(r->peer);
    info->role = r->role;
    info->since = r->since;
    return info;
}
