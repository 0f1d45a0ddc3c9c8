/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who comes to a door is let in.
 *
 * One for whom there is no descriptor stays in the socket's queue, which the
 * loop would see again at once, and for ever.  So nobody is looked for, for a
 * moment.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/sockets.h"
#include "shadow/hw/char/shadow-door.h"
#include "shadow/trace.h"

#define LISTEN_BACKLOG 128

static void listen_watch_free(void *opaque)
{
    GSource *source = opaque;

    g_source_destroy(source);
    g_source_unref(source);
}

static bool listen_has_more(QIOChannel *ioc)
{
    GPollFD fd = { .fd = QIO_CHANNEL_SOCKET(ioc)->fd, .events = G_IO_IN };

    return g_poll(&fd, 1, 0) > 0;
}

static gboolean listen_ready(QIOChannel *ioc, GIOCondition cond, void *opaque)
{
    ShadowDoor *d = opaque;
    QIOChannelSocket *sioc = qio_channel_socket_accept(QIO_CHANNEL_SOCKET(ioc),
                                                       NULL);

    if (sioc) {
        door_accept(d, sioc);
        object_unref(OBJECT(sioc));
    } else if (listen_has_more(ioc)) {
        trace_shadow_door_pauses(d->id);
        door_listen_pause(d);
        door_tick_later(d);
    }
    return G_SOURCE_CONTINUE;
}

void door_listen_pause(ShadowDoor *d)
{
    g_clear_pointer(&d->watches, g_ptr_array_unref);
    if (d->loop) {
        shadow_loop_kick(d->loop);
    }
}

void door_listen_go_on(ShadowDoor *d)
{
    GMainContext *context = d->loop ? shadow_loop_context(d->loop) : NULL;

    if (d->watches) {
        return;
    }
    d->watches = g_ptr_array_new_with_free_func(listen_watch_free);
    for (size_t i = 0; i < d->listener->nsioc; i++) {
        g_ptr_array_add(d->watches, qio_channel_add_watch_source(
            QIO_CHANNEL(d->listener->sioc[i]), G_IO_IN, listen_ready, d, NULL,
            context));
    }
    if (d->loop) {
        shadow_loop_kick(d->loop);
    }
}

bool door_listen(ShadowDoor *d, Error **errp)
{
    g_autoptr(SocketAddress) addr = socket_parse(d->addr, errp);
    QIONetListener *listener;

    if (!addr) {
        return false;
    }
    listener = qio_net_listener_new();
    qio_net_listener_set_name(listener, TYPE_SHADOW_DOOR);
    if (qio_net_listener_open_sync(listener, addr, LISTEN_BACKLOG, errp)) {
        object_unref(OBJECT(listener));
        return false;
    }
    d->listener = listener;
    d->loop = shadow_loop_new();
    door_listen_go_on(d);
    return true;
}

void door_listen_end(ShadowDoor *d)
{
    door_listen_pause(d);
    qio_net_listener_disconnect(d->listener);
    object_unref(OBJECT(d->listener));
    d->listener = NULL;
}
