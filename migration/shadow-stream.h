/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chain of sealed records: AES-256-GCM (NIST SP 800-38D) with one key for all
 * of them, and the record's number as nonce.  Records are opened in the order
 * in which they were sealed, each once, or not at all.  Knows nothing of what is
 * in them.
 *
 *   offset  size  field, numbers are big-endian
 *   0       4     magic, "QSPR"
 *   4       4     length of the body, a multiple of 64 KiB
 *   8       8     which session
 *   16      8     the record's number, from 0 on
 *   24      n     body, encrypted
 *   24+n    16    GCM tag, over the header too
 */
#ifndef SHADOW_STREAM_H
#define SHADOW_STREAM_H

#include "qemu/units.h"

#define SHADOW_STREAM_KEY_LEN       32
#define SHADOW_STREAM_ID_LEN        8
#define SHADOW_STREAM_DIGEST_LEN    32
#define SHADOW_STREAM_HEADER_LEN    24
#define SHADOW_STREAM_TAG_LEN       16
#define SHADOW_STREAM_CLASS         (64 * KiB)
#define SHADOW_STREAM_BODY_MAX      (2 * MiB + SHADOW_STREAM_CLASS)

typedef struct ShadowStream ShadowStream;

/*
 * @key must never have been used before, and be random; @id names the session
 * and is public.  NULL if libgcrypt fails.
 */
ShadowStream *shadow_stream_new(const uint8_t key[SHADOW_STREAM_KEY_LEN],
                                const uint8_t id[SHADOW_STREAM_ID_LEN]);
void shadow_stream_free(ShadowStream *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShadowStream, shadow_stream_free)

/* How long a record is that has a body of @len bytes; 0: too long */
size_t shadow_stream_size(size_t len);

/*
 * Seal the @len bytes at @record + SHADOW_STREAM_HEADER_LEN where they are, as
 * the next record; all else of the shadow_stream_size(@len) bytes is written.
 * False if libgcrypt fails; then nothing of the body is left.
 */
bool shadow_stream_seal(ShadowStream *s, uint8_t *record, size_t len);

/*
 * Open a record where it stands.  Returns its body, of *@body_len bytes, with
 * the zeros that pad it; to be wiped.  NULL, with a reason in @errp, if it is
 * not the next one: nothing of it is left then, and the next one is still
 * waited for.  @record is hostile, and must not be shared with who gave it.
 */
uint8_t *shadow_stream_open(ShadowStream *s, uint8_t *record, size_t len,
                            size_t *body_len, Error **errp);

/* How many there were, and SHA-256 over what each is */
uint64_t shadow_stream_records(const ShadowStream *s);
const uint8_t *shadow_stream_digest(const ShadowStream *s);

#endif /* SHADOW_STREAM_H */
