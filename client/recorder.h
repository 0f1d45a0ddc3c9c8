/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session as it is recorded, over all lives of the console.
 */
#ifndef CONSOLE_RECORDER_H
#define CONSOLE_RECORDER_H

#include "args.h"

typedef struct Recorder Recorder;

/*
 * The recording @path, made when output begins; signed with the key that @args
 * have, and with what is typed, if they say so.
 */
Recorder *recorder_new(const char *path, const Args *args);
void recorder_free(Recorder *r);

/* What a session tells its client.  All return false if it cannot be kept. */
bool recorder_begin(Recorder *r, const Session *s, uint64_t end,
                    GError **errp);
bool recorder_output(Recorder *r, const Session *s, uint64_t position,
                     const uint8_t *data, size_t len, GError **errp);
bool recorder_typed(Recorder *r, uint64_t position, const uint8_t *data,
                    size_t len, GError **errp);

/* Each CAST_MARK_SECONDS; and at the end */
bool recorder_mark(Recorder *r, GError **errp);
bool recorder_end(Recorder *r, GError **errp);

#endif /* CONSOLE_RECORDER_H */
