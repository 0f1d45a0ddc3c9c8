/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in a console's input its user has sent a BREAK.
 */
#ifndef SHADOW_BREAKS_H
#define SHADOW_BREAKS_H

#include "migration/vmstate.h"

/* A user who sends more of them waits in the transport. */
#define SHADOW_BREAKS_MAX 8

typedef struct ShadowBreaks {
    uint32_t n;
    uint64_t at[SHADOW_BREAKS_MAX];     /* before the byte at this position */
} ShadowBreaks;

static inline bool shadow_breaks_full(const ShadowBreaks *b)
{
    return b->n == SHADOW_BREAKS_MAX;
}

/* Whether a break comes before the byte at @pos */
static inline bool shadow_breaks_due(const ShadowBreaks *b, uint64_t pos)
{
    return b->n && b->at[0] <= pos;
}

/* How many of the @len bytes from @pos on come before the next break */
static inline uint32_t shadow_breaks_before(const ShadowBreaks *b,
                                            uint64_t pos, uint32_t len)
{
    return b->n ? MIN(len, b->at[0] - pos) : len;
}

/* After all others.  If there are too many it is one with the last. */
void shadow_breaks_add(ShadowBreaks *b, uint64_t pos);

/* The first one was given to the guest; and is taken back from it. */
void shadow_breaks_take(ShadowBreaks *b);
void shadow_breaks_put_back(ShadowBreaks *b, uint64_t pos);

/* Whether they can be in an input of bytes [@start, @end) */
bool shadow_breaks_valid(const ShadowBreaks *b, uint64_t start, uint64_t end);

#endif /* SHADOW_BREAKS_H */
