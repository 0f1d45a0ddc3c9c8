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

/* What was written to is noted in the main loop, when it is asked for. */
typedef enum ShadowNoted {
    SHADOW_NOTED_NOT,
    SHADOW_NOTED_SOON,
    SHADOW_NOTED,
} ShadowNoted;

typedef struct ShadowSession {
    MemoryRegion *ram;          /* NULL: there is no session */
    uint64_t number;            /* no other has it, nor 0 */
    ShadowPages pages;          /* of one that leaves, else none */
    ShadowStream *stream;
    ShadowNoted noted;
    bool quiet;                 /* when it was noted, no virtual CPU ran, */
    uint64_t exits;             /* after so many exits of all of them */
} ShadowSession;

/* QEMU's log of what is written has no client for this that is not used. */
#define SHADOW_SESSION_LOG DIRTY_MEMORY_VGA

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

/* What is in @written was written to since the last time: it is to be sent. */
void shadow_session_note(ShadowSession *s, DirtyBitmapSnapshot *written);

/*
 * Seal some of what is to be sent, in a record of at most *@len bytes.  Returns
 * 0, with *@len what it has, 0 if nothing was to be sent; -ENOSPC if not one
 * page fits; -EIO, and the session has ended.  The cloud VM must not have a hand
 * in @record.
 */
int shadow_session_export(ShadowSession *s, uint8_t *record, size_t *len,
                          Error **errp);

/*
 * Put a record, which is hostile, into @p's memory; it is opened where it is.
 * -EBADMSG; if it was genuine all the same the session has ended.
 */
int shadow_session_import(ShadowSession *s, ShadowPrivate *p, uint8_t *record,
                          size_t len, Error **errp);

#endif /* HW_MISC_SHADOW_MEMORY_SESSION_H */
