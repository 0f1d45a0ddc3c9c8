/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording: asciicast v2, with marks that stand as evidence.  Its header
 * has "input": whether what is typed is in it.
 *
 * The label of a mark is one of
 *     begins life=L position=P
 *     lost position=P bytes=N
 *     typed position=I
 *     break position=I
 *     mark|end life=L position=P sha256=H signature=S
 * P: of the next byte of output.  I: of the next byte of input, which another
 * user may have brought on since.  H: SHA-256 of the one before (32 zeros at
 * first) and all bytes of the file since, from the line of the mark before on.
 * S: a signature of what cast_message() gives, or "-".
 */
#ifndef CONSOLE_CAST_H
#define CONSOLE_CAST_H

#include "state.h"

#define CAST_DIGEST_LEN 32
#define CAST_MARK_BYTES 65536
#define CAST_MARK_SECONDS 10

typedef struct Cast Cast;

/* A new file.  @key: to sign with, or NULL. */
Cast *cast_create(const char *path, const char *key, const ConsoleState *s,
                  int rows, int cols, bool input, GError **errp);
/*
 * All return false if the file cannot be written, or nothing be signed.
 * A life begins when the one before has its end.
 */
bool cast_begin(Cast *c, const char *life, uint64_t position, GError **errp);
bool cast_output(Cast *c, const uint8_t *data, size_t len, GError **errp);
bool cast_lost(Cast *c, uint64_t bytes, GError **errp);
/* What was typed here and accepted, at @position of the input */
bool cast_typed(Cast *c, uint64_t position, const uint8_t *data, size_t len,
                GError **errp);
bool cast_break(Cast *c, uint64_t position, GError **errp);
/* If anything has come since the last one, or it is the last (@end) */
bool cast_mark(Cast *c, bool end, GError **errp);
void cast_close(Cast *c);

/* What is signed; to be freed */
char *cast_message(const char *life, uint64_t position, const char *sha256);

#endif /* CONSOLE_CAST_H */
