/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory's part in the sealed state of its guest: the virtual CPUs'
 * registers, and what pages there were.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "migration/vmstate.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-privacy.h"
#include "shadow/hw/misc/shadow-memory-internal.h"
#include "shadow/include/compat.h"

/* Besides virtual CPUs */
#define STATE_OWN_MAX 512

static size_t state_max(ShadowDevice *dev)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    return STATE_OWN_MAX +
           SHADOW_VCPUS_STATE_MAX(s->life ? qatomic_read(&s->life->n_vcpus)
                                          : 0);
}

static int state_pre_save(void *opaque)
{
    ShadowMemory *s = opaque;

    s->state.records = 0;
    memset(s->state.digest, 0, sizeof(s->state.digest));
    s->state.launched = s->life;
    s->state.imported = s->life ? shadow_private_imported(s->life) : 0;
    memcpy(s->state.measurement, s->launched, sizeof(s->launched));
    if (shadow_session_leaves(&s->session)) {
        s->state.records = shadow_stream_records(s->session.stream);
        memcpy(s->state.digest, shadow_stream_digest(s->session.stream),
               sizeof(s->state.digest));
    }
    return 0;
}

void shadow_memory_drop_state(ShadowMemory *s)
{
    if (s->state.life) {
        shadow_private_unref(s->state.life);
        s->state.life = NULL;
    }
}

static int state_pre_load(void *opaque)
{
    ShadowMemory *s = opaque;

    shadow_memory_drop_state(s);
    s->state.imported = 0;
    s->state.life = shadow_private_new(SHADOW_PRIVATE_BASE(s->slot), s->size);
    return 0;
}

static bool state_has_arrived(ShadowMemory *s)
{
    return shadow_session_arrives(&s->session) &&
           shadow_stream_records(s->session.stream) == s->state.records &&
           !memcmp(shadow_stream_digest(s->session.stream), s->state.digest,
                   sizeof(s->state.digest));
}

/* Or nothing, of one that was not measured */
static bool state_is_measurement(const uint8_t *text)
{
    size_t len = SHADOW_MEASUREMENT_TEXT - 1;

    return buffer_is_zero(text, SHADOW_MEASUREMENT_TEXT) ||
           (!text[len] &&
            strspn((const char *)text, "0123456789abcdef") == len);
}

/* What was measured is none of the cloud VM's. */
static bool state_is_imported(const ShadowMemory *s)
{
    return !s->state.imported ||
           (s->state.imported <= s->size / SHADOW_IMPORT_PAGE &&
            !*s->state.measurement);
}

/* It becomes the guest's when all else of the state is right, too. */
static int state_post_load(void *opaque, int version_id)
{
    ShadowMemory *s = opaque;

    if (!s->state.launched) {
        shadow_memory_drop_state(s);
        return 0;
    }
    s->state.life->imported = s->state.imported;
    return s->state.life->n_vcpus && !s->life && state_has_arrived(s) &&
           state_is_measurement(s->state.measurement) && state_is_imported(s)
           ? 0 : -EINVAL;
}

static void state_restored(ShadowDevice *dev, bool snapshot)
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
static void state_guest_changed(ShadowDevice *dev, ShadowGuestState state)
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
static int state_get_vcpus(QEMUFile *f, void *pv, size_t size,
                           const VMStateField *field)
{
    ShadowMemory *s = pv;

    return shadow_vmstate_load(f, shadow_accel()->vcpus->state, s->state.life,
                               1, NULL);
}

static int state_put_vcpus(QEMUFile *f, void *pv, size_t size,
                           const VMStateField *field, JSONWriter *vmdesc)
{
    ShadowMemory *s = pv;

    return shadow_vmstate_save(f, shadow_accel()->vcpus->state, s->life, NULL);
}

static const VMStateInfo state_info_vcpus = {
    .name = "virtual CPUs",
    .get = state_get_vcpus,
    .put = state_put_vcpus,
};

static bool state_is_launched(void *opaque, int version_id)
{
    return SHADOW_MEMORY(opaque)->state.launched;
}

static bool state_imported_needed(void *opaque)
{
    return SHADOW_MEMORY(opaque)->state.imported;
}

static const VMStateDescription vmstate_memory_imported = {
    .name = TYPE_SHADOW_MEMORY "/imported",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = state_imported_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(state.imported, ShadowMemory),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_memory = {
    .name = TYPE_SHADOW_MEMORY,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = state_pre_save,
    .pre_load = state_pre_load,
    .post_load = state_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(state.launched, ShadowMemory),
        VMSTATE_UINT8_ARRAY(state.measurement, ShadowMemory,
                            SHADOW_MEASUREMENT_TEXT),
        VMSTATE_UINT64(state.records, ShadowMemory),
        VMSTATE_UINT8_ARRAY(state.digest, ShadowMemory,
                            SHADOW_STREAM_DIGEST_LEN),
        {
            .name = "vcpus",
            .field_exists = state_is_launched,
            .size = sizeof(ShadowMemory),
            .info = &state_info_vcpus,
            .flags = VMS_SINGLE,
        },
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_memory_imported,
        NULL
    }
};

void shadow_memory_state_class_init(ShadowDeviceClass *sdc)
{
    sdc->state = &vmstate_memory;
    sdc->state_max = state_max;
    sdc->state_limit = STATE_OWN_MAX +
                       SHADOW_VCPUS_STATE_MAX(SHADOW_PRIVATE_CPUS);
    sdc->restored = state_restored;
    sdc->state_changed = state_guest_changed;
}
