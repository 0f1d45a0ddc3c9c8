/*
 * Bounded ring of console bytes, addressed by absolute position
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "migration/qemu-file.h"
#include "shadow/hw/char/shadow-ring.h"

/* Read at once; a QEMUFile has room for more */
#define SHADOW_RING_READ (4 * KiB)

void shadow_ring_init(ShadowRing *ring, uint32_t capacity)
{
    assert(capacity >= 1 && capacity <= SHADOW_RING_MAX_CAPACITY);
    *ring = (ShadowRing) {
        .data = g_malloc(capacity),
        .capacity = capacity,
    };
}

void shadow_ring_free(ShadowRing *ring)
{
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

    ring->linear.start = ring->start;
    ring->linear.len = shadow_ring_used(ring);
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

/* Not copied here: whoever saves may not change the ring before a flush. */
static int shadow_ring_put_bytes(QEMUFile *f, void *opaque, size_t size,
                                 const VMStateField *field, JSONWriter *desc)
{
    ShadowRing *ring = opaque;
    const uint8_t *run;
    uint64_t pos;
    uint32_t n;

    for (pos = ring->start; (run = shadow_ring_peek(ring, pos, &n)); pos += n) {
        qemu_put_buffer_async(f, run, n, false);
    }
    return 0;
}

/* Straight from the file's own buffer, and only as much as the ring holds. */
static int shadow_ring_get_bytes(QEMUFile *f, void *opaque, size_t size,
                                 const VMStateField *field)
{
    ShadowRing *ring = opaque;
    uint32_t left, n;
    uint8_t *run;

    ring->start = ring->linear.start;
    ring->end = ring->linear.start;
    ring->lost = 0;
    for (left = ring->linear.len; left; left -= n) {
        n = qemu_peek_buffer(f, &run, MIN(left, SHADOW_RING_READ), 0);
        if (!n) {
            return -EIO;
        }
        ring->lost += shadow_ring_push(ring, run, n);
        qemu_file_skip(f, n);
    }
    return 0;
}

static const VMStateInfo shadow_ring_bytes = {
    .name = "shadow-ring bytes",
    .put = shadow_ring_put_bytes,
    .get = shadow_ring_get_bytes,
};

const VMStateDescription vmstate_shadow_ring = {
    .name = "shadow-ring",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = shadow_ring_pre_save,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(linear.start, ShadowRing),
        VMSTATE_VALIDATE("start is in range", shadow_ring_start_valid),
        VMSTATE_UINT32(linear.len, ShadowRing),
        /* Must stand before the field that reads this many bytes */
        VMSTATE_VALIDATE("length is in range", shadow_ring_len_valid),
        {
            .name = "linear.data",
            .info = &shadow_ring_bytes,
            .flags = VMS_SINGLE,
        },
        VMSTATE_END_OF_LIST()
    },
};
