/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands between a UART and its user: the queue of input, and the UART's
 * side.  The user's is in shadow-console-user.c.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "chardev/char-serial.h"
#include "shadow/hw/char/shadow-console-internal.h"

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

uint32_t shadow_console_queue_room(const ShadowConsole *c)
{
    uint32_t used = shadow_ring_used(&c->in);

    if (!c->input_enabled || used >= c->input_size ||
        shadow_breaks_full(&c->breaks)) {
        return 0;
    }
    return c->input_size - used;
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

    if (shadow_console_stopped(c) || !c->input_enabled ||
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

void shadow_console_pump(ShadowConsole *c)
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
    } else if (c->connected && shadow_console_room(c)) {
        shadow_console_user_accept(c);
    }
}

/* Whoever has the keyboard */

uint32_t shadow_console_room(ShadowConsole *c)
{
    return shadow_console_stopped(c) ? 0 : shadow_console_queue_room(c);
}

void shadow_console_type(ShadowConsole *c, const uint8_t *buf, uint32_t len)
{
    shadow_console_note_lease(c, c->keyboard.lease, c->in.end);
    shadow_ring_push(&c->in, buf, len);
    c->arrived += len;
    shadow_carrier_typed(&c->carrier);
    shadow_console_pump(c);
}

void shadow_console_type_break(ShadowConsole *c)
{
    shadow_console_note_lease(c, c->keyboard.lease, c->in.end);
    shadow_breaks_add(&c->breaks, c->in.end);
    c->life.breaks++;
    c->arrived++;
    shadow_console_pump(c);
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
    shadow_console_pump(c);
    qemu_bh_schedule(c->flush);
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
    shadow_console_user_flush(c);
    return len;
}

static void console_chr_accept_input(Chardev *chr)
{
    shadow_console_pump(SHADOW_CONSOLE(chr));
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
        shadow_console_pump(c);
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
    shadow_console_user_start(c);
}

void shadow_console_stop(ShadowConsole *c)
{
    c->keyboard = (ShadowKeyboard) { };
    shadow_carrier_stop(&c->carrier);
    shadow_readers_stop(&c->readers, "the console was removed");
    shadow_console_user_stop(c);
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
    shadow_console_pump(c);
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
