/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of this process alone, in which states and envelopes are worked on.
 *
 * It is kept from one call to the next, and shared by all guests: new memory
 * for each call would be new pages, and zeroing those takes longer than
 * sealing.  The BQL is needed to take and to give; who has taken it has it for
 * himself, with the BQL or without.
 */
#ifndef SHADOW_SCRATCH_H
#define SHADOW_SCRATCH_H

typedef enum ShadowScratch {
    SHADOW_SCRATCH_ENVELOPE,
    SHADOW_SCRATCH_ARRIVAL,     /* an envelope that is being opened */
    SHADOW_SCRATCH_BEFORE,      /* a state to go back to */
    SHADOW_SCRATCH_USER,        /* what of it belongs to the users */
    SHADOW_SCRATCH__MAX,
} ShadowScratch;

/*
 * @len bytes, of which each has any value, or NULL if there is no memory for
 * them, or if somebody has not given @which back yet.
 */
uint8_t *shadow_scratch_take(ShadowScratch which, size_t len);

/* The first @used bytes, which are a secret, are wiped. */
void shadow_scratch_give(ShadowScratch which, size_t used);

#endif /* SHADOW_SCRATCH_H */
