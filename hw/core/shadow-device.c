/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device of a nested guest, emulated by this QEMU; and the bus that makes
 * such devices hot-pluggable.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/hotplug.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "shadow/hw/core/shadow-device.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/trace.h"

const char *shadow_device_name(ShadowDevice *dev)
{
    return DEVICE(dev)->id ?: "anonymous";
}

void shadow_device_irq_edge(ShadowDevice *dev)
{
    dev->irq_edges++;
    if (dev->guest) {
        shadow_guest_irq_changed(dev->guest);
    }
}

bool shadow_device_add_ports(ShadowDevice *dev, MemoryRegion *mr,
                             unsigned first, Error **errp)
{
    uint64_t last = first + memory_region_size(mr) - 1;

    if (last > UINT16_MAX) {
        error_setg(errp, "iobase 0x%x is out of range", first);
        return false;
    }
    memory_region_add_subregion(&dev->io, first, mr);
    return true;
}

bool shadow_device_add_line(ShadowDevice *dev, Error **errp)
{
    if (dev->irq > 15) {
        error_setg(errp, "irq %u is not an ISA interrupt (0 to 15)", dev->irq);
        return false;
    }
    dev->has_line = true;
    return true;
}

/* Its ports and its line, away again */
static void shadow_device_take_all(ShadowDevice *dev)
{
    MemoryRegion *mr;

    dev->has_line = false;
    while ((mr = QTAILQ_FIRST(&dev->io.subregions))) {
        memory_region_del_subregion(&dev->io, mr);
    }
}

static void shadow_device_realize(DeviceState *d, Error **errp)
{
    ERRP_GUARD();
    ShadowDevice *dev = SHADOW_DEVICE(d);
    ShadowDeviceClass *sdc = SHADOW_DEVICE_GET_CLASS(dev);
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
    if (!shadow_guest_add_device(guest, dev, errp)) {
        sdc->teardown(dev);
        shadow_device_take_all(dev);
    }
}

static void shadow_device_unrealize(DeviceState *d)
{
    ShadowDevice *dev = SHADOW_DEVICE(d);

    shadow_guest_remove_device(dev);
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

/* What a device does that has nothing to do */

static size_t device_no_size(ShadowDevice *dev)
{
    return 0;
}

static void device_no_event(ShadowDevice *dev)
{
}

static void device_no_change(ShadowDevice *dev, bool on)
{
}

static void device_no_protection(ShadowDevice *dev, bool unprotected,
                                 const char *broken)
{
}

static void device_no_attached(ShadowDevice *dev, bool attached,
                               const char *reason)
{
}

static uint64_t device_no_input(ShadowDevice *dev)
{
    return 0;
}

static bool device_no_acpi(ShadowDevice *dev, struct ultracall_resource *acpi)
{
    return false;
}

static void device_no_query(ShadowDevice *dev, ShadowDeviceInfo *info)
{
}

static void shadow_device_set_defaults(ShadowDeviceClass *sdc)
{
    sdc->state_max = device_no_size;
    sdc->sent_ahead = device_no_event;
    sdc->leave_out = device_no_change;
    sdc->hold = device_no_change;
    sdc->reset = device_no_event;
    sdc->moved = device_no_event;
    sdc->restored = device_no_change;
    sdc->protection = device_no_protection;
    sdc->attached = device_no_attached;
    sdc->arrived = device_no_input;
    sdc->acpi = device_no_acpi;
    sdc->query = device_no_query;
}

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

/* In no address space, and not enabled, so that no change renders them anew */
static void shadow_device_init(Object *obj)
{
    ShadowDevice *dev = SHADOW_DEVICE(obj);

    memory_region_init(&dev->io, obj, "shadow-io", UINT16_MAX + 1);
    memory_region_set_enabled(&dev->io, false);
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
