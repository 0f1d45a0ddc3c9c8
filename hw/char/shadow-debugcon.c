/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The port to which a nested guest's firmware writes its log: one byte for
 * each write, and a known value to read, by which firmware finds out that it
 * is there (SeaBIOS: 0x402; Bochs: 0xe9).  Nothing goes the other way.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "chardev/char-fe.h"
#include "shadow/hw/char/shadow-console-device.h"
#include "shadow/include/compat-qdev.h"

#define TYPE_SHADOW_DEBUGCON "shadow-debugcon"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowDebugcon, SHADOW_DEBUGCON)

struct ShadowDebugcon {
    ShadowDevice parent_obj;

    MemoryRegion io;
    ShadowChr chr;              /* the console, as the guest's end sees it */
    ShadowConsole console;
    ShadowChr user;
    uint32_t readback;
    uint32_t output_size;
    char *replay;
};

static uint64_t debugcon_read(void *opaque, hwaddr addr, unsigned size)
{
    return SHADOW_DEBUGCON(opaque)->readback;
}

/* Also while it is held: the ring keeps it, and sends nothing. */
static void debugcon_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    uint8_t byte = val;

    qemu_chr_fe_write_all(&SHADOW_DEBUGCON(opaque)->chr, &byte, 1);
}

static const MemoryRegionOps debugcon_ops = {
    .read = debugcon_read,
    .write = debugcon_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 1, .max_access_size = 1 },
};

static void debugcon_nothing(void *opaque)
{
}

static bool debugcon_may_receive(void *opaque, bool brk)
{
    return false;
}

static bool debugcon_setup(ShadowDevice *dev, Error **errp)
{
    ShadowDebugcon *s = SHADOW_DEBUGCON(dev);

    if (s->readback > UINT8_MAX) {
        error_setg(errp, "readback must be 0 to 255");
        return false;
    }
    if (!shadow_console_device_check("output-size", s->output_size, s->replay,
                                     errp) ||
        !shadow_console_device_check_first(s->console.first_size, errp) ||
        !shadow_device_add_ports(dev, &s->io, dev->iobase, errp) ||
        !qemu_chr_fe_init(&s->chr, CHARDEV(&s->console), errp)) {
        return false;
    }
    s->console.replay_history = s->replay && !strcmp(s->replay, "history");
    shadow_console_device_name(dev);
    shadow_console_start(&s->console, &s->user, 0, s->output_size,
                         shadow_console_device_connected, debugcon_nothing,
                         debugcon_may_receive, debugcon_nothing, dev);
    return true;
}

static void debugcon_teardown(ShadowDevice *dev)
{
    ShadowDebugcon *s = SHADOW_DEBUGCON(dev);

    shadow_console_stop(&s->console);
    qemu_chr_fe_deinit(&s->chr, false);
}

static void debugcon_hold(ShadowDevice *dev, bool held)
{
    shadow_console_hold(&SHADOW_DEBUGCON(dev)->console, held);
}

static size_t debugcon_state_max(ShadowDevice *dev)
{
    return shadow_console_state_max(&SHADOW_DEBUGCON(dev)->console);
}

static int debugcon_pre_load(void *opaque)
{
    ShadowDevice *dev = opaque;

    /* what the stream leaves out */
    memset(dev->ahead_salt, 0, sizeof(dev->ahead_salt));
    return 0;
}

static const VMStateDescription vmstate_debugcon = {
    .name = TYPE_SHADOW_DEBUGCON,
    .unmigratable = 1,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = debugcon_pre_load,
    .fields = (const VMStateField[]) {
        SHADOW_VMSTATE_UINT32_EQUAL(parent_obj.iobase, ShadowDebugcon),
        VMSTATE_STRUCT(console, ShadowDebugcon, 1, vmstate_shadow_console,
                       ShadowConsole),
        VMSTATE_SHADOW_AHEAD_SALT(ShadowDebugcon),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_debugcon_history = {
    .name = TYPE_SHADOW_DEBUGCON "/ahead",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(console, ShadowDebugcon, 1,
                       vmstate_shadow_console_history, ShadowConsole),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_debugcon_user = {
    .name = TYPE_SHADOW_DEBUGCON "/user",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(console, ShadowDebugcon, 1,
                       vmstate_shadow_console_user, ShadowConsole),
        VMSTATE_END_OF_LIST()
    }
};

static const Property debugcon_properties[] = {
    DEFINE_PROP_CHR("chardev", ShadowDebugcon, user),
    DEFINE_PROP_UINT32("iobase", ShadowDebugcon, parent_obj.iobase, 0x402),
    DEFINE_PROP_UINT32("readback", ShadowDebugcon, readback, 0xe9),
    DEFINE_PROP_UINT32("output-size", ShadowDebugcon, output_size, 32 * KiB),
    DEFINE_PROP_UINT32("first-size", ShadowDebugcon, console.first_size, 0),
    DEFINE_PROP_STRING("replay", ShadowDebugcon, replay),
};

static void debugcon_init(Object *obj)
{
    ShadowDebugcon *s = SHADOW_DEBUGCON(obj);

    memory_region_init_io(&s->io, obj, &debugcon_ops, s,
                          TYPE_SHADOW_DEBUGCON, 1);
    shadow_console_device_init(SHADOW_DEVICE(obj), &s->console);
}

static void debugcon_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    ShadowDeviceClass *sdc = SHADOW_DEVICE_CLASS(oc);

    dc->desc = "log of a nested guest's firmware, hidden from its hypervisor";
    dc->vmsd = &vmstate_debugcon;
    device_class_set_props(dc, debugcon_properties);
    shadow_console_device_class_init(sdc);
    sdc->setup = debugcon_setup;
    sdc->teardown = debugcon_teardown;
    sdc->hold = debugcon_hold;
    sdc->works_held = true;
    sdc->state = &vmstate_debugcon;
    sdc->user_state = &vmstate_debugcon_user;
    sdc->history_state = &vmstate_debugcon_history;
    sdc->state_max = debugcon_state_max;
    sdc->state_limit = SHADOW_CONSOLE_STATE_LIMIT;
}

static const TypeInfo debugcon_types[] = {
    {
        .name = TYPE_SHADOW_DEBUGCON,
        .parent = TYPE_SHADOW_DEVICE,
        .instance_size = sizeof(ShadowDebugcon),
        .instance_init = debugcon_init,
        .class_init = debugcon_class_init,
    },
};

DEFINE_TYPES(debugcon_types)
