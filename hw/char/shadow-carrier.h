/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The carrier (DCD) of a console: lowered for a second when a session is over,
 * so that the guest ends it, and the next user does not find it open.
 */
#ifndef SHADOW_CARRIER_H
#define SHADOW_CARRIER_H

#include "qapi/error.h"

typedef struct ShadowCarrier {
    bool last_writer;           /* a session ends with its last writer */
    uint32_t idle;              /* or after so many seconds; 0: not */
    bool written;               /* someone has had the keyboard since */
    bool typed;                 /* and has typed since */
    bool due, down;
    void (*changed)(void *opaque, bool down);
    void *opaque;
    QEMUTimer *timer;
} ShadowCarrier;

/* "never", "last-writer" or "idle=SECONDS"; NULL is the first of these */
bool shadow_carrier_parse(ShadowCarrier *c, const char *hangup, Error **errp);

/* @changed: it has been lowered, or has come back */
void shadow_carrier_start(ShadowCarrier *c,
                          void (*changed)(void *opaque, bool down),
                          void *opaque);
void shadow_carrier_stop(ShadowCarrier *c);

/* Whether anyone has the keyboard now, and whether the guest stands still */
void shadow_carrier_writer(ShadowCarrier *c, bool have, bool held);
void shadow_carrier_typed(ShadowCarrier *c);
/* Its session goes on at another host. */
void shadow_carrier_moved(ShadowCarrier *c);
/* It stands still no more: what was due meanwhile happens. */
void shadow_carrier_goes_on(ShadowCarrier *c);

#endif /* SHADOW_CARRIER_H */
