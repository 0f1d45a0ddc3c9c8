/*
 * Bounded ring of console bytes, addressed by absolute position
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow/hw/char/shadow-ring.h"

void shadow_ring_init(ShadowRing *ring, uint32_t capacity)
{
    assert(capacity >= 1 && capacity <= SHADOW_RING_MAX_CAPACITY);
    *ring = (ShadowRing) {
        .data = g_malloc(capacity),
        .capacity = capacity,
    };
}

static void shadow_ring_free_linear(ShadowRing *ring)
{
    g_clear_pointer(&ring->linear.data, g_free);
}

void shadow_ring_free(ShadowRing *ring)
{
    shadow_ring_free_linear(ring);
    g_free(ring->data);
    *ring = (ShadowRing) {};
}

void shadow_ring_reset(ShadowRing *ring)
{
    ring->start = 0;
    ring->end = 0;
    ring->lost = 0;
}

uint64_t shadow_ring_push(ShadowRing *ring, const void *buf, size_t len)
{
    uint64_t old_start = ring->start;
    size_t skip = len > ring->capacity ? len - ring->capacity : 0;
    size_t left = len - skip;

    buf += skip;
    ring->end += skip;
    while (left) {
        uint32_t offset = ring->end % ring->capacity;
        uint32_t n = MIN(left, ring->capacity - offset);

        memcpy(ring->data + offset, buf, n);
        buf += n;
        left -= n;
        ring->end += n;
    }
    if (ring->end - ring->start > ring->capacity) {
        ring->start = ring->end - ring->capacity;
    }
    return ring->start - old_start;
}

const uint8_t *shadow_ring_peek(const ShadowRing *ring, uint64_t pos,
                                uint32_t *len)
{
    uint32_t offset;

    if (pos < ring->start || pos >= ring->end) {
        *len = 0;
        return NULL;
    }
    offset = pos % ring->capacity;
    *len = MIN(ring->end - pos, ring->capacity - offset);
    return ring->data + offset;
}

void shadow_ring_discard(ShadowRing *ring, uint64_t pos)
{
    ring->start = MAX(ring->start, MIN(pos, ring->end));
}

static int shadow_ring_pre_save(void *opaque)
{
    ShadowRing *ring = opaque;
    const uint8_t *run;
    uint32_t done, n;

    shadow_ring_free_linear(ring);
    ring->linear.start = ring->start;
    ring->linear.len = shadow_ring_used(ring);
    ring->linear.data = g_malloc(ring->linear.len);
    for (done = 0; done < ring->linear.len; done += n) {
        run = shadow_ring_peek(ring, ring->start + done, &n);
        memcpy(ring->linear.data + done, run, n);
    }
    return 0;
}

static int shadow_ring_post_save(void *opaque)
{
    shadow_ring_free_linear(opaque);
    return 0;
}

static int shadow_ring_pre_load(void *opaque)
{
    /* A load that failed half-way leaves its copy behind. */
    shadow_ring_free_linear(opaque);
    return 0;
}

/* Leaves room to count on for ever: positions must not wrap. */
static bool shadow_ring_start_valid(void *opaque, int version_id)
{
    ShadowRing *ring = opaque;

    return ring->linear.start <= INT64_MAX;
}

static bool shadow_ring_len_valid(void *opaque, int version_id)
{
    ShadowRing *ring = opaque;

    return ring->linear.len <= SHADOW_RING_MAX_CAPACITY;
}

static int shadow_ring_post_load(void *opaque, int version_id)
{
    ShadowRing *ring = opaque;

    ring->start = ring->linear.start;
    ring->end = ring->linear.start;
    ring->lost = shadow_ring_push(ring, ring->linear.data, ring->linear.len);
    shadow_ring_free_linear(ring);
    return 0;
}

const VMStateDescription vmstate_shadow_ring = {
    .name = "shadow-ring",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = shadow_ring_pre_save,
    .post_save = shadow_ring_post_save,
    .pre_load = shadow_ring_pre_load,
    .post_load = shadow_ring_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(linear.start, ShadowRing),
        VMSTATE_VALIDATE("start is in range", shadow_ring_start_valid),
        VMSTATE_UINT32(linear.len, ShadowRing),
        /* Must stand before the field that allocates this many bytes */
        VMSTATE_VALIDATE("length is in range", shadow_ring_len_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(linear.data, ShadowRing, 0, NULL,
                                     linear.len),
        VMSTATE_END_OF_LIST()
    },
};
