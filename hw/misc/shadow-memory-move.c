/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory's part in the migrations of its guest: its pages leave while
 * the guest runs, by calls of their own, and then the virtual CPUs' registers
 * in the guest's sealed state, which says what pages there were.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "migration/vmstate.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-privacy.h"
#include "shadow/hw/misc/shadow-memory-internal.h"
#include "shadow/include/compat.h"

/* Besides virtual CPUs */
#define STATE_OWN_MAX 512

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

/* The state */

static size_t move_state_max(ShadowDevice *dev)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    return STATE_OWN_MAX +
           SHADOW_VCPUS_STATE_MAX(s->life ? qatomic_read(&s->life->n_vcpus)
                                          : 0);
}

static int move_pre_save(void *opaque)
{
    ShadowMemory *s = opaque;

    s->state.records = 0;
    memset(s->state.digest, 0, sizeof(s->state.digest));
    s->state.launched = s->life;
    memcpy(s->state.measurement, s->launched, sizeof(s->launched));
    if (shadow_session_leaves(&s->session)) {
        s->state.records = shadow_stream_records(s->session.stream);
        memcpy(s->state.digest, shadow_stream_digest(s->session.stream),
               sizeof(s->state.digest));
    }
    return 0;
}

/* One that did not come to be the guest's */
static void move_drop_state(ShadowMemory *s)
{
    if (s->state.life) {
        shadow_private_unref(s->state.life);
        s->state.life = NULL;
    }
}

static int move_pre_load(void *opaque)
{
    ShadowMemory *s = opaque;

    move_drop_state(s);
    s->state.life = shadow_private_new(SHADOW_PRIVATE_BASE(s->slot), s->size);
    return 0;
}

static bool move_has_arrived(ShadowMemory *s)
{
    return shadow_session_arrives(&s->session) &&
           shadow_stream_records(s->session.stream) == s->state.records &&
           !memcmp(shadow_stream_digest(s->session.stream), s->state.digest,
                   sizeof(s->state.digest));
}

/* Or nothing, of one that was not measured */
static bool move_is_measurement(const uint8_t *text)
{
    size_t len = SHADOW_MEASUREMENT_TEXT - 1;

    return buffer_is_zero(text, SHADOW_MEASUREMENT_TEXT) ||
           (!text[len] &&
            strspn((const char *)text, "0123456789abcdef") == len);
}

/* It becomes the guest's when all else of the state is right, too. */
static int move_post_load(void *opaque, int version_id)
{
    ShadowMemory *s = opaque;

    if (!s->state.launched) {
        move_drop_state(s);
        return 0;
    }
    return s->state.life->n_vcpus && !s->life && move_has_arrived(s) &&
           move_is_measurement(s->state.measurement) ? 0 : -EINVAL;
}

static void move_restored(ShadowDevice *dev, bool snapshot)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    if (!s->state.life) {
        return;
    }
    s->life = g_steal_pointer(&s->state.life);
    s->unrun = true;
    memcpy(s->launched, s->state.measurement, sizeof(s->launched));
    shadow_session_end(&s->session);
    shadow_privacy_restored(s->guest, s->life,
                            *s->launched ? s->launched : NULL);
}

/* What has arrived and never ran is not here, if its source still has it. */
static void move_state_changed(ShadowDevice *dev, ShadowGuestState state)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    if (s->unrun && state != SHADOW_GUEST_STATE_RESTORED) {
        s->unrun = false;
        if (state != SHADOW_GUEST_STATE_ACTIVE) {
            shadow_memory_end(s);
            shadow_memory_discard(s);
        }
    }
}

/* Which description virtual CPUs have is known at run time. */
static int move_get_vcpus(QEMUFile *f, void *pv, size_t size,
                          const VMStateField *field)
{
    ShadowMemory *s = pv;

    return shadow_vmstate_load(f, shadow_accel()->vcpus->state, s->state.life,
                               1, NULL);
}

static int move_put_vcpus(QEMUFile *f, void *pv, size_t size,
                          const VMStateField *field, JSONWriter *vmdesc)
{
    ShadowMemory *s = pv;

    return shadow_vmstate_save(f, shadow_accel()->vcpus->state, s->life, NULL);
}

static const VMStateInfo move_info_vcpus = {
    .name = "virtual CPUs",
    .get = move_get_vcpus,
    .put = move_put_vcpus,
};

static bool move_is_launched(void *opaque, int version_id)
{
    return SHADOW_MEMORY(opaque)->state.launched;
}

static const VMStateDescription vmstate_memory = {
    .name = TYPE_SHADOW_MEMORY,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = move_pre_save,
    .pre_load = move_pre_load,
    .post_load = move_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(state.launched, ShadowMemory),
        VMSTATE_UINT8_ARRAY(state.measurement, ShadowMemory,
                            SHADOW_MEASUREMENT_TEXT),
        VMSTATE_UINT64(state.records, ShadowMemory),
        VMSTATE_UINT8_ARRAY(state.digest, ShadowMemory,
                            SHADOW_STREAM_DIGEST_LEN),
        {
            .name = "vcpus",
            .field_exists = move_is_launched,
            .size = sizeof(ShadowMemory),
            .info = &move_info_vcpus,
            .flags = VMS_SINGLE,
        },
        VMSTATE_END_OF_LIST()
    }
};

static const ShadowMemoryOps move_ops = {
    .begin = move_begin,
    .accept = move_accept,
    .freeze = move_freeze,
    .thaw = move_thaw,
};

void shadow_memory_move_class_init(ShadowDeviceClass *sdc)
{
    sdc->state = &vmstate_memory;
    sdc->state_max = move_state_max;
    sdc->state_limit = STATE_OWN_MAX +
                       SHADOW_VCPUS_STATE_MAX(SHADOW_PRIVATE_CPUS);
    sdc->hold = move_hold;
    sdc->restored = move_restored;
    sdc->state_changed = move_state_changed;
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
    move_drop_state(s);
}
