/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user's terminal, or the pipes that stand for it.
 */
#ifndef CONSOLE_TERMINAL_H
#define CONSOLE_TERMINAL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Keys come as they are typed, until terminal_restore() or the end. */
void terminal_raw(void);
void terminal_restore(void);
bool terminal_is_raw(void);

/* Rows and columns; 24 and 80 where there is no terminal */
void terminal_size(int *rows, int *cols);

/* Write all of it to the standard output; false if that is no more. */
bool terminal_write(const void *data, size_t len);

/* A line to the user, on the error output, whatever the cursor's column */
void terminal_say(const char *text);

/* The window's title, on a terminal that has one */
void terminal_title(const char *text);

#endif /* CONSOLE_TERMINAL_H */
