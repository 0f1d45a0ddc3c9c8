/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to a session, for programs: a file of JSON objects, one a line.
 */
#ifndef CONSOLE_EVENTS_H
#define CONSOLE_EVENTS_H

#include "session.h"

/* @path NULL: nothing is written. */
void events_open(const char *path);
void events_write(const Session *s, const char *event, const char *text);

#endif /* CONSOLE_EVENTS_H */
