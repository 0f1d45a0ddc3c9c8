/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to one door: frames both ways, and what the door has said of
 * its console last.
 */
#ifndef CONSOLE_LINK_H
#define CONSOLE_LINK_H

#include "state.h"

typedef struct Link Link;

/* What a link tells.  It may be closed from within each of them. */
typedef struct LinkHandler {
    /* The hello has come, or a notice. */
    void (*state)(Link *link, void *opaque);
    /* A frame that is neither hello, notice, pong nor error */
    void (*frame)(Link *link, const ShadowWireFrame *frame, void *opaque);
    /* It is no more, and not to be used again. */
    void (*closed)(Link *link, const char *why, void *opaque);
    /* All that was to be sent has been. */
    void (*sent)(Link *link, void *opaque);
} LinkHandler;

/*
 * Connect to @address and say hello as @user.  The host of an ssh address is
 * asked for @console.  A door that is silent for @patience seconds, though it
 * was asked, is given up.
 */
Link *link_open(const char *address, const char *console, const char *user,
                unsigned patience, const LinkHandler *handler, void *opaque);

/* Without a word to the handler.  NULL is allowed. */
void link_close(Link *link);

/* NULL, before the hello has come */
const ConsoleState *link_state(const Link *link);

/* To put frames after those that wait to be sent, then link_send() */
GByteArray *link_queue(Link *link);
void link_send(Link *link);

/* Bytes that wait */
size_t link_unsent(const Link *link);

#endif /* CONSOLE_LINK_H */
