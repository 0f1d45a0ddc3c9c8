/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal without a display: what the guest has written goes in, and the
 * picture comes out.
 */
#ifndef CONSOLE_SCREEN_H
#define CONSOLE_SCREEN_H

#include <glib.h>
#include <stddef.h>

typedef struct Screen Screen;

Screen *screen_new(int rows, int cols);
void screen_free(Screen *s);

void screen_write(Screen *s, const void *data, size_t len);

/*
 * What to write to a terminal of the same size so that it shows the same and
 * goes on in the same way; to be freed.
 */
GString *screen_paint(Screen *s);

#endif /* CONSOLE_SCREEN_H */
