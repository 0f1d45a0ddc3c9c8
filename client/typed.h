/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was typed and is not accepted yet: bytes and breaks in their order,
 * with their positions.  Kept until the host says that it has accepted them.
 */
#ifndef CONSOLE_TYPED_H
#define CONSOLE_TYPED_H

#include "state.h"

#define TYPED_MAX (1024 * 1024)     /* bytes that are kept */
#define TYPED_BREAKS_MAX 64

/* Accepted by the host from @position on; a break, if @data is NULL */
typedef void TypedAccepted(uint64_t position, const uint8_t *data, size_t len,
                           void *opaque);

typedef struct Typed {
    GByteArray *bytes;          /* from @base on */
    GArray *breaks;             /* positions, uint64_t, ascending */
    uint64_t base;              /* what is accepted */
    uint64_t next;              /* to be sent over this connection */
    uint64_t most;              /* was ever sent up to here */
    uint64_t limit;             /* would be accepted up to here */
    uint64_t breaks_accepted;   /* in this life, by anyone */
    bool break_sent;            /* the first of @breaks, over this one */
    TypedAccepted *accepted;    /* or NULL; once for each byte and break */
    void *opaque;
} Typed;

void typed_init(Typed *t);
void typed_free(Typed *t);

/* How many bytes can be added */
size_t typed_room(const Typed *t);
void typed_add(Typed *t, const uint8_t *data, size_t len);
/* False if too many wait */
bool typed_add_break(Typed *t);

/* Bytes and breaks that wait to be accepted */
size_t typed_waiting(const Typed *t);

/*
 * The host has accepted up to @position, with so many breaks.  False if that
 * cannot be: fewer than it had before, or more than were sent.
 */
bool typed_accepted(Typed *t, uint64_t position, uint64_t breaks);

/*
 * A keyboard was given to us at the accepted position @position, by a host
 * with the state @state; the one that we had last was @lease (0: none since the
 * last call).  False if it is not known how much of ours was accepted: then
 * what waits must not be sent.
 */
bool typed_resume(Typed *t, uint32_t lease, uint64_t position,
                  const ConsoleState *state);

/* Another got the keyboard, at the accepted position @position. */
bool typed_deposed(Typed *t, uint64_t position);

/* The next frame to be sent, and mark it as sent; false if there is none. */
bool typed_next(Typed *t, ShadowWireFrame *frame);

/* The host has refused what was sent: all that waits is to be sent again. */
void typed_again(Typed *t);

/* What waits: it is forgotten; to be freed. */
GByteArray *typed_drop(Typed *t);

#endif /* CONSOLE_TYPED_H */
