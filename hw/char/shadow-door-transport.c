/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client's frames travel in: TLS, a websocket.
 *
 * A browser says which page opens a websocket (RFC 6455, section 10.2), and
 * gives the user's certificate whatever page that is.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "io/channel-tls.h"
#include "io/channel-websock.h"
#include "shadow/hw/char/shadow-door.h"

#define ORIGIN_MAX 256          /* bytes */

static bool origin_valid(const char *origin)
{
    const char *host = strstr(origin, "://");

    return host && host > origin && host[3] && !strchr(host + 3, '/') &&
           strlen(origin) <= ORIGIN_MAX;
}

bool door_origins_valid(const char *list, Error **errp)
{
    g_auto(GStrv) origins = g_strsplit(list, " ", -1);

    if (!origins[0]) {
        error_setg(errp, "origin is empty");
        return false;
    }
    for (unsigned i = 0; origins[i]; i++) {
        if (!origin_valid(origins[i])) {
            error_setg(errp, "origin '%s' is not SCHEME://HOST or "
                       "SCHEME://HOST:PORT", origins[i]);
            return false;
        }
    }
    return true;
}

/* Why the page that opened it may not come, or NULL */
static const char *transport_stranger(DoorClient *c, const char *origin)
{
    g_auto(GStrv) origins = NULL;

    if (!c->door->origin) {
        return NULL;
    }
    origins = g_strsplit(c->door->origin, " ", -1);
    for (unsigned i = 0; origin && origins[i]; i++) {
        if (!g_ascii_strcasecmp(origins[i], origin)) {
            return NULL;
        }
    }
    return "a page of this origin may not come here";
}

static void transport_websock_done(QIOTask *task, void *opaque)
{
    DoorClient *c = opaque;

    if (!c->door) {
        return;
    }
    if (qio_task_propagate_error(task, NULL)) {
        door_client_gone(c);
        return;
    }
    door_client_ready(c, transport_stranger(c, QIO_CHANNEL_WEBSOCK(c->ioc)->
                                               origin));
}

static void transport_websock(DoorClient *c)
{
    QIOChannelWebsock *ws = qio_channel_websock_new_server(c->ioc);

    object_unref(OBJECT(c->ioc));
    c->ioc = QIO_CHANNEL(ws);
    c->refs++;
    qio_channel_websock_handshake(ws, transport_websock_done, c,
                                  door_client_unref);
}

static void transport_connected(DoorClient *c)
{
    if (c->door->websocket) {
        transport_websock(c);
    } else {
        door_client_ready(c, NULL);
    }
}

static void transport_tls_done(QIOTask *task, void *opaque)
{
    DoorClient *c = opaque;
    g_autofree char *name = NULL;

    if (!c->door) {
        return;
    }
    if (qio_task_propagate_error(task, NULL)) {
        door_client_gone(c);
        return;
    }
    name = qcrypto_tls_session_get_peer_name(
        qio_channel_tls_get_session(QIO_CHANNEL_TLS(c->ioc)));
    if (name) {
        g_free(c->reader.peer);
        c->reader.peer = door_printable(name, DOOR_PEER_MAX);
    }
    transport_connected(c);
}

static void transport_tls(DoorClient *c)
{
    ShadowDoor *d = c->door;
    QIOChannelTLS *tls = qio_channel_tls_new_server(c->ioc, d->tls_creds,
                                                    d->tls_authz, NULL);

    if (!tls) {
        door_client_gone(c);
        return;
    }
    object_unref(OBJECT(c->ioc));
    c->ioc = QIO_CHANNEL(tls);
    c->refs++;
    qio_channel_tls_handshake(tls, transport_tls_done, c, door_client_unref,
                              NULL);
}

char *door_transport_peer(QIOChannelSocket *sioc)
{
    g_autoptr(SocketAddress) addr =
        qio_channel_socket_get_remote_address(sioc, NULL);
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (addr && addr->type == SOCKET_ADDRESS_TYPE_UNIX &&
        !getsockopt(sioc->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
        return g_strdup_printf("uid %u", cred.uid);
    }
    if (addr && addr->type == SOCKET_ADDRESS_TYPE_INET) {
        return g_strdup_printf("%s:%s", addr->u.inet.host,
                               addr->u.inet.port);
    }
    return g_strdup("unknown");
}

void door_transport_start(DoorClient *c)
{
    if (c->door->tls_creds) {
        transport_tls(c);
    } else {
        transport_connected(c);
    }
}
