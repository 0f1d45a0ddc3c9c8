/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory on its way to another host: a session, of which the pages that
 * were written to are sealed again and again, as records of one chain.
 *
 * All functions are called with the BQL held.
 */
#ifndef HW_MISC_SHADOW_MEMORY_SESSION_H
#define HW_MISC_SHADOW_MEMORY_SESSION_H

#include "shadow/hw/core/shadow-pages.h"
#include "shadow/hw/core/shadow-private.h"
#include "shadow/migration/shadow-stream.h"

typedef struct ShadowSession {
    MemoryRegion *ram;          /* NULL: there is no session */
    ShadowPages pages;          /* of one that leaves, else none */
    ShadowStream *stream;
} ShadowSession;

/* What the other host must know of it: a secret */
#define SHADOW_SESSION_LEN (8 + SHADOW_STREAM_ID_LEN + SHADOW_STREAM_KEY_LEN)

/*
 * Begin: all of @ram is to be sent.  @secret is for the envelope.  False with
 * @errp set.
 */
bool shadow_session_begin(ShadowSession *s, MemoryRegion *ram,
                          uint8_t secret[SHADOW_SESSION_LEN], Error **errp);

/*
 * One that arrives, into @ram, which is all zeros.  @secret, of @len bytes with
 * what follows it, was in a genuine envelope.
 */
bool shadow_session_accept(ShadowSession *s, MemoryRegion *ram,
                           const uint8_t *secret, size_t len, Error **errp);

/* Nothing has to be done if there is none. */
void shadow_session_end(ShadowSession *s);

static inline bool shadow_session_leaves(const ShadowSession *s)
{
    return s->ram && s->pages.n;
}

static inline bool shadow_session_arrives(const ShadowSession *s)
{
    return s->ram && !s->pages.n;
}

/* How many pages are to be sent, as things are */
uint64_t shadow_session_unsent(ShadowSession *s);

/*
 * Seal some of them, in a record of at most *@len bytes.  Returns 0, with *@len
 * what it has, 0 if nothing was to be sent; -ENOSPC if not one page fits;
 * -EIO.  The cloud VM must not have a hand in @record.
 */
int shadow_session_export(ShadowSession *s, uint8_t *record, size_t *len,
                          Error **errp);

/*
 * Put a record, which is hostile, into @p's memory; it is opened where it is.
 * -EBADMSG.
 */
int shadow_session_import(ShadowSession *s, ShadowPrivate *p, uint8_t *record,
                          size_t len, Error **errp);

#endif /* HW_MISC_SHADOW_MEMORY_SESSION_H */
