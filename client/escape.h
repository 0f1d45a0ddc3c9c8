/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the user asks of the client itself, with a key after Ctrl-].
 */
#ifndef CONSOLE_ESCAPE_H
#define CONSOLE_ESCAPE_H

#include "args.h"

#define ESCAPE_KEY 0x1d         /* Ctrl-] */

typedef enum EscapeResult {
    ESCAPE_DONE,
    ESCAPE_LEAVE,
    ESCAPE_ITSELF,              /* the key is to be typed */
} EscapeResult;

EscapeResult escape_do(Session *s, uint8_t key, const Args *args);

#endif /* CONSOLE_ESCAPE_H */
