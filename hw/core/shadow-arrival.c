/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An envelope that has arrived: what it costs to look at it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "hw/core/cpu.h"
#include "shadow/hw/core/shadow-arrival.h"
#include "shadow/hw/core/shadow-keys.h"
#include "shadow/migration/shadow-scratch.h"
#include "shadow/migration/shadow-state.h"

/* How many states that do not fit are loaded */
#define MISFIT_INTERVAL (10 * NANOSECONDS_PER_SECOND)
#define MISFIT_BURST    8

/* The other host's devices may have larger rings. */
static size_t arrival_max(ShadowGuest *g)
{
    size_t len = MIN(shadow_state_limit(&g->devices), SHADOW_SEAL_MAX_PAYLOAD);

    return g->host ? shadow_seal_host_size(len) : shadow_seal_size(len);
}

int shadow_arrival_check(ShadowGuest *g, size_t len, Error **errp)
{
    if (g->arriving) {
        error_setg(errp, "shadow-guest '%s' is being restored", g->id);
        return -EBUSY;
    }
    if (len > arrival_max(g)) {
        error_setg(errp, "sealed state refused: %zu bytes are more than the "
                   "devices of shadow-guest '%s' can have", len, g->id);
        return -EBADMSG;
    }
    return 0;
}

/* New memory is slow, but the scratch memory is another guest's now. */
static bool arrival_room(ShadowOpened *o, size_t len)
{
    o->len = len;
    o->envelope = shadow_scratch_take(SHADOW_SCRATCH_ARRIVAL, len);
    o->scratch = o->envelope;
    if (!o->envelope) {
        o->envelope = g_try_malloc(MAX(len, 1));
    }
    return o->envelope;
}

static int arrival_errno(ShadowSealResult result)
{
    switch (result) {
    case SHADOW_SEAL_OK:
        return 0;
    case SHADOW_SEAL_WRONG_PURPOSE:
        return -EPERM;
    case SHADOW_SEAL_STALE:
        return -ESTALE;
    case SHADOW_SEAL_INTERNAL:
        return -EIO;
    default:
        return -EBADMSG;
    }
}

/*
 * A CPU may let go of the BQL wherever it is in, as it does when it waits for
 * another process.  The main loop may not: it is in the middle of something.
 */
static bool arrival_let_go(const ShadowArrival *from)
{
    bool let_go = current_cpu || !from->locked;

    if (let_go) {
        bql_unlock();
        if (from->apart) {
            from->apart(from->opaque);
        }
    }
    return let_go;
}

int shadow_arrival_open(ShadowGuest *g, const ShadowArrival *from,
                        ShadowSealExpect *expect, ShadowOpened *o,
                        Error **errp)
{
    g_autofree char *id = g_strdup(g->id);
    uint64_t changes = g->changes;
    ShadowSealResult result;
    ShadowKeyring keys;
    bool let_go;
    Error *local = NULL;

    if (!arrival_room(o, from->len)) {
        error_setg(errp, "there is no memory for an envelope of %zu bytes",
                   from->len);
        return -ENOMEM;
    }
    expect->guest = id;
    expect->last_epoch = g->accepted;
    shadow_keys_hold(g, &keys);
    g->arriving = true;
    let_go = arrival_let_go(from);
    iov_to_buf(from->iov, from->n_iov, 0, o->envelope, o->len);
    result = shadow_keys_open(&keys, expect, o->envelope, o->len, &o->plain,
                              &o->plain_len, &o->info, &local);
    if (let_go) {
        bql_lock();
    }
    g->arriving = false;
    shadow_keys_drop(&keys);
    if (!g->settle_bh) {
        /* the guest was removed */
        error_free(local);
        return -ENOENT;
    }
    if (!local && g->changes != changes) {
        error_setg(errp, "shadow-guest '%s' has changed while its state was "
                   "being opened", g->id);
        return -EBUSY;
    }
    error_propagate(errp, local);
    return arrival_errno(result);
}

void shadow_arrival_close(ShadowOpened *o)
{
    if (o->plain) {
        shadow_wipe(o->plain, o->plain_len);
    }
    if (o->scratch) {
        shadow_scratch_give(SHADOW_SCRATCH_ARRIVAL, 0);
    } else {
        g_free(o->envelope);
    }
}

int shadow_arrival_may_load(ShadowGuest *g, const ShadowOpened *o,
                            Error **errp)
{
    for (unsigned i = 0; i < SHADOW_MISFITS; i++) {
        if (!memcmp(g->misfits[i], shadow_seal_salt(o->envelope),
                    sizeof(g->misfits[i]))) {
            error_setg(errp, "this state was refused before");
            return -EINVAL;
        }
    }
    if (!shadow_pace_ready(&g->misfit_pace, MISFIT_INTERVAL, MISFIT_BURST)) {
        error_setg(errp, "too many states did not fit shadow-guest '%s'",
                   g->id);
        return -EBUSY;
    }
    return 0;
}

void shadow_arrival_refused(ShadowGuest *g, const ShadowOpened *o)
{
    shadow_pace_take(&g->misfit_pace, MISFIT_INTERVAL);
    memcpy(g->misfits[g->next_misfit], shadow_seal_salt(o->envelope),
           sizeof(g->misfits[0]));
    g->next_misfit = (g->next_misfit + 1) % SHADOW_MISFITS;
}

void shadow_arrival_forget(ShadowGuest *g)
{
    memset(g->misfits, 0, sizeof(g->misfits));
}
