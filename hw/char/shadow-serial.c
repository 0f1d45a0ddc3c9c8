/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest's 16550A serial port, out of reach of the machine that runs
 * the nested guest: QEMU's own SerialState between the guest's I/O ports and
 * a ShadowConsole.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qapi/qapi-events-shadow.h"
#include "qemu/timer.h"
#include "chardev/char-fe.h"
#include "hw/char/serial.h"
#include "hw/irq.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "shadow/hw/char/shadow-console.h"
#include "shadow/hw/char/shadow-moderation.h"
#include "shadow/hw/core/shadow-device.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/trace.h"

#define TYPE_SHADOW_SERIAL "shadow-serial"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowSerial, SHADOW_SERIAL)

#define SHADOW_SERIAL_PORTS 8
#define SHADOW_SERIAL_UART_STATE_MAX 512

/* Register writes of a guest that should be stopped, but is not */
#define SHADOW_SERIAL_LATE_MAX 4096

struct ShadowSerial {
    ShadowDevice parent_obj;

    SerialState uart;
    ShadowConsole console;
    ShadowModeration moderation;
    bool thri_fresh;            /* enabled, and nothing has been sent since */
    ShadowChr user;
    uint32_t input_size;
    uint32_t output_size;
    char *replay;
    bool flow_control;
    bool held;
    GByteArray *late;           /* writes while held: register, value */
};

/* However slow a line the guest asks for */
#define INTERVAL_MAX_NS (1 * SCALE_MS)

/* Registers, PC16550D data sheet table II */
enum {
    UART_RBR_THR_DLL = 0,
    UART_IER_DLM = 1,
    UART_IIR_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_SCR = 7,
};

#define LCR_DLAB    0x80
#define IER_THRI    0x02
#define IIR_NO_INT  0x01
#define IIR_THRI    0x02
#define IIR_ID      0x0f
#define FCR_ENABLE  0x01
#define MCR_OUT2    0x08
#define LSR_DR      0x01
#define LSR_THRE    0x20
#define LSR_TEMT    0x40

static uint8_t serial_reg_read(ShadowSerial *s, unsigned reg)
{
    return serial_io_ops.read(&s->uart, reg, 1);
}

static void serial_reg_write(ShadowSerial *s, unsigned reg, uint8_t val)
{
    serial_io_ops.write(&s->uart, reg, val, 1);
}

/*
 * The transmitter's interrupt comes a character's time after it was enabled
 * (PC16550D data sheet, FIFO interrupt mode, point 2), and IIR agrees.  Linux
 * finds that out, and from then on begins to send without an interrupt
 * (UART_BUG_TXEN), which for what fits the FIFO is all.
 */
static bool serial_hides_thri(ShadowSerial *s)
{
    return s->thri_fresh && !s->moderation.told &&
           (s->uart.iir & IIR_ID) == IIR_THRI;
}

static void serial_note_write(ShadowSerial *s, unsigned reg, uint8_t val)
{
    if (!(s->uart.lcr & LCR_DLAB) && reg == UART_IER_DLM) {
        s->thri_fresh = val & ~s->uart.ier & IER_THRI;
    } else if (reg == UART_RBR_THR_DLL) {
        s->thri_fresh = false;
    }
}

/*
 * What a register shows while the port is held: no side effect, nothing to
 * read, and the transmitter never ready, so that a polling guest waits.
 */
static uint8_t serial_reg_peek(ShadowSerial *s, unsigned reg)
{
    SerialState *u = &s->uart;
    bool dlab = u->lcr & LCR_DLAB;

    switch (reg) {
    case UART_RBR_THR_DLL:
        return dlab ? u->divider & 0xff : 0;
    case UART_IER_DLM:
        return dlab ? u->divider >> 8 : u->ier;
    case UART_IIR_FCR:
        return u->iir;
    case UART_LCR:
        return u->lcr;
    case UART_MCR:
        return u->mcr;
    case UART_LSR:
        return u->lsr & ~(LSR_DR | LSR_THRE | LSR_TEMT);
    case UART_MSR:
        return u->msr;
    default:
        return u->scr;
    }
}

/* The two functions for each byte: without a check of what @dev is */

static uint8_t shadow_serial_read(ShadowDevice *dev, unsigned offset)
{
    ShadowSerial *s = container_of(dev, ShadowSerial, parent_obj);
    uint8_t val;

    shadow_moderation_access_begin(&s->moderation);
    if (s->held) {
        val = serial_reg_peek(s, offset);
    } else if (offset == UART_IIR_FCR && serial_hides_thri(s)) {
        val = (s->uart.iir & ~IIR_ID) | IIR_NO_INT;
    } else {
        val = serial_reg_read(s, offset);
    }
    shadow_moderation_access_end(&s->moderation);
    return val;
}

static void shadow_serial_write(ShadowDevice *dev, unsigned offset,
                                uint8_t val)
{
    ShadowSerial *s = container_of(dev, ShadowSerial, parent_obj);

    shadow_moderation_access_begin(&s->moderation);
    if (!s->held) {
        serial_note_write(s, offset, val);
        serial_reg_write(s, offset, val);
    } else if (s->late->len < 2 * SHADOW_SERIAL_LATE_MAX) {
        const uint8_t entry[] = { offset, val };

        g_byte_array_append(s->late, entry, sizeof(entry));
    }
    shadow_moderation_access_end(&s->moderation);
}

/*
 * A cloud VM that lets its guest run on after SAVE, and then goes back on it,
 * must not leave the guest with a driver and a port that disagree.
 */
static void serial_do_late_writes(ShadowSerial *s)
{
    g_autoptr(GByteArray) late = s->late;

    s->late = g_byte_array_new();
    for (guint i = 0; i < late->len; i += 2) {
        serial_reg_write(s, late->data[i], late->data[i + 1]);
    }
}

static void shadow_serial_hold(ShadowDevice *dev, bool held)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);

    s->held = held;
    shadow_moderation_reset(&s->moderation);
    if (!held) {
        serial_do_late_writes(s);
        /* an interrupt that the guest took meanwhile found nothing to do */
        dev->irq_edges++;
    }
    shadow_console_hold(&s->console, held);
}

/*
 * SerialState has no reset of its own to call, so do what firmware would: the
 * order lets FCR's and IER's side effects leave nothing pending.
 */
static void serial_power_on(ShadowSerial *s)
{
    serial_reg_write(s, UART_MCR, MCR_OUT2);
    serial_reg_write(s, UART_LCR, LCR_DLAB);
    serial_reg_write(s, UART_RBR_THR_DLL, 0x0c);
    serial_reg_write(s, UART_IER_DLM, 0);
    serial_reg_write(s, UART_LCR, 0);
    serial_reg_write(s, UART_IIR_FCR, FCR_ENABLE);
    serial_reg_write(s, UART_IIR_FCR, 0);
    serial_reg_write(s, UART_IER_DLM, IER_THRI);
    serial_reg_write(s, UART_IER_DLM, 0);
    serial_reg_write(s, UART_SCR, 0);
    serial_reg_read(s, UART_LSR);
    serial_reg_read(s, UART_MSR);
    s->uart.rbr = 0;
    timer_del(s->uart.modem_status_poll);
}

static void shadow_serial_reset(ShadowDevice *dev)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);

    /* what the FIFO loses here was the nested machine's already */
    shadow_console_hold(&s->console, true);
    serial_power_on(s);
    shadow_console_reset(&s->console);
    shadow_console_hold(&s->console, s->held);
}

static char *serial_full_name(ShadowDevice *dev)
{
    return g_strdup_printf("%s/%s", dev->guest_id, shadow_device_name(dev));
}

static void shadow_serial_moved(ShadowDevice *dev)
{
    g_autofree char *name = serial_full_name(dev);

    g_byte_array_set_size(SHADOW_SERIAL(dev)->late, 0);
    shadow_console_moved(&SHADOW_SERIAL(dev)->console, name);
}

static void shadow_serial_restored(ShadowDevice *dev, bool snapshot)
{
    g_autofree char *name = serial_full_name(dev);

    shadow_console_restored(&SHADOW_SERIAL(dev)->console, snapshot, name);
}

static void shadow_serial_protection(ShadowDevice *dev, bool unprotected,
                                     const char *broken)
{
    g_autofree char *name = serial_full_name(dev);

    shadow_console_protection(&SHADOW_SERIAL(dev)->console, unprotected,
                              broken, name);
}

static uint64_t shadow_serial_arrived(ShadowDevice *dev)
{
    return SHADOW_SERIAL(dev)->console.in.end;
}

static void shadow_serial_query(ShadowDevice *dev, ShadowDeviceInfo *info)
{
    shadow_console_query(&SHADOW_SERIAL(dev)->console, info);
}

static size_t shadow_serial_state_max(ShadowDevice *dev)
{
    return shadow_console_state_max(&SHADOW_SERIAL(dev)->console) +
           SHADOW_SERIAL_UART_STATE_MAX;
}

static void shadow_serial_connected(void *opaque, size_t notice)
{
    ShadowDevice *dev = opaque;
    ShadowConsole *c = &SHADOW_SERIAL(dev)->console;

    qapi_event_send_shadow_console_connected(dev->guest_id,
                                             shadow_device_name(dev),
                                             c->in.end, c->sent, notice);
}

/*
 * A receiver below its trigger level waits for four characters' time, in case
 * more come (PC16550D data sheet, FIFO interrupt mode, point 1): not here.
 */
static void shadow_serial_input_idle(void *opaque)
{
    SerialState *u = &SHADOW_SERIAL(opaque)->uart;

    if (timer_pending(u->fifo_timeout_timer)) {
        timer_mod(u->fifo_timeout_timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    }
}

static void shadow_serial_irq(void *opaque, int n, int level)
{
    ShadowSerial *s = SHADOW_SERIAL(opaque);
    SerialState *u = &s->uart;

    s->parent_obj.irq_level = level;
    shadow_moderation_set(&s->moderation, level, (u->iir & IIR_ID) == IIR_THRI,
                          MIN(u->char_transmit_time, INTERVAL_MAX_NS));
}

static void shadow_serial_tell_irq(void *opaque)
{
    shadow_device_irq_edge(opaque);
}

static bool shadow_serial_setup(ShadowDevice *dev, Error **errp)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);
    SerialState *u = &s->uart;

    if (!s->input_size || s->input_size > SHADOW_RING_MAX_CAPACITY ||
        !s->output_size || s->output_size > SHADOW_RING_MAX_CAPACITY) {
        error_setg(errp, "input-size and output-size must be 1 to %" PRIu64,
                   (uint64_t)SHADOW_RING_MAX_CAPACITY);
        return false;
    }
    if (s->replay && strcmp(s->replay, "unsent") &&
        strcmp(s->replay, "history")) {
        error_setg(errp, "replay must be 'unsent' or 'history'");
        return false;
    }
    if (!qemu_chr_fe_init(&u->chr, CHARDEV(&s->console), errp)) {
        return false;
    }
    shadow_moderation_start(&s->moderation, shadow_serial_tell_irq, dev);
    u->irq = qemu_allocate_irq(shadow_serial_irq, dev, 0);
    if (!qdev_realize(DEVICE(u), NULL, errp)) {
        qemu_free_irq(u->irq);
        shadow_moderation_stop(&s->moderation);
        return false;
    }
    /* the saved state has all of a FIFO's buffer: not what the heap held */
    memset(u->recv_fifo.data, 0, u->recv_fifo.capacity);
    memset(u->xmit_fifo.data, 0, u->xmit_fifo.capacity);
    s->console.replay_history = s->replay && !strcmp(s->replay, "history");
    s->console.flow_control = s->flow_control;
    shadow_console_start(&s->console, &s->user, s->input_size, s->output_size,
                         shadow_serial_connected, shadow_serial_input_idle,
                         dev);
    return true;
}

static void shadow_serial_teardown(ShadowDevice *dev)
{
    ShadowSerial *s = SHADOW_SERIAL(dev);

    shadow_console_stop(&s->console);
    qdev_unrealize(DEVICE(&s->uart));
    qemu_free_irq(s->uart.irq);
    shadow_moderation_stop(&s->moderation);
}

static bool serial_fifo_valid(Fifo8 *fifo)
{
    return fifo->head < fifo->capacity && fifo->num <= fifo->capacity;
}

static int shadow_serial_pre_load(void *opaque)
{
    ShadowSerial *s = opaque;

    /* what the stream leaves out is at its power-on value */
    g_byte_array_set_size(s->late, 0);
    serial_power_on(s);
    return 0;
}

/*
 * The console never refuses a byte, so no honest UART is in the midst of
 * retrying one.  Timers hold the other host's clock: start them afresh.
 */
static int shadow_serial_post_load(void *opaque, int version_id)
{
    ShadowSerial *s = opaque;
    ShadowDevice *dev = opaque;
    SerialState *u = &s->uart;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    if (!serial_fifo_valid(&u->recv_fifo) ||
        !serial_fifo_valid(&u->xmit_fifo) || u->tsr_retry) {
        return -EINVAL;
    }
    u->poll_msl = MAX(0, MIN(u->poll_msl, 1));
    if (timer_pending(u->fifo_timeout_timer)) {
        timer_mod(u->fifo_timeout_timer, now + u->char_transmit_time * 4);
    }
    if (timer_pending(u->modem_status_poll)) {
        timer_mod(u->modem_status_poll, now + NANOSECONDS_PER_SECOND / 100);
    }
    /* an edge that the other host's agent did not see must not be lost */
    dev->irq_edges++;
    shadow_guest_irq_changed(dev->guest);
    return 0;
}

/* In envelopes only: the outer machine's own migration must not have it. */
static const VMStateDescription vmstate_shadow_serial = {
    .name = TYPE_SHADOW_SERIAL,
    .unmigratable = 1,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = shadow_serial_pre_load,
    .post_load = shadow_serial_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_EQUAL(parent_obj.iobase, ShadowSerial, NULL),
        VMSTATE_UINT32_EQUAL(parent_obj.irq, ShadowSerial, NULL),
        VMSTATE_BOOL(parent_obj.irq_level, ShadowSerial),
        VMSTATE_UINT32(parent_obj.irq_edges, ShadowSerial),
        VMSTATE_STRUCT(uart, ShadowSerial, 0, vmstate_serial, SerialState),
        VMSTATE_STRUCT(console, ShadowSerial, 1, vmstate_shadow_console,
                       ShadowConsole),
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
    DEFINE_PROP_UINT32("irq", ShadowSerial, parent_obj.irq, 4),
    DEFINE_PROP_UINT32("input-size", ShadowSerial, input_size, 16 * KiB),
    DEFINE_PROP_UINT32("output-size", ShadowSerial, output_size, 192 * KiB),
    DEFINE_PROP_STRING("replay", ShadowSerial, replay),
    DEFINE_PROP_BOOL("flow-control", ShadowSerial, flow_control, true),
};

static void shadow_serial_init(Object *obj)
{
    ShadowSerial *s = SHADOW_SERIAL(obj);

    s->late = g_byte_array_new();
    object_initialize_child(obj, "uart", &s->uart, TYPE_SERIAL);
    object_initialize_child(obj, "console", &s->console, TYPE_SHADOW_CONSOLE);
}

static void shadow_serial_finalize(Object *obj)
{
    g_byte_array_unref(SHADOW_SERIAL(obj)->late);
}

static void shadow_serial_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    ShadowDeviceClass *sdc = SHADOW_DEVICE_CLASS(oc);

    dc->desc = "serial port of a nested guest, hidden from its hypervisor";
    device_class_set_props(dc, shadow_serial_properties);
    set_bit(DEVICE_CATEGORY_INPUT, dc->categories);
    sdc->setup = shadow_serial_setup;
    sdc->teardown = shadow_serial_teardown;
    sdc->ports = SHADOW_SERIAL_PORTS;
    dc->vmsd = &vmstate_shadow_serial;
    sdc->state = &vmstate_shadow_serial;
    sdc->user_state = &vmstate_shadow_serial_user;
    sdc->state_max = shadow_serial_state_max;
    sdc->read = shadow_serial_read;
    sdc->write = shadow_serial_write;
    sdc->hold = shadow_serial_hold;
    sdc->reset = shadow_serial_reset;
    sdc->moved = shadow_serial_moved;
    sdc->restored = shadow_serial_restored;
    sdc->protection = shadow_serial_protection;
    sdc->arrived = shadow_serial_arrived;
    sdc->query = shadow_serial_query;
}

static const TypeInfo shadow_serial_types[] = {
    {
        .name = TYPE_SHADOW_SERIAL,
        .parent = TYPE_SHADOW_DEVICE,
        .instance_size = sizeof(ShadowSerial),
        .instance_init = shadow_serial_init,
        .instance_finalize = shadow_serial_finalize,
        .class_init = shadow_serial_class_init,
    },
};

DEFINE_TYPES(shadow_serial_types)
