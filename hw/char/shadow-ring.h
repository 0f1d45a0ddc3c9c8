/*
 * Bounded ring of console bytes, addressed by absolute position
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Position n is the n-th byte that ever passed, across hosts and however
 * much has been dropped since.  The ring holds [start, end).
 */

#ifndef SHADOW_HW_CHAR_SHADOW_RING_H
#define SHADOW_HW_CHAR_SHADOW_RING_H

#include "qemu/units.h"
#include "migration/vmstate.h"

/* So that a few rings fit into one envelope */
#define SHADOW_RING_MAX_CAPACITY (2 * MiB)

typedef struct ShadowRing {
    uint8_t *data;
    uint32_t capacity;
    uint64_t start;
    uint64_t end;

    /* Bytes that the last load had no room for */
    uint32_t lost;

    /* Bytes before this position are not saved */
    uint64_t from;

    /* What of it is in the stream: [start, start + len) */
    struct {
        uint64_t start;
        uint32_t len;
    } linear;
} ShadowRing;

/* @capacity is 1 to SHADOW_RING_MAX_CAPACITY; check it before. */
void shadow_ring_init(ShadowRing *ring, uint32_t capacity);

/* May be called on a ring that was only zeroed, and twice */
void shadow_ring_free(ShadowRing *ring);

/* Empty, and counting from 0 again */
void shadow_ring_reset(ShadowRing *ring);

static inline uint32_t shadow_ring_used(const ShadowRing *ring)
{
    return ring->end - ring->start;
}

static inline uint32_t shadow_ring_space(const ShadowRing *ring)
{
    return ring->capacity - shadow_ring_used(ring);
}

/*
 * Appends all of @buf.  What exceeds the capacity is dropped, oldest first;
 * returns how many bytes that were.
 */
uint64_t shadow_ring_push(ShadowRing *ring, const void *buf, size_t len);

/*
 * The longest run from @pos on that lies in one piece, to be used before the
 * next push.  NULL and 0 if the ring does not hold @pos.
 */
const uint8_t *shadow_ring_peek(const ShadowRing *ring, uint64_t pos,
                                uint32_t *len);

/*
 * Puts @buf before what the ring holds: bytes that were discarded.  Returns
 * how many of them, the last ones, there was room for.
 */
uint32_t shadow_ring_take_back(ShadowRing *ring, const uint8_t *buf,
                               uint32_t len);

/* Drops everything before @pos. */
void shadow_ring_discard(ShadowRing *ring, uint64_t pos);

/*
 * How many of the saved bytes the ring was too small for.  Loading keeps the
 * newest; a post_load that cannot do without the others refuses if not 0.
 */
static inline uint32_t shadow_ring_lost(const ShadowRing *ring)
{
    return ring->lost;
}

/*
 * For VMSTATE_STRUCT(field, state, 1, vmstate_shadow_ring, ShadowRing).  The
 * ring may not change between its being saved and qemu_fflush(), and one that
 * could not be loaded holds whatever has arrived.
 */
extern const VMStateDescription vmstate_shadow_ring;

/*
 * The same in the stream, for a ring that was just loaded.  The bytes that stand
 * before those that the ring holds are put there, as far as there is room.  If
 * they end earlier, the source had no room for what came between, and a ring
 * holds one piece: then the newer bytes stay, and nothing is added.
 */
extern const VMStateDescription vmstate_shadow_ring_before;

#endif
