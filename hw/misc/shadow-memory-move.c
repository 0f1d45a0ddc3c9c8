/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory's pages leave while its guest runs, and arrive before it, by
 * calls of their own.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/misc/shadow-memory-internal.h"

static ShadowMemory *memory_of(ShadowGuest *g)
{
    return (ShadowMemory *)g->privacy.memory;
}

/* Leaving */

static size_t move_begin(ShadowDevice *dev, uint8_t *secret, Error **errp)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    if (!s->life) {
        error_setg(errp, "shadow-guest '%s' does not run in its private memory",
                   s->guest->id);
        return 0;
    }
    return shadow_session_begin(&s->session, &s->ram, secret, errp) ?
           SHADOW_SESSION_LEN : 0;
}

/*
 * QEMU waits for all CPUs to be out of the guest's code, and lets go of the BQL
 * meanwhile: what a CPU is about to write is not missed.  A CPU that makes a
 * call cannot wait for the others, which may be making one too.
 */
static void move_note(void *opaque)
{
    ShadowMemory *s = opaque;
    uint64_t number = s->session.number, exits;
    g_autofree DirtyBitmapSnapshot *written = NULL;
    bool runs;

    if (!s->life || !shadow_session_leaves(&s->session)) {
        return;
    }
    exits = shadow_accel()->vcpus->exits(s->life, &runs);
    written = memory_region_snapshot_and_clear_dirty(&s->ram, 0, s->size,
                                                     SHADOW_SESSION_LOG);
    if (s->session.number != number) {
        /* in a new one all is to be sent anyway */
        return;
    }
    shadow_session_note(&s->session, written);
    s->session.quiet = !runs;
    s->session.exits = exits;
    s->session.noted = SHADOW_NOTED;
}

static void move_note_soon(ShadowMemory *s)
{
    s->session.noted = SHADOW_NOTED_SOON;
    qemu_bh_schedule(s->note);
}

/* Have it noted; false: not yet. */
static bool move_noted(ShadowMemory *s)
{
    switch (s->session.noted) {
    case SHADOW_NOTED_NOT:
        move_note_soon(s);
        return false;
    case SHADOW_NOTED_SOON:
        return false;
    default:
        s->session.noted = SHADOW_NOTED_NOT;
        return true;
    }
}

/* No virtual CPU has been in the guest since that was last noted. */
static bool move_is_quiet(ShadowMemory *s, bool *runs)
{
    uint64_t exits = shadow_accel()->vcpus->exits(s->life, runs);

    return s->session.quiet && !*runs && s->session.exits == exits;
}

/*
 * Whether what is to be sent is known: if the guest stands still, all of it.
 * While it runs there may be more at any time.
 */
static bool move_knows(ShadowMemory *s)
{
    bool runs;

    if (move_is_quiet(s, &runs)) {
        return true;
    }
    return move_noted(s) && (move_is_quiet(s, &runs) || runs);
}

/* Whether all that it has written was sent; if not, that is found out. */
static bool move_all_sent(ShadowMemory *s)
{
    bool runs;

    if (!shadow_session_leaves(&s->session) || s->session.pages.n_unsent) {
        return false;
    }
    if (!move_is_quiet(s, &runs)) {
        move_note_soon(s);
        return false;
    }
    return true;
}

/*
 * What the guest has written since the last record would be lost: then it is
 * not frozen.
 */
static int move_freeze(ShadowDevice *dev, Error **errp)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    if (!s->life) {
        return 0;
    }
    if (!shadow_accel()->vcpus->freeze(s->life)) {
        error_setg(errp, "a virtual CPU of shadow-guest '%s' runs",
                   s->guest->id);
        return -EAGAIN;
    }
    if (!move_all_sent(s)) {
        qatomic_set(&s->life->frozen, false);
        error_setg(errp, "not all private memory of shadow-guest '%s' has been "
                   "sent", s->guest->id);
        return -EAGAIN;
    }
    return 0;
}

static void move_thaw(ShadowDevice *dev)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    if (s->life) {
        qatomic_set(&s->life->frozen, false);
    }
}

static void move_hold(ShadowDevice *dev, bool held)
{
    if (!held) {
        move_thaw(dev);
    }
}

/* Arriving */

static int move_accept(ShadowDevice *dev, const uint8_t *secret, size_t len,
                       Error **errp)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);
    ShadowSession new = { };

    if (!shadow_session_accept(&new, &s->ram, secret, len, errp)) {
        return -EINVAL;
    }
    shadow_session_end(&s->session);
    shadow_memory_discard(s);
    if (s->life || s->dirty) {
        shadow_session_end(&new);
        error_setg(errp, "the private memory of shadow-guest '%s' is in use",
                   s->guest->id);
        return -EBUSY;
    }
    s->session = new;
    return 0;
}

/* Nothing of an arrival that came to nothing is kept. */
static void move_end_session(ShadowMemory *s)
{
    bool arrives = shadow_session_arrives(&s->session);

    shadow_session_end(&s->session);
    if (arrives) {
        shadow_memory_discard(s);
    }
}

static void move_changed(Notifier *n, void *data)
{
    move_end_session(container_of(n, ShadowMemory, changed));
}

int shadow_memory_export(ShadowGuest *g, uint8_t *record, size_t *len,
                         Error **errp)
{
    ShadowMemory *s = memory_of(g);

    if (!s || !s->life || !shadow_session_leaves(&s->session)) {
        error_setg(errp, "no private memory of shadow-guest '%s' leaves",
                   g->id);
        return -EBUSY;
    }
    return shadow_session_export(&s->session, record, len, errp);
}

int shadow_memory_import(ShadowGuest *g, uint8_t *record, size_t len,
                         Error **errp)
{
    ShadowMemory *s = memory_of(g);
    ShadowPrivate to = { };
    int ret;

    if (!s || s->life || !shadow_session_arrives(&s->session)) {
        error_setg(errp, "no private memory of shadow-guest '%s' arrives",
                   g->id);
        return -EBUSY;
    }
    to.base = SHADOW_PRIVATE_BASE(s->slot);
    s->dirty = true;
    ret = shadow_session_import(&s->session, &to, record, len, errp);
    if (!shadow_session_arrives(&s->session)) {
        shadow_memory_discard(s);
    }
    return ret;
}

int64_t shadow_memory_unsent(ShadowGuest *g)
{
    ShadowMemory *s = memory_of(g);

    if (!s || !s->life || !shadow_session_leaves(&s->session)) {
        return -EBUSY;
    }
    return move_knows(s) ? s->session.pages.n_unsent : -EAGAIN;
}

int shadow_memory_end_session(ShadowGuest *g)
{
    ShadowMemory *s = memory_of(g);

    if (!s || !s->session.ram) {
        return -EALREADY;
    }
    move_end_session(s);
    return 0;
}

/* Who gives a kernel here wants none that a cloud VM gave elsewhere. */
static bool move_may_arrive(ShadowDevice *dev, Error **errp)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    if (s->kernel && s->state.life && !*s->state.measurement) {
        error_setg(errp, "the private memory of shadow-guest '%s' began with "
                   "what a cloud VM gave; where 'kernel' is given here, it "
                   "must have been given there", s->guest->id);
        return false;
    }
    return true;
}

static const ShadowMemoryOps move_ops = {
    .begin = move_begin,
    .accept = move_accept,
    .may_arrive = move_may_arrive,
    .freeze = move_freeze,
    .thaw = move_thaw,
};

void shadow_memory_move_class_init(ShadowDeviceClass *sdc)
{
    sdc->hold = move_hold;
    sdc->memory = &move_ops;
}

void shadow_memory_move_start(ShadowMemory *s)
{
    s->note = qemu_bh_new(move_note, s);
    s->changed.notify = move_changed;
    notifier_list_add(&s->guest->changed, &s->changed);
}

void shadow_memory_move_stop(ShadowMemory *s)
{
    notifier_remove(&s->changed);
    qemu_bh_delete(s->note);
    shadow_session_end(&s->session);
}
