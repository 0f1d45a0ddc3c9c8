/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user's side of a console: his chardev, what he is sent and when.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "shadow/hw/char/shadow-console-internal.h"

/*
 * A guest writes single bytes.  What follows closely on what was written to the
 * user's transport is collected for so long.
 */
#define CONSOLE_COLLECT_NS (500 * SCALE_US)

/* Bytes that fit into a datagram on an Ethernet */
#define CONSOLE_DATAGRAM 1400

static void console_flush(ShadowConsole *c);

static gboolean console_writable(void *do_not_use, GIOCondition cond,
                                 void *opaque)
{
    ShadowConsole *c = opaque;

    c->watch = 0;
    console_flush(c);
    return G_SOURCE_REMOVE;
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

static void console_hang_up(ShadowConsole *c)
{
    qemu_chr_fe_disconnect(c->user);
    /* a transport that cannot hang up goes on */
    c->notices.parting = false;
    if (!shadow_notices_due(&c->notices)) {
        shadow_console_announce(c);
        shadow_console_pump(c);
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
    while (!shadow_console_stopped(c) && !c->watch &&
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

void shadow_console_user_flush(ShadowConsole *c)
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

static int console_user_can_read(void *opaque)
{
    ShadowConsole *c = opaque;
    int room = shadow_console_stopped(c) || shadow_notices_due(&c->notices) ||
               c->keyboard.holder ? 0 : shadow_console_queue_room(c);

    if (c->one_by_one) {
        room = MIN(room, 1);
    }
    c->waiting |= !room;
    return room;
}

void shadow_console_user_accept(ShadowConsole *c)
{
    if (!c->context) {
        qemu_chr_fe_accept_input(c->user);
    } else if (c->waiting && console_user_can_read(c)) {
        c->waiting = false;
        shadow_loop_kick(c->loop);
    }
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
        shadow_console_pump(c);
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

void shadow_console_user_start(ShadowConsole *c)
{
    c->flush = qemu_bh_new(console_flush_due, c);
    c->flush_later = timer_new_ns(QEMU_CLOCK_REALTIME, console_flush_due, c);
    console_attach_user(c);
}

void shadow_console_user_stop(ShadowConsole *c)
{
    console_unwatch(c);
    shadow_log_return(&c->log, c->user->chr);
    qemu_chr_fe_deinit(c->user, false);
    g_clear_pointer(&c->loop, shadow_loop_free);
    qemu_bh_delete(c->flush);
    c->flush = NULL;
    timer_free(c->flush_later);
    c->flush_later = NULL;
}
