/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keyboard of a console: one at most has it, by lease.
 *
 * Nobody's lease means that the user of the console's chardev has it, while he
 * is connected.  A reader takes it from him, or from another reader, only when
 * he says that he takes it over.  A lease ends when it is released or taken
 * over, when its reader goes, and when what is typed would not go where its
 * reader believes that it goes: he then takes it anew, when he has been told.
 */
#ifndef SHADOW_KEYBOARD_H
#define SHADOW_KEYBOARD_H

#include "shadow/hw/char/shadow-readers.h"

typedef struct ShadowConsole ShadowConsole;

typedef struct ShadowKeyboard {
    ShadowReader *holder;       /* or NULL */
    uint32_t lease;             /* not 0 if there is one */
} ShadowKeyboard;

/*
 * Give it to @r: returns the lease; or 0 with *@why, to be freed.  One who has
 * it already goes on with the same lease.
 */
uint32_t shadow_keyboard_take(ShadowConsole *c, ShadowReader *r, bool over,
                              char **why);
/* If @r has it */
void shadow_keyboard_release(ShadowConsole *c, ShadowReader *r);
/* Whoever has it, for @reason */
void shadow_keyboard_end(ShadowConsole *c, const char *reason);

/* Input would be accepted up to here. */
uint64_t shadow_keyboard_limit(ShadowConsole *c);

/*
 * @len bytes from @r, the first of which has position @pos: of those that have
 * not been accepted before, all are now, or none.  NULL, or why not: a string
 * that is not to be freed.
 */
const char *shadow_keyboard_input(ShadowConsole *c, ShadowReader *r,
                                  uint32_t lease, uint64_t pos,
                                  const uint8_t *buf, uint32_t len);
/* The same for a BREAK before which @number were accepted in this life */
const char *shadow_keyboard_break(ShadowConsole *c, ShadowReader *r,
                                  uint32_t lease, uint64_t pos,
                                  uint64_t number);

/* Who has it, or NULL; to be freed */
ShadowDoorClient *shadow_keyboard_query(ShadowConsole *c);

/* What a user of the chardev is told who finds it taken, or NULL */
char *shadow_keyboard_greeting(ShadowConsole *c, const char *name);

#endif /* SHADOW_KEYBOARD_H */
