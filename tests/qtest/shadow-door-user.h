/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of a door, as the tests play it.
 */
#ifndef SHADOW_DOOR_USER_H
#define SHADOW_DOOR_USER_H

#include "shadow-common.h"
#include "shadow/hw/char/shadow-wire.h"

/* What frames travel in, if it is not the socket itself */
typedef struct DoorTransport {
    ssize_t (*receive)(void *opaque, void *buf, size_t len);
    void (*send)(void *opaque, const void *buf, size_t len);
    void *opaque;
} DoorTransport;

typedef struct DoorUser {
    int fd;
    const DoorTransport *transport;
    ShadowWireReader wire;
    uint8_t buf[4096];
    const uint8_t *next;        /* what has come and was not looked at */
    size_t len;
    ShadowWireFrame frame;      /* the newest */
    QDict *said;                /* hello, or the newest notice */
    uint32_t lease;
    uint64_t accepted;
    uint64_t position;          /* of the output that comes next */
} DoorUser;

/* "com1" of vm1 gets door "d1" at the socket "door"; @props: after a comma */
void door_add(QTestState *qts, const char *props);

/* One who has been told nothing yet, by a transport that is ready or NULL */
DoorUser *door_stand_at(int fd, const DoorTransport *transport);
/* One who has been told hello, and has not said it */
DoorUser *door_connect(const char *name);
/* The same, at the socket @fd, which it then owns */
DoorUser *door_connect_fd(int fd);
/* The same by a transport that uses it and is ready */
DoorUser *door_connect_by(int fd, const DoorTransport *transport);
/* One who has said it, too */
DoorUser *door_enter(const char *name, const char *user);
void door_leave(DoorUser *u);

void door_send(DoorUser *u, const GByteArray *frames);
void door_send_frame(DoorUser *u, ShadowWireType type, uint32_t lease,
                     uint64_t position, const void *payload, size_t len);
void door_hello(DoorUser *u, const char *user);
void door_type(DoorUser *u, const char *text);
void door_start(DoorUser *u, ShadowWireMode mode, uint64_t count);

/* The next frame but notices */
const ShadowWireFrame *door_next(DoorUser *u);
/* One of this type; those that say what was accepted are passed over */
const ShadowWireFrame *door_expect(DoorUser *u, ShadowWireType type);
/* One with a text that contains @what */
void door_expect_text(DoorUser *u, ShadowWireType type, const char *what);
/* Notices up to one for @event */
QDict *door_expect_event(DoorUser *u, const char *event);
/* What is written from the position on where the client is */
void door_expect_output(DoorUser *u, const char *text);
/* How far what is typed has come */
void door_expect_accepted(DoorUser *u, uint64_t accepted, uint64_t taken);
/* The reason, and the end of the connection; leaves */
void door_expect_error(DoorUser *u, const char *what);
void door_expect_end(DoorUser *u);

/* Take the keyboard, and have it */
void door_take(DoorUser *u, ShadowWireKeyboard how);
/* Until so many are at the device, the chardev's user included */
void shadow_wait_clients(QTestState *qts, const char *device, unsigned n);

/* Until all that was sent has been heard */
void door_ping(DoorUser *u);

#endif /* SHADOW_DOOR_USER_H */
