/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory of a nested guest: a kernel that its owner gives starts in it,
 * and the cloud VM can neither read nor write a byte of it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitmap.h"
#include "qemu/error-report.h"
#include "qemu/madvise.h"
#include "qemu/units.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/hw/core/shadow-privacy.h"
#include "shadow/hw/misc/shadow-memory-internal.h"
#include "shadow/include/compat-qdev.h"

/* Guest-physical addresses above it are those of devices (below 4 GiB). */
#define MEMORY_MAX (3 * GiB)

static unsigned long memory_slots[BITS_TO_LONGS(SHADOW_PRIVATE_GUESTS)];

/*
 * By slot: a life that has ended, which CPUs may still be in.  Nothing else is
 * put where that is, as long as they can write there.
 */
static ShadowPrivate *memory_ended[SHADOW_PRIVATE_GUESTS];

static bool slot_is_left(unsigned slot)
{
    if (memory_ended[slot] && shadow_private_try_end(memory_ended[slot])) {
        memory_ended[slot] = NULL;
    }
    return !memory_ended[slot];
}

static unsigned slot_find(void)
{
    unsigned slot = 0;

    while (slot < SHADOW_PRIVATE_GUESTS &&
           (test_bit(slot, memory_slots) || !slot_is_left(slot))) {
        slot++;
    }
    return slot;
}

void shadow_memory_end(ShadowMemory *s)
{
    ShadowPrivate *life = s->life;

    if (life) {
        s->life = NULL;
        s->unrun = false;
        shadow_privacy_ended(s->guest);
        memory_ended[s->slot] = life;
    }
}

void shadow_memory_discard(ShadowMemory *s)
{
    if (!s->life && s->dirty && slot_is_left(s->slot)) {
        shadow_private_discard(SHADOW_PRIVATE_BASE(s->slot), &s->ram);
        s->dirty = false;
    }
}

static void memory_reset(ShadowDevice *dev)
{
    shadow_memory_end(SHADOW_MEMORY(dev));
}

/*
 * What it ran in is gone, and its shared memory with it; or it runs on another
 * host, and nobody can take it back any more.
 */
static void memory_attached(ShadowDevice *dev, bool attached,
                            const char *reason)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);
    bool moved = dev->guest && dev->guest->state == SHADOW_GUEST_STATE_GONE &&
                 !shadow_lifecycle_may_come_back(dev->guest);

    if (!attached || moved) {
        shadow_memory_end(s);
    }
    if (moved) {
        shadow_memory_discard(s);
    }
}

ShadowPrivate *shadow_memory_begin(ShadowMemory *s, int *ret)
{
    *ret = s->life ? -EALREADY :
           s->guest->state != SHADOW_GUEST_STATE_ACTIVE ||
           !slot_is_left(s->slot) ? -EBUSY : 0;
    if (*ret) {
        return NULL;
    }
    shadow_memory_discard(s);
    shadow_session_end(&s->session);
    s->life = shadow_private_new(SHADOW_PRIVATE_BASE(s->slot), s->size);
    s->dirty = true;
    memcpy(s->launched, s->measurement, sizeof(s->launched));
    return s->life;
}

ShadowPrivate *shadow_memory_launch(ShadowGuest *g, const ShadowFact *facts,
                                    unsigned n_facts, ShadowStart *start,
                                    int *ret)
{
    Error *err = NULL;
    ShadowMemory *s = (ShadowMemory *)g->privacy.memory;
    ShadowMachine machine;

    if (!s || !s->image) {
        *ret = -EOPNOTSUPP;
        return NULL;
    }
    if (!shadow_memory_begin(s, ret)) {
        return NULL;
    }
    shadow_machine_read(&machine, facts, n_facts, s->size);
    if (!shadow_launch(s->life, s->image, &machine, start, &err)) {
        if (!s->warned) {
            warn_reportf_err(err, "shadow-memory '%s': ",
                             shadow_device_name(SHADOW_DEVICE(s)));
            s->warned = true;
        } else {
            error_free(err);
        }
        shadow_private_unref(s->life);
        s->life = NULL;
        *ret = -EINVAL;
        return NULL;
    }
    shadow_privacy_launched(g, s->life, s->measurement);
    return s->life;
}

static ShadowMemoryInfo *memory_query(ShadowDevice *dev)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);
    ShadowMemoryInfo *info = g_new0(ShadowMemoryInfo, 1);
    const char *measurement = s->life ? s->launched : s->measurement;

    info->size = s->size;
    info->required = s->required;
    info->launched = s->life;
    info->sealed = s->guest->privacy.sealed;
    info->start = *measurement ? SHADOW_MEMORY_START_MEASURED :
                  SHADOW_MEMORY_START_IMPORTED;
    info->measurement = *measurement ? g_strdup(measurement) : NULL;
    if (s->life) {
        info->imported = shadow_private_imported(s->life);
        info->vcpus = qatomic_read(&s->life->n_vcpus);
        info->refused = qatomic_read(&s->life->refused);
    }
    return info;
}

static void memory_measure(ShadowMemory *s)
{
    uint8_t measurement[SHADOW_MEASUREMENT_LEN];

    if (!s->image) {
        return;
    }
    shadow_image_measure(s->image, measurement);
    for (int i = 0; i < sizeof(measurement); i++) {
        sprintf(s->measurement + 2 * i, "%02x", measurement[i]);
    }
}

static bool memory_check(ShadowMemory *s, Error **errp)
{
    if (!s->size || s->size % MiB || s->size > MEMORY_MAX) {
        error_setg(errp, "size must be 1M to 3G, in MiB");
        return false;
    }
    if (!s->kernel && (s->initrd || s->append)) {
        error_setg(errp, "initrd and append are those of a kernel: there is "
                   "none");
        return false;
    }
    if (!shadow_accel()->vcpus) {
        error_setg(errp, "private memory of nested guests needs -accel tcg: "
                   "with KVM the host's kernel would have to serve it");
        return false;
    }
    return shadow_accel()->vcpus->can_run(errp);
}

/* What its owner gives, or else what its guest says with */
static bool memory_start(ShadowMemory *s, Error **errp)
{
    if (!s->required_set) {
        s->required = s->kernel;
    }
    if (!s->kernel) {
        return shadow_memory_add_port(s, errp);
    }
    s->image = shadow_image_new(s->kernel, s->initrd, s->append, errp);
    return s->image;
}

static bool memory_setup(ShadowDevice *dev, Error **errp)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    if (!memory_check(s, errp)) {
        return false;
    }
    s->slot = slot_find();
    if (s->slot == SHADOW_PRIVATE_GUESTS) {
        error_setg(errp, "there are %d shadow-memory devices already",
                   SHADOW_PRIVATE_GUESTS);
        return false;
    }
    if (!memory_start(s, errp)) {
        return false;
    }
    if (!memory_region_init_ram_nomigrate(&s->ram, OBJECT(s),
                                          TYPE_SHADOW_MEMORY, s->size, errp)) {
        g_clear_pointer(&s->image, shadow_image_free);
        return false;
    }
    if (!shadow_privacy_add_memory(shadow_guest_find(dev->guest_id), dev,
                                   s->required, !s->image, errp)) {
        object_unparent(OBJECT(&s->ram));
        g_clear_pointer(&s->image, shadow_image_free);
        return false;
    }
    s->guest = shadow_guest_find(dev->guest_id);
    memory_measure(s);
    shadow_memory_move_start(s);
    shadow_accel()->vcpus->forget_code(&s->ram);
    if (!s->image) {
        shadow_accel()->vcpus->await_lock();
    }
    qemu_madvise(memory_region_get_ram_ptr(&s->ram), s->size,
                 QEMU_MADV_DONTDUMP);
    set_bit(s->slot, memory_slots);
    memory_region_set_log(&s->ram, true, SHADOW_SESSION_LOG);
    memory_region_add_subregion(shadow_private_root(),
                                SHADOW_PRIVATE_BASE(s->slot), &s->ram);
    return true;
}

static void memory_teardown(ShadowDevice *dev)
{
    ShadowMemory *s = SHADOW_MEMORY(dev);

    shadow_memory_move_stop(s);
    shadow_memory_drop_state(s);
    shadow_memory_end(s);
    shadow_privacy_remove_memory(s->guest);
    s->guest = NULL;
    memory_region_del_subregion(shadow_private_root(), &s->ram);
    clear_bit(s->slot, memory_slots);
    object_unparent(OBJECT(&s->ram));
    g_clear_pointer(&s->image, shadow_image_free);
}

static const Property memory_properties[] = {
    DEFINE_PROP_SIZE("size", ShadowMemory, size, 0),
    DEFINE_PROP_STRING("kernel", ShadowMemory, kernel),
    DEFINE_PROP_STRING("initrd", ShadowMemory, initrd),
    DEFINE_PROP_STRING("append", ShadowMemory, append),
    DEFINE_PROP_UINT32("port", ShadowMemory, port, SHADOW_SEAL_PORT),
};

static bool memory_get_required(Object *obj, Error **errp)
{
    return SHADOW_MEMORY(obj)->required;
}

/* Without, it follows from whether there is a kernel. */
static void memory_set_required(Object *obj, bool value, Error **errp)
{
    if (DEVICE(obj)->realized) {
        error_setg(errp, "property 'required' cannot be set now");
        return;
    }
    SHADOW_MEMORY(obj)->required = value;
    SHADOW_MEMORY(obj)->required_set = true;
}

static void memory_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    ShadowDeviceClass *sdc = SHADOW_DEVICE_CLASS(oc);

    dc->desc = "memory of a nested guest that its hypervisor cannot access";
    device_class_set_props(dc, memory_properties);
    object_class_property_add_bool(oc, "required", memory_get_required,
                                   memory_set_required);
    object_class_property_set_description(oc, "required",
        "nothing but what runs in it has the guest's ports (default: on with "
        "a kernel)");
    sdc->setup = memory_setup;
    sdc->teardown = memory_teardown;
    sdc->reset = memory_reset;
    sdc->attached = memory_attached;
    sdc->private_memory = memory_query;
    sdc->works_held = true;
    shadow_memory_move_class_init(sdc);
    shadow_memory_state_class_init(sdc);
}

static const TypeInfo memory_types[] = {
    {
        .name = TYPE_SHADOW_MEMORY,
        .parent = TYPE_SHADOW_DEVICE,
        .instance_size = sizeof(ShadowMemory),
        .class_init = memory_class_init,
    },
};

DEFINE_TYPES(memory_types)
