/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices come to a guest, and leave it, also while it runs.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/vmstate.h"
#include "shadow/hw/core/shadow-access.h"
#include "shadow/hw/core/shadow-arrival.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/hw/core/shadow-protection.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/include/compat-qdev.h"

/* Sorted by port, so that the saved state does not depend on hot-plugging. */
static void shadow_bus_insert(ShadowGuest *g, ShadowDevice *dev)
{
    ShadowDevice *next;

    QTAILQ_FOREACH(next, &g->devices, next) {
        if (next->iobase > dev->iobase) {
            QTAILQ_INSERT_BEFORE(next, dev, next);
            return;
        }
    }
    QTAILQ_INSERT_TAIL(&g->devices, dev, next);
}

/* The cloud VM is told of all of it, in replies of a bounded size. */
static bool shadow_bus_has_room(ShadowGuest *g, ShadowDevice *dev,
                                Error **errp)
{
    unsigned n = shadow_device_n_regions(dev) + dev->n_lines;

    if (shadow_guest_n_devices(g) == SHADOW_GUEST_MAX_DEVICES) {
        error_setg(errp, "shadow-guest '%s' has %u devices already", g->id,
                   SHADOW_GUEST_MAX_DEVICES);
        return false;
    }
    if (n > SHADOW_DEVICE_MAX_RESOURCES) {
        error_setg(errp, "device '%s' has more ranges and interrupts than %u",
                   shadow_device_name(dev), SHADOW_DEVICE_MAX_RESOURCES);
        return false;
    }
    n = shadow_guest_n_lines(g);
    if (n + dev->n_lines > SHADOW_GUEST_MAX_LINES) {
        error_setg(errp, "shadow-guest '%s' has %u interrupts already", g->id,
                   n);
        return false;
    }
    return true;
}

static bool shadow_bus_add(ShadowGuest *g, ShadowDevice *dev, Error **errp)
{
    ShadowDeviceClass *sdc = SHADOW_DEVICE_GET_CLASS(dev);

    if (!shadow_bus_has_room(g, dev, errp)) {
        return false;
    }
    if (g->state == SHADOW_GUEST_STATE_FROZEN ||
        g->state == SHADOW_GUEST_STATE_RESTORED) {
        error_setg(errp, "shadow-guest '%s' is being migrated", g->id);
        return false;
    }
    if (shadow_ports_claim(g->ports, dev, errp)) {
        return false;
    }
    shadow_guest_changed(g);
    shadow_arrival_forget(g);
    dev->guest = g;
    dev->irq_changed = shadow_guest_irq_changed;
    shadow_bus_insert(g, dev);
    sdc->protection(dev, shadow_protection_lacks(g), NULL);
    shadow_access_hold(dev, g->state != SHADOW_GUEST_STATE_ACTIVE);
    shadow_lifecycle_attach(g, "no virtual machine is bound to it");
    return true;
}

static void shadow_bus_remove(ShadowDevice *dev)
{
    ShadowGuest *g = dev->guest;

    if (g) {
        shadow_guest_changed(g);
        shadow_arrival_forget(g);
        shadow_running_release(g->ports, dev);
        QTAILQ_REMOVE(&g->devices, dev, next);
        dev->guest = NULL;
    }
}

/* Its ports and its lines, away again, and what was written to them */
static void shadow_device_take_all(ShadowDevice *dev)
{
    MemoryRegion *mr;

    shadow_access_forget(dev);
    while (dev->n_lines) {
        shadow_line_stop(dev->line[--dev->n_lines]);
    }
    while ((mr = QTAILQ_FIRST(&dev->io.subregions))) {
        memory_region_del_subregion(&dev->io, mr);
    }
}

static void shadow_device_realize(DeviceState *d, Error **errp)
{
    ERRP_GUARD();
    ShadowDevice *dev = SHADOW_DEVICE(d);
    ShadowDeviceClass *sdc = SHADOW_DEVICE_GET_CLASS(dev);
    MemoryRegion *lowest;
    ShadowGuest *guest;

    if (!d->id) {
        error_setg(errp, "a shadow device needs an id");
        error_append_hint(errp, "The id names the device in the saved state: "
                          "give it the same one on every host.\n");
        return;
    }
    if (!dev->guest_id) {
        error_setg(errp, "property 'guest' is required");
        error_append_hint(errp, "Name a -object shadow-guest.\n");
        return;
    }
    guest = shadow_guest_find(dev->guest_id);
    if (!guest) {
        error_setg(errp, "there is no shadow-guest '%s'", dev->guest_id);
        error_append_hint(errp, "Add -object shadow-guest,id=%s,"
                          "secret=...\n", dev->guest_id);
        return;
    }
    if (!sdc->setup(dev, errp)) {
        shadow_device_take_all(dev);
        return;
    }
    lowest = shadow_device_region_from(dev, 0);
    dev->iobase = lowest ? lowest->addr : 0;
    if (!shadow_bus_add(guest, dev, errp)) {
        sdc->teardown(dev);
        shadow_device_take_all(dev);
    }
}

static void shadow_device_unrealize(DeviceState *d)
{
    ShadowDevice *dev = SHADOW_DEVICE(d);

    shadow_bus_remove(dev);
    SHADOW_DEVICE_GET_CLASS(dev)->teardown(dev);
    shadow_device_take_all(dev);
}

static const Property shadow_device_properties[] = {
    DEFINE_PROP_STRING("guest", ShadowDevice, guest_id),
};

/* Its state leaves this QEMU in sealed envelopes only. */
static const VMStateDescription vmstate_shadow_device = {
    .name = TYPE_SHADOW_DEVICE,
    .unmigratable = 1,
};

static void shadow_device_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = shadow_device_realize;
    dc->unrealize = shadow_device_unrealize;
    dc->vmsd = &vmstate_shadow_device;
    dc->bus_type = TYPE_SHADOW_BUS;
    device_class_set_props(dc, shadow_device_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    shadow_device_set_defaults(SHADOW_DEVICE_CLASS(oc));
}

/*
 * In no address space, and not enabled, so that no change renders one anew.
 * memory_region_set_enabled() would render all of them.
 */
static void shadow_device_init(Object *obj)
{
    ShadowDevice *dev = SHADOW_DEVICE(obj);

    memory_region_init(&dev->io, obj, "shadow-io", UINT16_MAX + 1);
    dev->io.enabled = false;
}

static void shadow_bus_class_init(ObjectClass *oc, ShadowClassData *data)
{
    HOTPLUG_HANDLER_CLASS(oc)->unplug = qdev_simple_device_unplug_cb;
}

static const TypeInfo shadow_device_types[] = {
    {
        .name = TYPE_SHADOW_DEVICE,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(ShadowDevice),
        .class_size = sizeof(ShadowDeviceClass),
        .instance_init = shadow_device_init,
        .class_init = shadow_device_class_init,
        .abstract = true,
    }, {
        .name = TYPE_SHADOW_BUS,
        .parent = TYPE_BUS,
        .instance_size = sizeof(BusState),
        .class_init = shadow_bus_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_HOTPLUG_HANDLER },
            { }
        },
    },
};

DEFINE_TYPES(shadow_device_types)
