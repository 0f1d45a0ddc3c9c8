/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to a door: when it begins and ends, what goes in and out.
 *
 * Nothing is kept for a client that does not read but the rest of what its
 * transport has taken in part.  Until that is gone nothing is read from it, so
 * that it cannot make the door say more.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "shadow/hw/char/shadow-door.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/trace.h"

/* Until it has said hello, the handshake of its transport included */
#define CLIENT_HELLO_MS 10000
/* To hear why it has to go */
#define CLIENT_PARTING_MS 2000
/* So much is read at once, and so many frames are written */
#define CLIENT_READ 4096
#define CLIENT_FRAMES 8

static int64_t client_now(void)
{
    return qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
}

static void client_bury(void *opaque)
{
    DoorClient *c = opaque;

    object_unref(OBJECT(c->ioc));
    g_clear_pointer(&c->loop, shadow_loop_free);
    g_clear_pointer(&c->rest, g_byte_array_unref);
    shadow_wire_reader_free(&c->wire);
    g_free(c->reader.name);
    g_free(c->reader.peer);
    g_free(c->error);
    g_free(c->lost);
    g_free(c->reason);
    g_free(c);
}

/* Not at once: a callback of the client's loop may be under way. */
void door_client_unref(void *opaque)
{
    DoorClient *c = opaque;

    if (!--c->refs) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), client_bury, c);
    }
}

static void client_unwatch(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_source_unref(*source);
        *source = NULL;
    }
}

static void client_let_go(DoorClient *c)
{
    if (c->console) {
        shadow_keyboard_release(c->console, &c->reader);
        shadow_readers_remove(&c->reader);
        c->console = NULL;
        c->dev = NULL;
    }
}

void door_client_gone(DoorClient *c)
{
    ShadowDoor *d = c->door;

    if (!d) {
        return;
    }
    trace_shadow_door_client_gone(d->id, c->reader.client);
    client_let_go(c);
    client_unwatch(&c->readable);
    client_unwatch(&c->writable);
    c->door = NULL;
    QTAILQ_REMOVE(&d->clients, c, next);
    d->n_clients--;
    /* also ends a handshake that waits for it */
    qio_channel_shutdown(c->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    door_client_unref(c);
}

static gboolean client_readable(QIOChannel *ioc, GIOCondition cond,
                                void *opaque);
static gboolean client_writable(QIOChannel *ioc, GIOCondition cond,
                                void *opaque);

static void client_watch_one(DoorClient *c, GSource **source, bool want,
                             GIOCondition cond, QIOChannelFunc func)
{
    if (!want) {
        client_unwatch(source);
    } else if (!*source) {
        *source = qio_channel_create_watch(c->ioc, cond);
        g_source_set_callback(*source, (GSourceFunc)func, c, NULL);
        g_source_attach(*source, c->context);
    } else {
        return;
    }
    if (c->loop) {
        shadow_loop_kick(c->loop);
    }
}

static void client_watch(DoorClient *c)
{
    if (c->door && c->ready) {
        client_watch_one(c, &c->readable, c->parting || !c->rest,
                         G_IO_IN | G_IO_HUP | G_IO_ERR, client_readable);
        client_watch_one(c, &c->writable, c->rest, G_IO_OUT | G_IO_HUP,
                         client_writable);
    }
}

/* How much of @buf the transport takes; the client is gone if it is broken. */
static size_t client_write(DoorClient *c, const uint8_t *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = qio_channel_write(c->ioc, (const char *)buf + done,
                                      len - done, NULL);

        if (n == QIO_CHANNEL_ERR_BLOCK) {
            break;
        }
        if (n <= 0) {
            door_client_gone(c);
            return len;
        }
        done += n;
    }
    return done;
}

void door_client_put(DoorClient *c, const GByteArray *frames)
{
    size_t done = 0;

    if (!c->door) {
        return;
    }
    if (!c->rest) {
        done = client_write(c, frames->data, frames->len);
    }
    if (done < frames->len) {
        if (!c->rest) {
            c->rest = g_byte_array_new();
        }
        g_byte_array_append(c->rest, frames->data + done, frames->len - done);
    }
}

static void client_write_rest(DoorClient *c)
{
    size_t n = c->rest ? client_write(c, c->rest->data, c->rest->len) : 0;

    if (!c->rest) {
        return;
    }
    if (n == c->rest->len) {
        g_clear_pointer(&c->rest, g_byte_array_unref);
    } else {
        g_byte_array_remove_range(c->rest, 0, n);
    }
}

void door_client_flush(DoorClient *c)
{
    unsigned frames = 0;

    if (!c->door || !c->ready) {
        return;
    }
    client_write_rest(c);
    while (c->door && !c->rest && frames < CLIENT_FRAMES &&
           door_client_say(c)) {
        frames++;
    }
    if (frames == CLIENT_FRAMES) {
        shadow_readers_due(&c->reader);
    }
    if (c->door && c->parting && !c->rest && !c->door->websocket) {
        /* a websocket may have some of it still */
        qio_channel_shutdown(c->ioc, QIO_CHANNEL_SHUTDOWN_WRITE, NULL);
    }
    client_watch(c);
}

static gboolean client_writable(QIOChannel *ioc, GIOCondition cond,
                                void *opaque)
{
    DoorClient *c = opaque;

    door_client_flush(c);
    return G_SOURCE_CONTINUE;
}

void door_client_end(DoorClient *c, const char *why)
{
    if (!c->door || c->error || c->parting) {
        return;
    }
    trace_shadow_door_client_ends(c->door->id, c->reader.client, why);
    client_let_go(c);
    c->error = g_strdup(why);
    c->deadline = client_now() + CLIENT_PARTING_MS;
    door_client_flush(c);
}

void door_client_close(DoorClient *c, const char *why)
{
    door_client_end(c, why);
    door_client_gone(c);
}

void door_client_tick(DoorClient *c, int64_t now)
{
    if (!c->deadline || now < c->deadline) {
        return;
    }
    if (c->parting || c->error || !c->ready) {
        door_client_gone(c);
    } else {
        door_client_end(c, c->greeted ? "nothing was sent for too long" :
                                        "there was no hello");
    }
}

static void client_heard(DoorClient *c)
{
    uint32_t timeout = c->door->idle_timeout;

    if (timeout && c->greeted) {
        c->deadline = client_now() + timeout * INT64_C(1000);
    }
}

static void client_hear(DoorClient *c, const uint8_t *buf, size_t len)
{
    ShadowWireFrame f;
    ShadowWireGot got;
    const char *why;

    while (c->console) {
        got = shadow_wire_read(&c->wire, &buf, &len, &f, &why);
        if (got == SHADOW_WIRE_MORE) {
            break;
        }
        if (got == SHADOW_WIRE_BAD || !door_client_hear(c, &f, &why)) {
            door_client_end(c, why);
            return;
        }
    }
    if (c->console && c->lease) {
        /* a state is saved when what has arrived was taken in */
        c->console->arrived++;
    }
}

static gboolean client_readable(QIOChannel *ioc, GIOCondition cond,
                                void *opaque)
{
    DoorClient *c = opaque;
    uint8_t buf[CLIENT_READ];
    ssize_t n;

    n = qio_channel_read(c->ioc, (char *)buf, sizeof(buf), NULL);
    if (n == QIO_CHANNEL_ERR_BLOCK) {
        return G_SOURCE_CONTINUE;
    }
    if (n <= 0) {
        door_client_gone(c);
        return G_SOURCE_CONTINUE;
    }
    if (c->parting || c->error) {
        return G_SOURCE_CONTINUE;
    }
    client_hear(c, buf, n);
    if (c->door && !c->parting && !c->error) {
        client_heard(c);
    }
    door_client_flush(c);
    return G_SOURCE_CONTINUE;
}

/* Its console, if there is one now */
static const char *client_enter(DoorClient *c)
{
    ShadowDoor *d = c->door;
    ShadowGuest *g = shadow_guest_find(d->guest);
    ShadowDevice *dev = NULL;

    if (g) {
        QTAILQ_FOREACH(dev, &g->devices, next) {
            if (!strcmp(shadow_device_name(dev), d->device)) {
                break;
            }
        }
    }
    if (!dev) {
        return "the console is not on this host";
    }
    c->console = shadow_console_device_console(dev);
    if (!c->console) {
        return "the device has no console";
    }
    if (!shadow_console_life(c->console)) {
        c->console = NULL;
        return "there is no randomness";
    }
    c->dev = dev;
    c->reader.position = c->console->out.end;
    shadow_readers_add(&c->console->readers, &c->reader);
    return NULL;
}

void door_client_ready(DoorClient *c, const char *why)
{
    if (!c->door->websocket) {
        /* a websocket takes its bytes in the main loop's own context */
        c->loop = shadow_loop_new();
        c->context = c->loop ? shadow_loop_context(c->loop) : NULL;
    }
    c->ready = true;
    why = why ?: client_enter(c);
    if (why) {
        door_client_end(c, why);
        return;
    }
    trace_shadow_door_client_new(c->door->id, c->reader.client,
                                 c->reader.peer);
    door_client_flush(c);
}

static uint32_t client_new_number(void)
{
    static uint32_t last;

    return ++last ?: ++last;
}

void door_client_new(ShadowDoor *d, QIOChannelSocket *sioc)
{
    DoorClient *c = g_new0(DoorClient, 1);

    c->refs = 1;
    c->door = d;
    c->ioc = QIO_CHANNEL(sioc);
    object_ref(OBJECT(sioc));
    c->deadline = client_now() + CLIENT_HELLO_MS;
    c->reader.ops = &door_reader_ops;
    c->reader.door = d->id;
    c->reader.client = client_new_number();
    c->reader.name = g_strdup("");
    c->reader.peer = door_transport_peer(sioc);
    c->reader.role = d->role;
    c->reader.since = g_get_real_time() / G_USEC_PER_SEC;
    shadow_wire_reader_init(&c->wire, SHADOW_WIRE_BY_CLIENT);
    QTAILQ_INSERT_TAIL(&d->clients, c, next);
    d->n_clients++;
    qio_channel_set_blocking(c->ioc, false, NULL);
    qio_channel_set_delay(c->ioc, false);
    door_transport_start(c);
}
