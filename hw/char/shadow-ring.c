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
    ring->from = 0;
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

uint32_t shadow_ring_take_back(ShadowRing *ring, const uint8_t *buf,
                               uint32_t len)
{
    uint32_t n = MIN(MIN(len, shadow_ring_space(ring)), ring->start);

    for (uint32_t i = 1; i <= n; i++) {
        ring->start--;
        ring->data[ring->start % ring->capacity] = buf[len - i];
    }
    return n;
}

void shadow_ring_discard(ShadowRing *ring, uint64_t pos)
{
    ring->start = MAX(ring->start, MIN(pos, ring->end));
}

static int shadow_ring_pre_save(void *opaque)
{
    ShadowRing *ring = opaque;

    ring->linear.start = MIN(MAX(ring->start, ring->from), ring->end);
    ring->linear.len = ring->end - ring->linear.start;
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

    for (pos = ring->linear.start; (run = shadow_ring_peek(ring, pos, &n));
         pos += n) {
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

/* The part of @buf, whose first byte has position @pos, in [@from, @to) */
static void shadow_ring_put_back(ShadowRing *ring, uint64_t pos,
                                 const uint8_t *buf, uint32_t len,
                                 uint64_t from, uint64_t to)
{
    uint64_t p, end = MIN(pos + len, to);
    uint32_t n;

    for (p = MAX(pos, from); p < end; p += n) {
        uint32_t offset = p % ring->capacity;

        n = MIN(end - p, ring->capacity - offset);
        memcpy(ring->data + offset, buf + (p - pos), n);
    }
}

static int shadow_ring_get_before(QEMUFile *f, void *opaque, size_t size,
                                  const VMStateField *field)
{
    ShadowRing *ring = opaque;
    uint64_t pos = ring->linear.start, end = pos + ring->linear.len;
    uint64_t from = MAX(pos, ring->end - MIN(ring->end, ring->capacity));
    uint8_t *run;
    uint32_t n;

    if (end < ring->start) {
        /* the source itself has overwritten what stood between the two */
        from = ring->start;
    }
    for (; pos < end; pos += n) {
        n = qemu_peek_buffer(f, &run, MIN(end - pos, SHADOW_RING_READ), 0);
        if (!n) {
            return -EIO;
        }
        shadow_ring_put_back(ring, pos, run, n, from, ring->start);
        qemu_file_skip(f, n);
    }
    ring->start = MIN(ring->start, from);
    return 0;
}

static const VMStateInfo shadow_ring_bytes = {
    .name = "shadow-ring bytes",
    .put = shadow_ring_put_bytes,
    .get = shadow_ring_get_bytes,
};

static const VMStateInfo shadow_ring_bytes_before = {
    .name = "shadow-ring bytes",
    .put = shadow_ring_put_bytes,
    .get = shadow_ring_get_before,
};

/* The length must stand, checked, before the field that reads as much */
#define SHADOW_RING_FIELDS(bytes)                                           \
    (const VMStateField[]) {                                                \
        VMSTATE_UINT64(linear.start, ShadowRing),                           \
        VMSTATE_VALIDATE("start is in range", shadow_ring_start_valid),     \
        VMSTATE_UINT32(linear.len, ShadowRing),                             \
        VMSTATE_VALIDATE("length is in range", shadow_ring_len_valid),      \
        {                                                                   \
            .name = "linear.data",                                          \
            .info = &bytes,                                                 \
            .flags = VMS_SINGLE,                                            \
        },                                                                  \
        VMSTATE_END_OF_LIST()                                               \
    }

const VMStateDescription vmstate_shadow_ring = {
    .name = "shadow-ring",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = shadow_ring_pre_save,
    .fields = SHADOW_RING_FIELDS(shadow_ring_bytes),
};

const VMStateDescription vmstate_shadow_ring_before = {
    .name = "shadow-ring",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = shadow_ring_pre_save,
    .fields = SHADOW_RING_FIELDS(shadow_ring_bytes_before),
};
