/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shadow guest's state out of this host
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-epoch.h"
#include "shadow/hw/core/shadow-history.h"
#include "shadow/hw/core/shadow-keys.h"
#include "shadow/hw/core/shadow-life.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/hw/core/shadow-privacy.h"
#include "shadow/hw/core/shadow-tell.h"
#include "shadow/hw/core/shadow-transfer.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/trace.h"

/* How long a settled input queue counts as settled */
#define SETTLE_VALID_NS (50 * SCALE_MS)
/* How often a guest may be frozen, where that is written to a disk */
#define FREEZE_INTERVAL (NANOSECONDS_PER_SECOND / 2)
#define FREEZE_BURST    16
/* How often output is sealed ahead: once a migration is what is needed */
#define AHEAD_INTERVAL  (NANOSECONDS_PER_SECOND / 2)
#define AHEAD_BURST     16

uint8_t shadow_sealer_id[SHADOW_SEAL_SEALER_ID_LEN];

size_t shadow_guest_envelope_size(ShadowGuest *g)
{
    return shadow_keys_envelope_size(g, SHADOW_SEAL_MIGRATION,
                                     shadow_state_size(&g->devices));
}

static uint64_t save_arrived(ShadowGuest *g)
{
    ShadowDevice *dev;
    uint64_t mark = 0;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        mark += SHADOW_DEVICE_GET_CLASS(dev)->arrived(dev);
    }
    return mark;
}

/*
 * Bottom halves run once per turn of the main loop, and each turn reads from
 * every transport that has input: done when a turn brought nothing new.
 */
static void save_settle_bh(void *opaque)
{
    ShadowGuest *g = opaque;
    uint64_t mark = save_arrived(g);

    if (g->settle_mark == mark) {
        g->settle = SHADOW_SETTLE_DONE;
        g->settle_time = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        return;
    }
    g->settle_mark = mark;
    qemu_bh_schedule(g->settle_bh);
}

/* Take in the input that has already arrived.  False: not yet. */
static bool save_settled(ShadowGuest *g)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

    if (g->settle == SHADOW_SETTLE_DONE &&
        now - g->settle_time > SETTLE_VALID_NS) {
        g->settle = SHADOW_SETTLE_NONE;
    }
    switch (g->settle) {
    case SHADOW_SETTLE_NONE:
        g->settle = SHADOW_SETTLE_RUNNING;
        g->settle_mark = UINT64_MAX;
        qemu_bh_schedule(g->settle_bh);
        return false;
    case SHADOW_SETTLE_RUNNING:
        return false;
    default:
        g->settle = SHADOW_SETTLE_NONE;
        return true;
    }
}

/* Returns how long the payload is, or 0 on failure. */
static size_t save_put(ShadowGuest *g, ShadowSave what, uint8_t *out,
                       Error **errp)
{
    size_t rest = what == SHADOW_SAVE_REST ?
                  shadow_history_save_rest(g, out) : 0;
    bool ok;

    if (rest) {
        return rest;
    }
    if (what == SHADOW_SAVE_PAGES) {
        return shadow_privacy_begin(g, out, errp);
    }
    ok = what == SHADOW_SAVE_HISTORY ?
         shadow_state_save_history(&g->devices, out, errp) :
         shadow_state_save(&g->devices, out, errp);
    return ok ? shadow_state_size(&g->devices) : 0;
}

/* Returns how long the envelope is, or 0 on failure. */
static size_t save_seal(ShadowGuest *g, ShadowSave what, uint8_t *envelope,
                        Error **errp)
{
    static const ShadowSealPurpose purposes[] = {
        [SHADOW_SAVE_ALL] = SHADOW_SEAL_MIGRATION,
        [SHADOW_SAVE_SNAPSHOT] = SHADOW_SEAL_SNAPSHOT,
        [SHADOW_SAVE_HISTORY] = SHADOW_SEAL_HISTORY,
        [SHADOW_SAVE_REST] = SHADOW_SEAL_MIGRATION,
        [SHADOW_SAVE_PAGES] = SHADOW_SEAL_PAGES,
    };
    ShadowSealInfo info = {
        .purpose = purposes[what],
        .epoch = g->epoch + 1,
    };
    uint8_t *payload = shadow_keys_payload(g, info.purpose, envelope);
    size_t len = save_put(g, what, payload, errp);

    pstrcpy(info.guest, sizeof(info.guest), g->id);
    memcpy(info.sealer_id, shadow_sealer_id, sizeof(info.sealer_id));
    return len && shadow_keys_seal(g, &info, envelope, len, errp) ?
           shadow_keys_envelope_size(g, info.purpose, len) : 0;
}

int shadow_transfer_no_snapshots(ShadowGuest *g, Error **errp)
{
    Error *local = NULL;

    error_setg(&local, "a snapshot would let the console of shadow-guest '%s' "
               "be rolled back; its snapshots=on allows that", g->id);
    return shadow_guest_refuse(g, -EPERM, local, errp);
}

/* More of the same migration follows. */
static bool save_is_ahead(ShadowSave what)
{
    return what == SHADOW_SAVE_HISTORY || what == SHADOW_SAVE_PAGES;
}

static bool save_freezes(ShadowSave what)
{
    return what == SHADOW_SAVE_ALL || what == SHADOW_SAVE_REST;
}

/* Whether the guest can be saved, into @size bytes */
static int save_may(ShadowGuest *g, ShadowSave what, size_t size, Error **errp)
{
    size_t need = shadow_guest_envelope_size(g);
    Error *local = NULL;
    int ret;

    if (what == SHADOW_SAVE_SNAPSHOT && g->privacy.memory) {
        error_setg(&local, "the private memory of shadow-guest '%s' goes into "
                   "no snapshot", g->id);
        return shadow_guest_refuse(g, -EOPNOTSUPP, local, errp);
    }
    if (what == SHADOW_SAVE_PAGES) {
        ret = shadow_privacy_may_leave(g, errp);
        if (ret) {
            return ret;
        }
    }
    if (what == SHADOW_SAVE_SNAPSHOT && !g->snapshots) {
        return shadow_transfer_no_snapshots(g, errp);
    }
    ret = shadow_life_check(g, save_freezes(what) ? SHADOW_STEP_SAVE :
                                                        SHADOW_STEP_SNAPSHOT,
                            errp);
    if (ret) {
        return ret;
    }
    if (!need) {
        error_setg(&local, "the state of shadow-guest '%s' is too large",
                   g->id);
        return shadow_guest_refuse(g, -EFBIG, local, errp);
    }
    if (size < need) {
        error_setg(errp, "%zu bytes are needed", need);
        return -ENOSPC;
    }
    if (g->state_file && save_freezes(what) &&
        !shadow_pace_ready(&g->freezes, FREEZE_INTERVAL, FREEZE_BURST)) {
        error_setg(errp, "the state file would be written too often");
        return -EAGAIN;
    }
    if (save_is_ahead(what) &&
        !shadow_pace_ready(&g->aheads, AHEAD_INTERVAL, AHEAD_BURST)) {
        error_setg(errp, "something was sent ahead too often");
        return -EAGAIN;
    }
    if (!save_is_ahead(what) && !save_settled(g)) {
        error_setg(errp, "input is being taken in");
        return -EAGAIN;
    }
    return 0;
}

static void save_done(ShadowGuest *g, ShadowSave what, size_t size,
                      int64_t start)
{
    ShadowTold told = {
        .snapshot = what == SHADOW_SAVE_SNAPSHOT,
        .epoch = g->epoch,
        .size = size,
    };

    g->saves++;
    g->snapshots_saved += told.snapshot;
    if (save_freezes(what)) {
        shadow_lifecycle_hold(g, true);
        shadow_lifecycle_set_state(g, SHADOW_GUEST_STATE_FROZEN);
    }
    told.us = shadow_transfer_us_since(start);
    trace_shadow_guest_saved(g->id, told.epoch, size, told.us);
    shadow_tell_saved(g, &told);
}

/* Its envelope is sealed, and what follows from that has been done. */
static void save_sealed(ShadowGuest *g, ShadowSave what,
                        const uint8_t *envelope, size_t len, int64_t start)
{
    switch (what) {
    case SHADOW_SAVE_HISTORY:
        shadow_history_sent(g, envelope);
        trace_shadow_history_sent(g->id, g->epoch, len,
                                  shadow_transfer_us_since(start));
        break;
    case SHADOW_SAVE_PAGES:
        trace_shadow_pages_begin(g->id, g->epoch);
        break;
    default:
        save_done(g, what, len, start);
        break;
    }
}

int shadow_guest_save(ShadowGuest *g, ShadowSave what, uint8_t *envelope,
                      size_t *size, Error **errp)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    uint64_t epoch = g->epoch + 1;
    bool freezes = save_freezes(what);
    Error *local = NULL;
    size_t len;
    int ret = save_may(g, what, *size, errp);

    if (!ret && freezes) {
        ret = shadow_privacy_freeze(g, errp);
    }
    if (ret) {
        return ret;
    }
    if (freezes) {
        shadow_pace_take(&g->freezes, FREEZE_INTERVAL);
    } else if (save_is_ahead(what)) {
        shadow_pace_take(&g->aheads, AHEAD_INTERVAL);
    }
    len = save_seal(g, what, envelope, &local);
    if (!len || !shadow_epoch_store(g, epoch, freezes, &local)) {
        if (freezes) {
            shadow_privacy_thaw(g);
        } else if (what == SHADOW_SAVE_PAGES) {
            /* a session of which nobody has the key */
            shadow_guest_changed(g);
        }
        return shadow_guest_refuse(g, -EIO, local, errp);
    }
    *size = len;
    g->epoch = g->accepted = epoch;
    save_sealed(g, what, envelope, len, start);
    return 0;
}

void shadow_transfer_start(ShadowGuest *g)
{
    static bool have_sealer_id;

    /* without randomness nothing is sealed either */
    if (!have_sealer_id) {
        have_sealer_id = shadow_random(shadow_sealer_id,
                                       sizeof(shadow_sealer_id));
    }
    g->settle_bh = qemu_bh_new(save_settle_bh, g);
}

void shadow_transfer_stop(ShadowGuest *g)
{
    qemu_bh_delete(g->settle_bh);
    g->settle_bh = NULL;
}
