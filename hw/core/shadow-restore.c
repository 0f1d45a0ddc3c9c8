/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shadow guest's state into this host
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-arrival.h"
#include "shadow/hw/core/shadow-epoch.h"
#include "shadow/hw/core/shadow-history.h"
#include "shadow/hw/core/shadow-life.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/hw/core/shadow-privacy.h"
#include "shadow/hw/core/shadow-tell.h"
#include "shadow/hw/core/shadow-transfer.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/trace.h"

typedef struct RestoreArrival {
    ShadowGuest *guest;
    ShadowSealInfo info;
    bool loaded;            /* what fails then is this host's fault */
} RestoreArrival;

static bool restore_accept(void *opaque, Error **errp)
{
    RestoreArrival *arrival = opaque;
    ShadowGuest *g = arrival->guest;

    if (!shadow_privacy_may_arrive(g, errp) ||
        !shadow_history_join(g, errp)) {
        return false;
    }
    arrival->loaded = true;
    return shadow_epoch_store(g, MAX(g->accepted, arrival->info.epoch),
                              g->state != SHADOW_GUEST_STATE_ACTIVE, errp);
}

/*
 * A snapshot of a guest that is active here takes the machine back, and
 * nothing of what has passed between its consoles and their users.
 */
static bool restore_load(ShadowGuest *g, const uint8_t *plain, size_t len,
                         RestoreArrival *arrival, Error **errp)
{
    bool snapshot = arrival->info.purpose == SHADOW_SEAL_SNAPSHOT;
    bool in_place = g->state == SHADOW_GUEST_STATE_ACTIVE;
    ShadowDevice *dev;
    bool ok;

    if (in_place) {
        shadow_lifecycle_hold(g, true);
    }
    ok = shadow_state_load(&g->devices, plain, len, in_place, restore_accept,
                           arrival, errp);
    if (ok) {
        QTAILQ_FOREACH(dev, &g->devices, next) {
            /* the agent of the other host may not have seen the last edge */
            shadow_lines_again(dev);
            SHADOW_DEVICE_GET_CLASS(dev)->restored(dev, snapshot);
        }
    }
    if (in_place) {
        shadow_lifecycle_hold(g, false);
        shadow_guest_irq_changed(g);
        if (ok) {
            shadow_guest_changed(g);
        }
    } else if (ok) {
        g->came_from = g->state;
        shadow_lifecycle_set_state(g, SHADOW_GUEST_STATE_RESTORED);
    }
    return ok;
}

static int restore_open(ShadowGuest *g, const ShadowArrival *from,
                        ShadowOpened *o, Error **errp)
{
    ShadowSealExpect expect = {
        .purpose = SHADOW_SEAL_MIGRATION,
        .sealer_id = shadow_sealer_id,
        .snapshots = g->snapshots,
        .ahead = true,
    };
    Error *local = NULL;
    int ret = shadow_arrival_open(g, from, &expect, o, &local);

    switch (ret) {
    case 0:
        return 0;
    case -ENOENT:
        error_setg(errp, "the shadow-guest was removed");
        return ret;
    case -EPERM:
        error_free(local);
        return shadow_transfer_no_snapshots(g, errp);
    default:
        return shadow_guest_refuse(g, ret, local, errp);
    }
}

static void restore_done(ShadowGuest *g, const ShadowSealInfo *info,
                         size_t len, int64_t start)
{
    ShadowTold told = {
        .snapshot = info->purpose == SHADOW_SEAL_SNAPSHOT,
        .epoch = info->epoch,
        .size = len,
    };

    g->epoch = MAX(g->epoch, told.epoch);
    g->accepted = MAX(g->accepted, told.epoch);
    g->restores++;
    g->snapshots_restored += told.snapshot;
    told.us = shadow_transfer_us_since(start);
    trace_shadow_guest_restored(g->id, told.epoch, len, told.us);
    shadow_tell_restored(g, &told);
}

static int restore_load_new(ShadowGuest *g, const ShadowOpened *o,
                            Error **errp)
{
    RestoreArrival arrival = { .guest = g, .info = o->info };
    bool snapshot = o->info.purpose == SHADOW_SEAL_SNAPSHOT;
    int ret = shadow_privacy_may_load(g, snapshot, errp);

    ret = ret ?: shadow_arrival_may_load(g, o, errp);
    if (ret) {
        return ret;
    }
    if (restore_load(g, o->plain, o->plain_len, &arrival, errp)) {
        return 0;
    }
    if (arrival.loaded) {
        return -EIO;
    }
    shadow_arrival_refused(g, o);
    return -EINVAL;
}

/* Take what is in the envelope, which is genuine. */
static int restore_take(ShadowGuest *g, const ShadowOpened *o, Error **errp)
{
    Error *local = NULL;
    int ret;

    ret = shadow_life_check(g, o->info.purpose == SHADOW_SEAL_SNAPSHOT ?
                               SHADOW_STEP_GO_BACK : SHADOW_STEP_RESTORE,
                            errp);
    if (ret) {
        return ret;
    }
    if (o->info.purpose == SHADOW_SEAL_HISTORY) {
        ret = shadow_history_keep(g, o->envelope, o->plain, o->plain_len,
                                  &local);
    } else if (o->info.purpose == SHADOW_SEAL_PAGES) {
        ret = shadow_privacy_accept(g, o->plain, o->plain_len, &local);
        if (!ret) {
            /* a state that came too early fits now */
            shadow_arrival_forget(g);
        }
    } else {
        ret = restore_load_new(g, o, &local);
    }
    return ret ? shadow_guest_refuse(g, ret, local, errp) : 0;
}

/* All that is asked before one byte is looked at */
static int restore_may_look(ShadowGuest *g, size_t len, Error **errp)
{
    Error *local = NULL;
    int ret;

    if (!g->snapshots || !shadow_life_allows(g, SHADOW_STEP_GO_BACK)) {
        ret = shadow_life_check(g, SHADOW_STEP_RESTORE, errp);
        if (ret) {
            return ret;
        }
    }
    ret = shadow_arrival_check(g, len, &local);
    return ret ? shadow_guest_refuse(g, ret, local, errp) : 0;
}

int shadow_guest_restore(ShadowGuest *g, const ShadowArrival *from,
                         Error **errp)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    ShadowOpened o = { };
    int ret = restore_may_look(g, from->len, errp);

    if (ret) {
        return ret;
    }
    object_ref(OBJECT(g));
    ret = restore_open(g, from, &o, errp);
    if (!ret) {
        ret = restore_take(g, &o, errp);
    }
    shadow_arrival_close(&o);
    if (!ret && o.info.purpose < SHADOW_SEAL_HISTORY) {
        restore_done(g, &o.info, o.len, start);
    }
    object_unref(OBJECT(g));
    return ret;
}
