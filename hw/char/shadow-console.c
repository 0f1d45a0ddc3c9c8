/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands between a UART and its user.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "chardev/char-serial.h"
#include "shadow/hw/char/shadow-console.h"

/*
 * A guest writes single bytes.  What follows closely on what was written to the
 * user's transport is collected for so long.
 */
#define CONSOLE_COLLECT_NS (500 * SCALE_US)

/* Bytes that fit into a datagram on an Ethernet */
#define CONSOLE_DATAGRAM 1400

static void console_flush(ShadowConsole *c);
static void console_pump(ShadowConsole *c);

/* Whether no byte of the guest may move, in either direction */
static bool console_stopped(const ShadowConsole *c)
{
    return c->held || c->severed;
}

static gboolean console_writable(void *do_not_use, GIOCondition cond,
                                 void *opaque)
{
    ShadowConsole *c = opaque;

    c->watch = 0;
    console_flush(c);
    return G_SOURCE_REMOVE;
}

/*
 * RTS/CTS: a guest that asks for it waits for a user who is there and reads
 * slowly.  Nobody waits for a user who stays away.
 */
static bool console_clear_to_send(const ShadowConsole *c)
{
    uint32_t size = c->out.capacity;
    uint64_t unsent = c->out.end - c->sent;

    return !c->flow_control || !c->connected || c->severed ||
           unsent <= (c->cts ? size - size / 4 : size / 2);
}

void shadow_console_lines(ShadowConsole *c)
{
    bool cts = console_clear_to_send(c);

    if (cts != c->cts) {
        c->cts = cts;
        c->on_lines(c->opaque);
    }
}

/* Write what the user's transport takes; on less than @len, wait for room. */
static size_t console_write(ShadowConsole *c, const uint8_t *buf, size_t len)
{
    int ret;

    if (c->datagrams) {
        len = MIN(len, CONSOLE_DATAGRAM);
    }
    ret = qemu_chr_fe_write(c->user, buf, len);
    if (ret < 0 && c->datagrams) {
        /* it was an earlier one that did not arrive, and this was not sent */
        ret = qemu_chr_fe_write(c->user, buf, len);
    }
    ret = MAX(ret, 0);
    if (ret < len && !c->watch) {
        c->watch = qemu_chr_fe_add_watch(c->user, G_IO_OUT | G_IO_HUP,
                                         console_writable, c);
        if (c->context) {
            /* the kernel is to watch for that too */
            shadow_loop_kick(c->loop);
        }
    }
    return ret;
}

static void console_unwatch(ShadowConsole *c)
{
    GSource *source = c->watch ?
        g_main_context_find_source_by_id(c->context, c->watch) : NULL;

    if (source) {
        g_source_destroy(source);
    }
    c->watch = 0;
}

static int console_user_can_read(void *opaque);

/* How much more input the queue takes */
static uint32_t console_room(const ShadowConsole *c)
{
    uint32_t used = shadow_ring_used(&c->in);

    if (!c->input_enabled || used >= c->input_size ||
        shadow_breaks_full(&c->breaks)) {
        return 0;
    }
    return c->input_size - used;
}

/* There may be room for input again. */
static void console_accept_input(ShadowConsole *c)
{
    if (!c->context) {
        qemu_chr_fe_accept_input(c->user);
    } else if (c->waiting && console_user_can_read(c)) {
        c->waiting = false;
        shadow_loop_kick(c->loop);
    }
}

static void console_hang_up(ShadowConsole *c)
{
    qemu_chr_fe_disconnect(c->user);
    /* a transport that cannot hang up goes on */
    c->notices.parting = false;
    if (!shadow_notices_due(&c->notices)) {
        shadow_console_announce(c);
        console_pump(c);
        qemu_bh_schedule(c->flush);
    }
}

/* Returns whether all lines that are due were written. */
static bool console_tell(ShadowConsole *c)
{
    const GString *line;

    while ((line = shadow_notices_next(&c->notices, c->in.end, c->sent))) {
        size_t n = console_write(c, (const uint8_t *)line->str, line->len);

        shadow_notices_written(&c->notices, n);
        if (!n || c->watch) {
            return false;
        }
    }
    return true;
}

static void console_flush(ShadowConsole *c)
{
    uint32_t len;
    const uint8_t *run;
    /* held for good, or no matter of the guest's: users may be told so */
    bool may = c->notices.farewell[SHADOW_FAREWELL_MOVED] ||
               c->notices.farewell[SHADOW_FAREWELL_TAKEN];

    if (!c->connected || c->watch || (c->held && !may) || !console_tell(c)) {
        return;
    }
    if (c->notices.parting) {
        console_hang_up(c);
        return;
    }
    while (!console_stopped(c) && !c->watch &&
           (run = shadow_ring_peek(&c->out, c->sent, &len))) {
        size_t n = console_write(c, run, len);

        if (!n) {
            break;
        }
        c->sent += n;
    }
    shadow_console_lines(c);
}

static void console_flush_due(void *opaque)
{
    ShadowConsole *c = opaque;

    c->flush_due = false;
    c->flushed = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    console_flush(c);
    shadow_readers_all_due(&c->readers);
}

static void console_flush_soon(ShadowConsole *c)
{
    int64_t due = c->flushed + CONSOLE_COLLECT_NS;

    if (c->flush_due) {
        return;
    }
    c->flush_due = true;
    if (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) < due) {
        timer_mod(c->flush_later, due);
    } else {
        qemu_bh_schedule(c->flush);
    }
}

/* Returns whether the UART took something. */
static bool console_give(ShadowConsole *c)
{
    Chardev *chr = CHARDEV(c);
    bool brk = shadow_breaks_due(&c->breaks, c->in.start);
    const uint8_t *run;
    uint8_t buf[64];
    uint32_t len;
    int room;

    if (console_stopped(c) || !c->input_enabled ||
        (c->flow_control && c->rts_used && !c->rts) ||
        !c->may_receive(c->opaque, brk)) {
        return false;
    }
    if (brk) {
        shadow_breaks_take(&c->breaks);
        qemu_chr_be_event(chr, CHR_EVENT_BREAK);
        return true;
    }
    run = shadow_ring_peek(&c->in, c->in.start, &len);
    room = run ? qemu_chr_be_can_write(chr) : 0;
    if (room <= 0) {
        return false;
    }
    len = shadow_breaks_before(&c->breaks, c->in.start, len);
    len = MIN(MIN(len, room), sizeof(buf));
    memcpy(buf, run, len);
    shadow_ring_discard(&c->in, c->in.start + len);
    qemu_chr_be_write(chr, buf, len);
    if (!shadow_ring_used(&c->in)) {
        c->on_idle(c->opaque);
    }
    return true;
}

static bool console_has_input(const ShadowConsole *c)
{
    return shadow_ring_used(&c->in) || c->breaks.n;
}

/* Hand queued input to the UART for as long as it takes it. */
static void console_pump(ShadowConsole *c)
{
    if (c->pumping) {
        return;
    }
    c->pumping = true;
    while (console_has_input(c)) {
        if (!console_give(c)) {
            break;
        }
    }
    c->pumping = false;
    if (c->keyboard.holder) {
        /* to be told how far the guest has come */
        shadow_readers_due(c->keyboard.holder);
    } else if (!console_stopped(c) && c->connected && console_room(c)) {
        console_accept_input(c);
    }
}

/* Whoever has the keyboard */

uint32_t shadow_console_room(ShadowConsole *c)
{
    return console_stopped(c) ? 0 : console_room(c);
}

void shadow_console_type(ShadowConsole *c, const uint8_t *buf, uint32_t len)
{
    shadow_console_note_lease(c, c->keyboard.lease, c->in.end);
    shadow_ring_push(&c->in, buf, len);
    c->arrived += len;
    shadow_carrier_typed(&c->carrier);
    console_pump(c);
}

void shadow_console_type_break(ShadowConsole *c)
{
    shadow_console_note_lease(c, c->keyboard.lease, c->in.end);
    shadow_breaks_add(&c->breaks, c->in.end);
    c->life.breaks++;
    c->arrived++;
    console_pump(c);
}

void shadow_console_writer_changed(ShadowConsole *c)
{
    shadow_notices_set_writer(&c->notices,
                              shadow_keyboard_greeting(c, c->name));
    if (c->keyboard.holder && !c->detached) {
        /* he has come since, and was told where he is */
        c->severed = false;
    }
    shadow_carrier_writer(&c->carrier, c->keyboard.holder || c->connected,
                          c->held);
    console_pump(c);
    qemu_bh_schedule(c->flush);
}

/* The user's side */

static int console_user_can_read(void *opaque)
{
    ShadowConsole *c = opaque;
    int room = console_stopped(c) || shadow_notices_due(&c->notices) ||
               c->keyboard.holder ? 0 : console_room(c);

    if (c->one_by_one) {
        room = MIN(room, 1);
    }
    c->waiting |= !room;
    return room;
}

static void console_user_read(void *opaque, const uint8_t *buf, int size)
{
    ShadowConsole *c = opaque;

    shadow_console_type(c, buf, size);
}

void shadow_console_announce(ShadowConsole *c)
{
    if (!c->connected || c->announced || c->held || c->detached ||
        shadow_notices_due(&c->notices)) {
        return;
    }
    c->announced = true;
    c->severed = false;
    if (c->replay_history) {
        c->sent = c->out.start;
    }
    c->on_connect(c->opaque, shadow_notices_greet(&c->notices));
    qemu_bh_schedule(c->flush);
}

/* He has come or gone. */
static void console_user_changed(ShadowConsole *c)
{
    c->user_since = g_get_real_time() / G_USEC_PER_SEC;
    /* who comes next is greeted with it */
    shadow_notices_drop(&c->notices, SHADOW_FAREWELL_TAKEN);
    if (c->keyboard.holder) {
        shadow_readers_changed(&c->readers);
    } else {
        shadow_readers_tell(&c->readers, SHADOW_DOOR_EVENT_WRITER, NULL);
        shadow_carrier_writer(&c->carrier, c->connected, c->held);
    }
}

static void console_user_event(void *opaque, QEMUChrEvent event)
{
    ShadowConsole *c = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        c->connected = true;
        c->announced = false;
        console_user_changed(c);
        shadow_notices_connect(&c->notices);
        shadow_console_announce(c);
        console_pump(c);
        qemu_bh_schedule(c->flush);
        break;
    case CHR_EVENT_CLOSED:
        c->connected = false;
        console_user_changed(c);
        console_unwatch(c);
        shadow_console_lines(c);
        break;
    case CHR_EVENT_BREAK:
        if (c->input_enabled && !c->keyboard.holder) {
            shadow_console_type_break(c);
        }
        break;
    default:
        break;
    }
}

static int console_user_change(void *opaque);

static void console_attach_user(ShadowConsole *c)
{
    bool suits = c->user->chr && shadow_loop_suits(c->user->chr);

    if (suits && !c->loop) {
        c->loop = shadow_loop_new();
    }
    c->one_by_one = c->user->chr && shadow_loop_breaks_early(c->user->chr);
    shadow_log_take(&c->log, c->user->chr);
    c->context = suits && c->loop ? shadow_loop_context(c->loop) : NULL;
    qemu_chr_fe_set_handlers(c->user, console_user_can_read, console_user_read,
                             console_user_event, console_user_change, c,
                             c->context, true);
    c->datagrams = c->user->chr && object_dynamic_cast(OBJECT(c->user->chr),
                                                       TYPE_CHARDEV_UDP);
    if (c->datagrams) {
        /* nobody connects to it, so it is never told */
        console_user_event(c, CHR_EVENT_OPENED);
    }
}

/* Monitor command chardev-change */
static int console_user_change(void *opaque)
{
    ShadowConsole *c = opaque;

    console_unwatch(c);
    shadow_log_return(&c->log, c->user->chr);
    c->connected = false;
    console_attach_user(c);
    shadow_console_lines(c);
    return 0;
}

/* The UART's side */

static int console_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    ShadowConsole *c = SHADOW_CONSOLE(chr);

    shadow_log_write(&c->log, c->user->chr, buf, len);
    if (c->first.end == c->out.end && c->first.end < c->first_size) {
        shadow_ring_push(&c->first, buf, MIN(len, c->first_size -
                                                  c->first.end));
    }
    shadow_ring_push(&c->out, buf, len);
    if (c->sent < c->out.start) {
        c->dropped += c->out.start - c->sent;
        c->sent = c->out.start;
    }
    shadow_console_lines(c);
    console_flush_soon(c);
    return len;
}

static void console_chr_accept_input(Chardev *chr)
{
    console_pump(SHADOW_CONSOLE(chr));
}

/*
 * The modem lines: DSR is always up, and so is DCD unless the operator wants a
 * session to end with its user.  A driver that has once raised RTS is taken to
 * mean it when it lowers it; firmware that never does gets its input all the
 * same.
 */
static int console_chr_ioctl(Chardev *chr, int cmd, void *arg)
{
    ShadowConsole *c = SHADOW_CONSOLE(chr);
    int *lines = arg;

    switch (cmd) {
    case CHR_IOCTL_SERIAL_GET_TIOCM:
        *lines = (c->cts ? CHR_TIOCM_CTS : 0) | CHR_TIOCM_DSR |
                 (c->carrier.down ? 0 : CHR_TIOCM_CAR);
        return 0;
    case CHR_IOCTL_SERIAL_SET_TIOCM:
        c->rts = *lines & CHR_TIOCM_RTS;
        c->rts_used |= c->rts;
        qemu_bh_schedule(c->flush);
        console_pump(c);
        return 0;
    default:
        return -ENOTSUP;
    }
}

static void console_carrier_changed(void *opaque, bool down)
{
    ShadowConsole *c = opaque;

    c->on_lines(c->opaque);
    if (down) {
        shadow_readers_tell(&c->readers, SHADOW_DOOR_EVENT_HANGUP, NULL);
    }
}

/* Control */

void shadow_console_start(ShadowConsole *c, ShadowChr *user,
                          uint32_t input_size, uint32_t output_size,
                          void (*on_connect)(void *opaque, size_t notice),
                          void (*on_idle)(void *opaque),
                          bool (*may_receive)(void *opaque, bool brk),
                          void (*on_lines)(void *opaque), void *opaque)
{
    c->user = user;
    c->on_lines = on_lines;
    c->on_connect = on_connect;
    c->on_idle = on_idle;
    c->may_receive = may_receive;
    c->opaque = opaque;
    c->held = true;
    c->input_size = MIN(input_size, SHADOW_RING_MAX_CAPACITY -
                                    SHADOW_CONSOLE_PUT_BACK_MAX);
    c->input_enabled &= input_size > 0;
    shadow_readers_start(&c->readers);
    shadow_carrier_start(&c->carrier, console_carrier_changed, c);
    shadow_ring_init(&c->in, c->input_size + SHADOW_CONSOLE_PUT_BACK_MAX);
    shadow_ring_init(&c->out, output_size);
    shadow_ring_init(&c->first, MAX(c->first_size, 1));
    c->flush = qemu_bh_new(console_flush_due, c);
    c->flush_later = timer_new_ns(QEMU_CLOCK_REALTIME, console_flush_due, c);
    console_attach_user(c);
}

void shadow_console_stop(ShadowConsole *c)
{
    c->keyboard = (ShadowKeyboard) { };
    shadow_carrier_stop(&c->carrier);
    shadow_readers_stop(&c->readers, "the console was removed");
    console_unwatch(c);
    shadow_log_return(&c->log, c->user->chr);
    qemu_chr_fe_deinit(c->user, false);
    g_clear_pointer(&c->loop, shadow_loop_free);
    qemu_bh_delete(c->flush);
    c->flush = NULL;
    timer_free(c->flush_later);
    c->flush_later = NULL;
    shadow_ring_free(&c->in);
    shadow_ring_free(&c->out);
    shadow_ring_free(&c->first);
}

void shadow_console_hold(ShadowConsole *c, bool held)
{
    c->held = held;
    shadow_notices_drop(&c->notices, SHADOW_FAREWELL_MOVED);
    if (c->keyboard.holder) {
        /* how much would be accepted has changed */
        shadow_readers_due(c->keyboard.holder);
    }
    if (held) {
        return;
    }
    shadow_carrier_goes_on(&c->carrier);
    shadow_console_announce(c);
    console_pump(c);
    /* a guest that comes from elsewhere may wait for another user */
    c->cts = console_clear_to_send(c);
    c->on_lines(c->opaque);
    qemu_bh_schedule(c->flush);
}

void shadow_console_reset(ShadowConsole *c)
{
    c->rts = false;
    c->rts_used = false;
}

void shadow_console_put_back(ShadowConsole *c, bool brk, const uint8_t *buf,
                             uint32_t len)
{
    shadow_ring_take_back(&c->in, buf, len);
    if (brk) {
        shadow_breaks_put_back(&c->breaks, c->in.start);
    }
}

void shadow_console_pump(ShadowConsole *c)
{
    console_pump(c);
}

static void console_init(Object *obj)
{
    ShadowConsole *c = SHADOW_CONSOLE(obj);

    shadow_log_init(&c->log);
    c->cts = true;
    c->input_enabled = true;
    shadow_notices_init(&c->notices);
}

static void console_finalize(Object *obj)
{
    ShadowConsole *c = SHADOW_CONSOLE(obj);

    shadow_notices_free(&c->notices);
    g_free(c->name);
}

static void console_class_init(ObjectClass *oc, ShadowClassData *data)
{
    ChardevClass *cc = CHARDEV_CLASS(oc);

    cc->internal = true;
    cc->chr_write = console_chr_write;
    cc->chr_accept_input = console_chr_accept_input;
    cc->chr_ioctl = console_chr_ioctl;
}

static const TypeInfo shadow_console_types[] = {
    {
        .name = TYPE_SHADOW_CONSOLE,
        .parent = TYPE_CHARDEV,
        .instance_size = sizeof(ShadowConsole),
        .instance_init = console_init,
        .instance_finalize = console_finalize,
        .class_init = console_class_init,
    },
};

DEFINE_TYPES(shadow_console_types)
