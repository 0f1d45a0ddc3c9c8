/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An event loop for one user's connection.
 *
 * In each of its turns QEMU's main loop looks at every file descriptor and
 * every source of events that it has, with the BQL held for much of it.  Of a
 * thousand consoles that nobody types on, that would be all that the virtual
 * CPUs ever wait for.  So a console has an event loop of its own, whose
 * descriptors the kernel watches (epoll), and that has a turn, in the main
 * loop's thread, when something happens to them.
 *
 * All functions are called with the BQL held.
 */
#ifndef SHADOW_LOOP_H
#define SHADOW_LOOP_H

#include "chardev/char.h"

typedef struct ShadowLoop ShadowLoop;

/*
 * Whether @chr can be in a loop of its own: sockets that listen can, as long
 * as it is their descriptors alone that anything is waited for.
 */
bool shadow_loop_suits(Chardev *chr);

/*
 * Whether @chr tells of a BREAK before it gives the bytes that came with it, so
 * that only a read of a single byte says where it belongs.
 */
bool shadow_loop_breaks_early(Chardev *chr);

/* NULL if there are too few file descriptors left. */
ShadowLoop *shadow_loop_new(void);

/* Nothing may be left in the loop. */
void shadow_loop_free(ShadowLoop *loop);

GMainContext *shadow_loop_context(ShadowLoop *loop);

/* Have a turn: what sources look at when they are asked has changed. */
void shadow_loop_kick(ShadowLoop *loop);

#endif /* SHADOW_LOOP_H */
