/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listener through which users come to one console, several at once.  What is
 * spoken there is in docs/door.rst.
 */
#ifndef SHADOW_DOOR_H
#define SHADOW_DOOR_H

#include "crypto/tlscreds.h"
#include "io/net-listener.h"
#include "qom/object.h"
#include "shadow/hw/char/shadow-console-device.h"
#include "shadow/hw/char/shadow-wire.h"

#define TYPE_SHADOW_DOOR "shadow-door"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowDoor, SHADOW_DOOR)

typedef struct DoorClient DoorClient;

struct ShadowDoor {
    Object parent_obj;

    char *guest, *device;       /* ids; they may come later */
    char *addr;
    ShadowDoorRole role;
    char *tls_creds_id, *tls_authz;
    bool websocket;
    char *origin;               /* whose pages may come, or NULL: anyone's */
    uint32_t max_clients;
    uint32_t idle_timeout;      /* seconds; 0: none */
    char *host_name;            /* or NULL */

    char *id;
    QCryptoTLSCreds *tls_creds; /* or NULL */
    QIONetListener *listener;   /* or NULL: it does not listen yet */
    ShadowLoop *loop;           /* the listener's, or NULL */
    GPtrArray *watches;         /* of its sockets; NULL: not now */
    QEMUTimer *tick;            /* who has been silent for too long */
    QTAILQ_HEAD(, DoorClient) clients;
    uint32_t n_clients;
    QTAILQ_ENTRY(ShadowDoor) next;
};

#define DOOR_PEER_MAX 256       /* bytes */

struct DoorClient {
    ShadowReader reader;
    ShadowDoor *door;           /* NULL: it was closed */
    ShadowDevice *dev;          /* these two are NULL when they are gone */
    ShadowConsole *console;
    unsigned refs;

    QIOChannel *ioc;
    ShadowLoop *loop;           /* or NULL */
    GMainContext *context;      /* the loop's; NULL: the main loop's own */
    GSource *readable, *writable;   /* or NULL */
    ShadowWireReader wire;
    GByteArray *rest;           /* the transport did not take, or NULL */
    int64_t deadline;           /* ms of the host's clock; 0: none */

    bool ready;                 /* the transport's own handshake is done */
    bool welcomed;              /* it was sent a hello */
    bool greeted;               /* it has sent one */
    bool reads;                 /* output has started */
    bool parting;               /* nothing more is said, or listened to */

    /* what is to be said */
    char *error;                /* the last thing, or NULL */
    char *lost;                 /* why it has the keyboard no more, or NULL */
    uint64_t lost_at;           /* what was accepted then */
    bool news;
    ShadowDoorEvent event;
    char *reason;               /* or NULL */
    bool ack;                   /* of the keyboard, whatever was told before */
    uint32_t lease;             /* or 0 */
    uint64_t told_accepted;
    ShadowWireAccepted told;
    QTAILQ_ENTRY(DoorClient) next;
};

/* Who comes, if there is room for him (shadow-door.c) */
void door_accept(ShadowDoor *d, QIOChannelSocket *sioc);
/* Look after all within a second. */
void door_tick_later(ShadowDoor *d);

/* Where he comes (shadow-door-listen.c) */

bool door_listen(ShadowDoor *d, Error **errp);
void door_listen_pause(ShadowDoor *d);
void door_listen_go_on(ShadowDoor *d);
void door_listen_end(ShadowDoor *d);

/* The connection (shadow-door-client.c) */

void door_client_new(ShadowDoor *d, QIOChannelSocket *sioc);
/* Its transport's handshakes are done; @why it may not come, or NULL */
void door_client_ready(DoorClient *c, const char *why);
/* It is gone, at once; its memory is kept until nobody refers to it. */
void door_client_gone(DoorClient *c);
void door_client_unref(void *opaque);
/* It is told why, and is gone when this returns. */
void door_client_close(DoorClient *c, const char *why);
/* It is told why, and has a moment to hear it. */
void door_client_end(DoorClient *c, const char *why);
/* Write @frames, or keep them until the transport takes them. */
void door_client_put(DoorClient *c, const GByteArray *frames);
/* It was silent until @now, ms of the host's clock. */
void door_client_tick(DoorClient *c, int64_t now);

/* What the frames travel in (shadow-door-transport.c) */

/* Do the handshakes; door_client_ready() or door_client_gone() follows. */
void door_transport_start(DoorClient *c);
/* Whether @list, an option's value, is one of origins (RFC 6454, 6.2) */
bool door_origins_valid(const char *list, Error **errp);
/* Who is at the other end, as the system knows it */
char *door_transport_peer(QIOChannelSocket *sioc);

/* What is said (shadow-door-frames.c) */

extern const ShadowReaderOps door_reader_ops;
/* Do as @f says; false with @why the client has to go. */
bool door_client_hear(DoorClient *c, const ShadowWireFrame *f,
                      const char **why);
/* Put the next thing that is to be said; false if there is none. */
bool door_client_say(DoorClient *c);
/* Say as much as the transport takes now (shadow-door-client.c) */
void door_client_flush(DoorClient *c);

/* Its payload: JSON, or NULL (shadow-door-state.c) */
GString *door_hello_json(DoorClient *c);
GString *door_notice_json(DoorClient *c);

/* Printable, at most @max bytes, of what someone else says he is called */
char *door_printable(const char *text, size_t max);

#endif /* SHADOW_DOOR_H */
