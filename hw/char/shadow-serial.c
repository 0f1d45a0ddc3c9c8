/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest's 16550A serial port, out of reach of the machine that runs
 * the nested guest: QEMU's own SerialState between the guest's I/O ports and
 * a ShadowConsole.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "chardev/char-fe.h"
#include "shadow/hw/char/shadow-console-device.h"
#include "shadow/hw/char/shadow-uart.h"
#include "shadow/include/compat-qdev.h"
#include "shadow/include/ultracall.h"
#include "shadow/trace.h"

#define TYPE_SHADOW_SERIAL "shadow-serial"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowSerial, SHADOW_SERIAL)

#define SHADOW_SERIAL_UART_STATE_MAX 512

struct ShadowSerial {
    ShadowDevice parent_obj;

    MemoryRegion io;
    ShadowLine line;
    uint32_t irq;
    SerialState uart;
    ShadowConsole console;
    ShadowUart regs;
    ShadowChr user;
    uint32_t input_size;
    uint32_t output_size;
    char *replay;
    bool flow_control;
    char *hangup;
};

static uint64_t shadow_serial_read(void *opaque, hwaddr reg, unsigned size)
{
    ShadowSerial *s = opaque;

    return shadow_uart_read(&s->regs, reg);
}

static void shadow_serial_write(void *opaque, hwaddr reg, uint64_t val,
                                unsigned size)
{
    ShadowSerial *s = opaque;

    shadow_uart_write(&s->regs, reg, val);
    if (reg == SHADOW_UART_FCR || reg == SHADOW_UART_MCR) {
        /* it may have emptied its receiver, or left the loop-back test */
        shadow_console_pump(&s->console);
    }
}

static const MemoryRegionOps shadow_serial_ops = {
    .read = shadow_serial_read,
    .write = shadow_serial_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 1, .max_access_size = 1 },
};

static void shadow_serial_hold(ShadowDevice *dev, bool held)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);

    if (held) {
        shadow_uart_show(&s->regs);
    }
    shadow_console_hold(&s->console, held);
}

static uint32_t shadow_serial_peek(ShadowDevice *dev, unsigned port,
                                   unsigned size)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);
    unsigned reg = port - dev->iobase;
    uint32_t val = 0;

    for (unsigned i = 0; i < size; i++) {
        val |= shadow_uart_peek(&s->regs, reg + i) << (8 * i);
    }
    return val;
}

static void shadow_serial_written_late(ShadowDevice *dev, unsigned port,
                                       unsigned size, uint32_t val)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);
    unsigned reg = port - dev->iobase;

    for (unsigned i = 0; i < size; i++) {
        shadow_uart_written_late(&s->regs, reg + i, val >> (8 * i));
    }
}

static void shadow_serial_late_lost(ShadowDevice *dev)
{
    shadow_uart_late_lost(&SHADOW_SERIAL(dev)->regs);
}

static void shadow_serial_reset(ShadowDevice *dev)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);
    uint8_t unread[SHADOW_CONSOLE_PUT_BACK_MAX];
    unsigned n;
    bool brk;

    shadow_console_hold(&s->console, true);
    n = shadow_uart_unread(&s->regs, unread, &brk);
    shadow_console_put_back(&s->console, brk, unread, n);
    shadow_uart_power_on(&s->regs);
    shadow_console_reset(&s->console);
    shadow_console_hold(&s->console, dev->held);
}

static void shadow_serial_moved(ShadowDevice *dev)
{
    shadow_uart_show(&SHADOW_SERIAL(dev)->regs);
    shadow_console_device_moved(dev);
}

/* A PC's ports have their usual numbers; others, those that follow. */
static bool shadow_serial_acpi(ShadowDevice *dev, unsigned n,
                               struct ultracall_resource *acpi)
{
    static const uint16_t com[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    uint32_t number = ARRAY_SIZE(com) + n;

    for (unsigned i = 0; i < ARRAY_SIZE(com); i++) {
        number = com[i] == dev->iobase ? i : number;
    }
    acpi->number = cpu_to_le32(number + 1);
    pstrcpy(acpi->hid, sizeof(acpi->hid), "PNP0501");
    snprintf(acpi->name, sizeof(acpi->name), "CM%02X", number + 1);
    if (number < 15) {
        snprintf(acpi->name, sizeof(acpi->name), "COM%X", number + 1);
    }
    return true;
}

static size_t shadow_serial_state_max(ShadowDevice *dev)
{
    return shadow_console_state_max(&SHADOW_SERIAL(dev)->console) +
           SHADOW_SERIAL_UART_STATE_MAX;
}

static void shadow_serial_input_idle(void *opaque)
{
    shadow_uart_input_idle(&SHADOW_SERIAL(opaque)->regs);
}

static bool shadow_serial_may_receive(void *opaque, bool brk)
{
    return shadow_uart_may_receive(&SHADOW_SERIAL(opaque)->regs, brk);
}

static void shadow_serial_lines(void *opaque)
{
    ShadowDevice *dev = opaque;

    if (!dev->held) {
        shadow_uart_lines(&SHADOW_SERIAL(dev)->regs);
    }
}

static int64_t shadow_serial_interval(ShadowDevice *dev, bool *idle)
{
    ShadowSerial *s = container_of(dev, ShadowSerial, parent_obj);

    return shadow_uart_interval(&s->regs, idle);
}

static bool shadow_serial_setup(ShadowDevice *dev, Error **errp)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);
    SerialState *u = &s->uart;

    if (!shadow_console_device_check("input-size", s->input_size, s->replay,
                                     errp) ||
        !shadow_console_device_check("output-size", s->output_size, s->replay,
                                     errp) ||
        !shadow_console_device_check_first(s->console.first_size, errp) ||
        !shadow_carrier_parse(&s->console.carrier, s->hangup, errp) ||
        !shadow_device_add_ports(dev, &s->io, dev->iobase, errp) ||
        !shadow_device_add_line(dev, &s->line, s->irq, shadow_serial_interval,
                                errp) ||
        !qemu_chr_fe_init(&u->chr, CHARDEV(&s->console), errp)) {
        return false;
    }
    shadow_uart_start(&s->regs, u, &s->line);
    u->irq = s->line.irq;
    if (!qdev_realize(DEVICE(u), NULL, errp)) {
        return false;
    }
    /* the saved state has all of a FIFO's buffer: not what the heap held */
    memset(u->recv_fifo.data, 0, u->recv_fifo.capacity);
    memset(u->xmit_fifo.data, 0, u->xmit_fifo.capacity);
    s->console.replay_history = s->replay && !strcmp(s->replay, "history");
    s->console.flow_control = s->flow_control;
    shadow_console_device_name(dev);
    shadow_console_start(&s->console, &s->user, s->input_size, s->output_size,
                         shadow_console_device_connected,
                         shadow_serial_input_idle,
                         shadow_serial_may_receive, shadow_serial_lines, dev);
    return true;
}

static void shadow_serial_teardown(ShadowDevice *dev)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);

    shadow_console_stop(&s->console);
    qdev_unrealize(DEVICE(&s->uart));
}

static int shadow_serial_pre_load(void *opaque)
{
    ShadowSerial *s = opaque;

    /* what the stream leaves out is at its power-on value */
    shadow_uart_power_on(&s->regs);
    memset(s->parent_obj.ahead_salt, 0, sizeof(s->parent_obj.ahead_salt));
    return 0;
}

static int shadow_serial_post_load(void *opaque, int version_id)
{
    return shadow_uart_loaded(&SHADOW_SERIAL(opaque)->regs);
}

static bool serial_history_needed(void *opaque)
{
    ShadowDevice *dev = opaque;

    return !buffer_is_zero(dev->ahead_salt, sizeof(dev->ahead_salt));
}

static const VMStateDescription vmstate_shadow_serial_lacks = {
    .name = TYPE_SHADOW_SERIAL "/history",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = serial_history_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_SHADOW_AHEAD_SALT(ShadowSerial),
        VMSTATE_END_OF_LIST()
    }
};

/* In envelopes only: the outer machine's own migration must not have it. */
static const VMStateDescription vmstate_shadow_serial = {
    .name = TYPE_SHADOW_SERIAL,
    .unmigratable = 1,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = shadow_serial_pre_load,
    .post_load = shadow_serial_post_load,
    .fields = (const VMStateField[]) {
        SHADOW_VMSTATE_UINT32_EQUAL(parent_obj.iobase, ShadowSerial),
        VMSTATE_SHADOW_LINE_NUMBER("parent_obj.irq", line, ShadowSerial),
        VMSTATE_SHADOW_LINE_LEVEL("parent_obj.irq_level", line, ShadowSerial),
        VMSTATE_SHADOW_LINE_EDGES("parent_obj.irq_edges", line, ShadowSerial),
        VMSTATE_STRUCT(uart, ShadowSerial, 0, vmstate_serial, SerialState),
        VMSTATE_STRUCT(console, ShadowSerial, 1, vmstate_shadow_console,
                       ShadowConsole),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_shadow_serial_lacks,
        NULL
    }
};

static const VMStateDescription vmstate_shadow_serial_history = {
    .name = TYPE_SHADOW_SERIAL "/ahead",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(console, ShadowSerial, 1,
                       vmstate_shadow_console_history, ShadowConsole),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_shadow_serial_user = {
    .name = TYPE_SHADOW_SERIAL "/user",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(console, ShadowSerial, 1, vmstate_shadow_console_user,
                       ShadowConsole),
        VMSTATE_END_OF_LIST()
    }
};

/*
 * The default sizes let a device's state fit a 256 KiB envelope, and hold
 * over two seconds of output at the speed of an emulated host.
 */
static const Property shadow_serial_properties[] = {
    DEFINE_PROP_CHR("chardev", ShadowSerial, user),
    DEFINE_PROP_UINT32("iobase", ShadowSerial, parent_obj.iobase, 0x3f8),
    DEFINE_PROP_UINT32("irq", ShadowSerial, irq, 4),
    DEFINE_PROP_UINT32("input-size", ShadowSerial, input_size, 16 * KiB),
    DEFINE_PROP_UINT32("output-size", ShadowSerial, output_size, 192 * KiB),
    DEFINE_PROP_STRING("replay", ShadowSerial, replay),
    DEFINE_PROP_BOOL("flow-control", ShadowSerial, flow_control, true),
    DEFINE_PROP_UINT32("first-size", ShadowSerial, console.first_size, 0),
    DEFINE_PROP_BOOL("input", ShadowSerial, console.input_enabled, true),
    DEFINE_PROP_STRING("hangup", ShadowSerial, hangup),
};

static void shadow_serial_init(Object *obj)
{
    ShadowSerial *s = SHADOW_SERIAL(obj);

    memory_region_init_io(&s->io, obj, &shadow_serial_ops, s,
                          TYPE_SHADOW_SERIAL, SHADOW_UART_PORTS);
    object_initialize_child(obj, "uart", &s->uart, TYPE_SERIAL);
    shadow_console_device_init(SHADOW_DEVICE(obj), &s->console);
}

static void shadow_serial_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    ShadowDeviceClass *sdc = SHADOW_DEVICE_CLASS(oc);

    dc->desc = "serial port of a nested guest, hidden from its hypervisor";
    device_class_set_props(dc, shadow_serial_properties);
    set_bit(DEVICE_CATEGORY_INPUT, dc->categories);
    shadow_console_device_class_init(sdc);
    sdc->setup = shadow_serial_setup;
    sdc->teardown = shadow_serial_teardown;
    dc->vmsd = &vmstate_shadow_serial;
    sdc->state = &vmstate_shadow_serial;
    sdc->user_state = &vmstate_shadow_serial_user;
    sdc->history_state = &vmstate_shadow_serial_history;
    sdc->state_max = shadow_serial_state_max;
    sdc->state_limit = SHADOW_CONSOLE_STATE_LIMIT +
                       SHADOW_SERIAL_UART_STATE_MAX;
    sdc->hold = shadow_serial_hold;
    sdc->peek = shadow_serial_peek;
    sdc->written_late = shadow_serial_written_late;
    sdc->late_lost = shadow_serial_late_lost;
    sdc->reset = shadow_serial_reset;
    sdc->moved = shadow_serial_moved;
    sdc->acpi = shadow_serial_acpi;
}

static const TypeInfo shadow_serial_types[] = {
    {
        .name = TYPE_SHADOW_SERIAL,
        .parent = TYPE_SHADOW_DEVICE,
        .instance_size = sizeof(ShadowSerial),
        .instance_init = shadow_serial_init,
        .class_init = shadow_serial_class_init,
    },
};

DEFINE_TYPES(shadow_serial_types)
