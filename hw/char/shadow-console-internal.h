/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What shadow-console.c and shadow-console-user.c share. */
#ifndef SHADOW_CONSOLE_INTERNAL_H
#define SHADOW_CONSOLE_INTERNAL_H

#include "shadow/hw/char/shadow-console.h"

/* Whether no byte of the guest may move, in either direction */
static inline bool shadow_console_stopped(const ShadowConsole *c)
{
    return c->held || c->severed;
}

/* How much more input the queue takes, whether or not it may move */
uint32_t shadow_console_queue_room(const ShadowConsole *c);

/* The chardev's user */
void shadow_console_user_start(ShadowConsole *c);
void shadow_console_user_stop(ShadowConsole *c);
/* There is new output: he is sent it soon. */
void shadow_console_user_flush(ShadowConsole *c);
/* There may be room for input again. */
void shadow_console_user_accept(ShadowConsole *c);

#endif /* SHADOW_CONSOLE_INTERNAL_H */
