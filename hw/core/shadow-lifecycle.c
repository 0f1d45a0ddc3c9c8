/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a shadow guest: bindings, and the states between hosts.
 *
 *   active --save--> frozen --commit--> gone
 *                      \---abort--> active
 *   incoming or gone --restore--> restored --nested entry--> active
 *                                     \---unbind--> incoming
 *   active --snapshot saved or restored--> active
 *
 * "restored" exists so that a destination that took the state but fails
 * before its nested guest runs has neither sent nor accepted one byte.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-events-shadow.h"
#include "qemu/cutils.h"
#include "qemu/guest-random.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-epoch.h"
#include "shadow/hw/core/shadow-keys.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/trace.h"

/* Guest-triggered events, so that L1 cannot flood an operator's monitor */
#define EVENTS_PER_SECOND 50
#define EVENTS_BURST 100

/* For how long input that has been taken in counts as all there is */
#define SETTLE_VALID_NS (50 * SCALE_MS)

/* Names this process in the envelopes that it seals. */
static uint8_t shadow_host_id[SHADOW_SEAL_HOST_ID_LEN];

static bool lifecycle_may_tell(ShadowGuest *g)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int64_t gained = (now - g->event_time) * EVENTS_PER_SECOND /
                     NANOSECONDS_PER_SECOND;

    if (gained > 0) {
        g->event_tokens = MIN(g->event_tokens + gained, EVENTS_BURST);
        g->event_time = now;
    }
    if (!g->event_tokens) {
        return false;
    }
    g->event_tokens--;
    return true;
}

static void lifecycle_set_state(ShadowGuest *g, ShadowGuestState state)
{
    trace_shadow_guest_state(g->id, ShadowGuestState_str(g->state),
                             ShadowGuestState_str(state));
    g->state = state;
    shadow_ports_arm_entry(g->ports, state == SHADOW_GUEST_STATE_RESTORED);
}

static void lifecycle_hold(ShadowGuest *g, bool held)
{
    ShadowDevice *dev;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->hold(dev, held);
    }
}

void shadow_lifecycle_refused(ShadowGuest *g, const char *reason)
{
    g->refusals++;
    trace_shadow_guest_refused(g->id, reason);
    if (lifecycle_may_tell(g)) {
        qapi_event_send_shadow_guest_refused(g->id, reason);
    }
}

static int lifecycle_refuse(ShadowGuest *g, int err, Error *local,
                            Error **errp)
{
    shadow_lifecycle_refused(g, error_get_pretty(local));
    error_propagate(errp, local);
    return err;
}

/* A refusal because of the guest's state. */
static int lifecycle_wrong_state(ShadowGuest *g, const char *what, int err,
                                 Error **errp)
{
    Error *local = NULL;

    error_setg(&local, "cannot %s shadow-guest '%s': it is %s", what, g->id,
               ShadowGuestState_str(g->state));
    return lifecycle_refuse(g, err, local, errp);
}

/* Bindings */

void shadow_guest_bind_process(ShadowGuest *g, uint64_t process,
                               uint64_t cookie_va, uint64_t cookie)
{
    shadow_binding_add_process(g->ports, process, cookie_va, cookie);
    trace_shadow_guest_bound(g->id, process);
    if (lifecycle_may_tell(g)) {
        qapi_event_send_shadow_guest_bound(g->id, false);
    }
    shadow_guest_irq_changed(g);
}

void shadow_guest_bind_tag(ShadowGuest *g, const ShadowEntry *entry)
{
    shadow_binding_add_tag(g->ports, entry);
    trace_shadow_guest_bound(g->id, entry->vmcb);
    if (lifecycle_may_tell(g)) {
        qapi_event_send_shadow_guest_bound(g->id, true);
    }
}

int shadow_guest_unbind(ShadowGuest *g, const char *reason)
{
    bool bound = shadow_binding_remove(g->ports);

    if (bound) {
        trace_shadow_guest_unbound(g->id, reason);
        if (lifecycle_may_tell(g)) {
            qapi_event_send_shadow_guest_unbound(g->id, reason);
        }
    }
    if (g->state == SHADOW_GUEST_STATE_RESTORED) {
        /* the nested guest never ran: its source still has everything */
        lifecycle_set_state(g, SHADOW_GUEST_STATE_INCOMING);
    } else if (!bound) {
        return -EALREADY;
    }
    return 0;
}

void shadow_lifecycle_stale(ShadowGuest *g)
{
    shadow_guest_unbind(g, "the bound process has ended");
}

int shadow_guest_reset(ShadowGuest *g)
{
    ShadowDevice *dev;

    if (g->state != SHADOW_GUEST_STATE_ACTIVE) {
        return lifecycle_wrong_state(g, "reset", -EBUSY, NULL);
    }
    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->reset(dev);
    }
    trace_shadow_guest_reset(g->id);
    return 0;
}

/* Between hosts */

size_t shadow_guest_envelope_size(ShadowGuest *g)
{
    return shadow_keys_envelope_size(g, shadow_state_size(g));
}

static uint64_t lifecycle_arrived(ShadowGuest *g)
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
static void lifecycle_settle_bh(void *opaque)
{
    ShadowGuest *g = opaque;
    uint64_t mark = lifecycle_arrived(g);

    if (g->settle_mark == mark) {
        g->settle = SHADOW_SETTLE_DONE;
        g->settle_time = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        return;
    }
    g->settle_mark = mark;
    qemu_bh_schedule(g->settle_bh);
}

/* Take in the input that has already arrived.  False: not yet. */
static bool lifecycle_settled(ShadowGuest *g)
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

static bool lifecycle_seal(ShadowGuest *g, ShadowSealPurpose purpose,
                           void *out, Error **errp)
{
    size_t len = shadow_state_size(g);
    ShadowSealInfo info = {
        .purpose = purpose,
        .epoch = g->epoch + 1,
    };
    g_autofree uint8_t *plain = NULL;
    bool ok;

    pstrcpy(info.tag, sizeof(info.tag), g->id);
    memcpy(info.host_id, shadow_host_id, sizeof(info.host_id));
    plain = shadow_state_save(g, errp);
    if (!plain) {
        return false;
    }
    ok = shadow_keys_seal(g, &info, plain, len, out, errp);
    shadow_wipe(plain, len);
    return ok;
}

static int lifecycle_no_snapshots(ShadowGuest *g, Error **errp)
{
    Error *local = NULL;

    error_setg(&local, "a snapshot would let the console of shadow-guest '%s' "
               "be rolled back; its snapshots=on allows that", g->id);
    return lifecycle_refuse(g, -EPERM, local, errp);
}

int shadow_guest_save(ShadowGuest *g, bool snapshot, void *out, size_t size,
                      Error **errp)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    size_t need = shadow_guest_envelope_size(g);
    Error *local = NULL;
    int64_t us;

    if (snapshot && !g->snapshots) {
        return lifecycle_no_snapshots(g, errp);
    }
    if (g->state != SHADOW_GUEST_STATE_ACTIVE) {
        return lifecycle_wrong_state(g, "save",
                                     g->state == SHADOW_GUEST_STATE_FROZEN &&
                                     !snapshot ? -EALREADY : -EBUSY, errp);
    }
    if (!need) {
        error_setg(&local, "the state of shadow-guest '%s' is too large",
                   g->id);
        return lifecycle_refuse(g, -EFBIG, local, errp);
    }
    if (size < need) {
        error_setg(errp, "%zu bytes are needed", need);
        return -ENOSPC;
    }
    if (!lifecycle_settled(g)) {
        error_setg(errp, "input is being taken in");
        return -EAGAIN;
    }
    if (!lifecycle_seal(g, snapshot ? SHADOW_SEAL_SNAPSHOT :
                        SHADOW_SEAL_MIGRATION, out, &local) ||
        !shadow_epoch_store(g, g->epoch + 1, false, &local)) {
        return lifecycle_refuse(g, -EIO, local, errp);
    }
    g->epoch++;
    g->saves++;
    g->snapshots_saved += snapshot;
    if (!snapshot) {
        lifecycle_hold(g, true);
        lifecycle_set_state(g, SHADOW_GUEST_STATE_FROZEN);
    }
    us = (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start) / SCALE_US;
    trace_shadow_guest_saved(g->id, g->epoch, need, us);
    if (lifecycle_may_tell(g)) {
        g_autoptr(ShadowDeviceInfoList) devs = shadow_guest_query_devices(g);

        qapi_event_send_shadow_guest_saved(g->id, g->epoch, snapshot, need,
                                           us, devs);
    }
    return 0;
}

static int lifecycle_open_errno(ShadowSealResult result)
{
    switch (result) {
    case SHADOW_SEAL_STALE:
        return -ESTALE;
    case SHADOW_SEAL_INTERNAL:
        return -EIO;
    default:
        return -EBADMSG;
    }
}

typedef struct LifecycleArrival {
    ShadowSealInfo info;
    bool loaded;            /* what fails then is this host's fault */
} LifecycleArrival;

static bool lifecycle_accept(ShadowGuest *g, void *opaque, Error **errp)
{
    LifecycleArrival *arrival = opaque;

    arrival->loaded = true;
    return shadow_epoch_store(g, MAX(g->epoch, arrival->info.epoch), false,
                              errp);
}

/* Which envelopes the guest's state allows */
static bool lifecycle_may_restore(ShadowGuest *g, bool snapshot)
{
    return g->state == SHADOW_GUEST_STATE_INCOMING ||
           g->state == (snapshot ? SHADOW_GUEST_STATE_ACTIVE :
                                   SHADOW_GUEST_STATE_GONE);
}

static int lifecycle_may_not_restore(ShadowGuest *g, Error **errp)
{
    return lifecycle_wrong_state(g, "restore",
                                 g->state == SHADOW_GUEST_STATE_RESTORED ?
                                 -EALREADY : -EBUSY, errp);
}

/*
 * A snapshot of a guest that is active here takes the machine back, and
 * nothing of what has passed between its consoles and their users.
 */
static bool lifecycle_load(ShadowGuest *g, const uint8_t *plain, size_t len,
                           LifecycleArrival *arrival, Error **errp)
{
    bool snapshot = arrival->info.purpose == SHADOW_SEAL_SNAPSHOT;
    bool in_place = g->state == SHADOW_GUEST_STATE_ACTIVE;
    ShadowDevice *dev;
    bool ok;

    if (in_place) {
        lifecycle_hold(g, true);
    }
    ok = shadow_state_load(g, plain, len, in_place, lifecycle_accept, arrival,
                           errp);
    if (ok) {
        QTAILQ_FOREACH(dev, &g->devices, next) {
            SHADOW_DEVICE_GET_CLASS(dev)->restored(dev, snapshot);
        }
    }
    if (in_place) {
        lifecycle_hold(g, false);
        shadow_guest_irq_changed(g);
    } else if (ok) {
        lifecycle_set_state(g, SHADOW_GUEST_STATE_RESTORED);
    }
    return ok;
}

int shadow_guest_restore(ShadowGuest *g, const void *env, size_t len,
                         Error **errp)
{
    int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    ShadowSealExpect expect = {
        .tag = g->id,
        .purpose = SHADOW_SEAL_MIGRATION,
        .last_epoch = g->epoch,
        .host_id = shadow_host_id,
        .snapshots = g->snapshots,
    };
    LifecycleArrival arrival = { };
    ShadowSealResult result;
    Error *local = NULL;
    uint8_t *plain;
    size_t plain_len;
    bool ok, fits, snapshot;
    int64_t us;

    if (!lifecycle_may_restore(g, false) &&
        !(g->snapshots && lifecycle_may_restore(g, true))) {
        return lifecycle_may_not_restore(g, errp);
    }
    result = shadow_keys_open(g, &expect, env, len, &plain, &plain_len,
                              &arrival.info, &local);
    if (result == SHADOW_SEAL_WRONG_PURPOSE) {
        error_free(local);
        return lifecycle_no_snapshots(g, errp);
    }
    if (result != SHADOW_SEAL_OK) {
        return lifecycle_refuse(g, lifecycle_open_errno(result), local, errp);
    }
    snapshot = arrival.info.purpose == SHADOW_SEAL_SNAPSHOT;
    fits = lifecycle_may_restore(g, snapshot);
    ok = fits && lifecycle_load(g, plain, plain_len, &arrival, &local);
    shadow_wipe(plain, plain_len);
    g_free(plain);
    if (!fits) {
        return lifecycle_may_not_restore(g, errp);
    }
    if (!ok) {
        return lifecycle_refuse(g, arrival.loaded ? -EIO : -EINVAL, local,
                                errp);
    }
    g->epoch = MAX(g->epoch, arrival.info.epoch);
    g->restores++;
    g->snapshots_restored += snapshot;
    us = (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start) / SCALE_US;
    trace_shadow_guest_restored(g->id, arrival.info.epoch, len, us);
    if (lifecycle_may_tell(g)) {
        g_autoptr(ShadowDeviceInfoList) devs = shadow_guest_query_devices(g);

        qapi_event_send_shadow_guest_restored(g->id, arrival.info.epoch,
                                              snapshot, len, us, devs);
    }
    return 0;
}

static void lifecycle_activate(ShadowGuest *g)
{
    lifecycle_set_state(g, SHADOW_GUEST_STATE_ACTIVE);
    lifecycle_hold(g, false);
    if (lifecycle_may_tell(g)) {
        qapi_event_send_shadow_guest_activated(g->id);
    }
    shadow_guest_irq_changed(g);
}

void shadow_lifecycle_entered(ShadowGuest *g)
{
    if (g->state == SHADOW_GUEST_STATE_RESTORED) {
        lifecycle_activate(g);
    }
}

int shadow_guest_commit(ShadowGuest *g)
{
    ShadowDevice *dev;
    Error *local = NULL;

    if (g->state != SHADOW_GUEST_STATE_FROZEN) {
        return lifecycle_wrong_state(g, "commit",
                                     g->state == SHADOW_GUEST_STATE_GONE ?
                                     -EALREADY : -EBUSY, NULL);
    }
    if (!shadow_epoch_store(g, g->epoch, true, &local)) {
        return lifecycle_refuse(g, -EIO, local, NULL);
    }
    lifecycle_set_state(g, SHADOW_GUEST_STATE_GONE);
    /* where it goes when it has come back is for its operator to say anew */
    shadow_keys_set_destination(g, NULL, NULL);
    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->moved(dev);
    }
    if (lifecycle_may_tell(g)) {
        g_autoptr(ShadowDeviceInfoList) devs = shadow_guest_query_devices(g);

        qapi_event_send_shadow_guest_committed(g->id, devs);
    }
    return 0;
}

int shadow_guest_abort(ShadowGuest *g)
{
    if (g->state != SHADOW_GUEST_STATE_FROZEN) {
        return lifecycle_wrong_state(g, "abort the migration of",
                                     g->state == SHADOW_GUEST_STATE_ACTIVE ?
                                     -EALREADY : -EBUSY, NULL);
    }
    if (lifecycle_may_tell(g)) {
        g_autoptr(ShadowDeviceInfoList) devs = shadow_guest_query_devices(g);

        qapi_event_send_shadow_guest_aborted(g->id, devs);
    }
    lifecycle_activate(g);
    return 0;
}

int shadow_guest_resume(ShadowGuest *g, Error **errp)
{
    if (g->state != SHADOW_GUEST_STATE_FROZEN &&
        g->state != SHADOW_GUEST_STATE_GONE) {
        return lifecycle_wrong_state(g, "resume", -EBUSY, errp);
    }
    if (!shadow_epoch_store(g, g->epoch, false, errp)) {
        return -EIO;
    }
    lifecycle_activate(g);
    return 0;
}

void shadow_lifecycle_start(ShadowGuest *g)
{
    static bool have_host_id;

    if (!have_host_id) {
        qemu_guest_getrandom_nofail(shadow_host_id, sizeof(shadow_host_id));
        have_host_id = true;
    }
    g->event_tokens = EVENTS_BURST;
    g->event_time = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    g->settle_bh = qemu_bh_new(lifecycle_settle_bh, g);
}

void shadow_lifecycle_stop(ShadowGuest *g)
{
    qemu_bh_delete(g->settle_bh);
    g->settle_bh = NULL;
}
