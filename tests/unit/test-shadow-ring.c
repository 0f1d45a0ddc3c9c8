/*
 * Tests of the console ring
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "io/channel-buffer.h"
#include "migration/qemu-file-types.h"
#include "migration/qemu-file.h"
#include "migration/savevm.h"
#include "shadow/hw/char/shadow-ring.h"
#include "shadow/include/compat.h"

/* All bytes from position @first on are the low byte of their position. */
static void push_counting(ShadowRing *ring, uint64_t first, size_t len)
{
    g_autofree uint8_t *buf = g_malloc(len + 1);
    size_t i;

    for (i = 0; i < len; i++) {
        buf[i] = first + i;
    }
    shadow_ring_push(ring, buf, len);
}

/* The ring holds what @all, whose first byte is at position 0, has there. */
static void check_contents(const ShadowRing *ring, const GByteArray *all)
{
    uint64_t pos = ring->start;
    const uint8_t *run;
    uint32_t n;
    int runs = 0;

    g_assert_cmpuint(ring->end, ==, all->len);
    while ((run = shadow_ring_peek(ring, pos, &n))) {
        g_assert_cmpuint(n, >, 0);
        g_assert_cmpmem(run, n, all->data + pos, n);
        pos += n;
        runs++;
    }
    g_assert_cmpuint(n, ==, 0);
    g_assert_cmpuint(pos, ==, ring->end);
    g_assert_cmpint(runs, <=, 2);
}

static void test_empty(void)
{
    ShadowRing ring;
    uint32_t n = 1;

    shadow_ring_init(&ring, 1);
    g_assert_cmpuint(shadow_ring_space(&ring), ==, 1);
    g_assert_null(shadow_ring_peek(&ring, 0, &n));
    g_assert_cmpuint(n, ==, 0);
    g_assert_cmpuint(shadow_ring_push(&ring, NULL, 0), ==, 0);
    g_assert_cmpuint(shadow_ring_push(&ring, "abc", 3), ==, 2);
    g_assert_cmpint(*shadow_ring_peek(&ring, 2, &n), ==, 'c');
    g_assert_null(shadow_ring_peek(&ring, 1, &n));
    g_assert_null(shadow_ring_peek(&ring, UINT64_MAX, &n));
    shadow_ring_reset(&ring);
    g_assert_cmpuint(ring.end, ==, 0);
    g_assert_cmpuint(shadow_ring_used(&ring), ==, 0);
    shadow_ring_free(&ring);
    shadow_ring_free(&ring);
}

static void test_model(void)
{
    static const uint32_t capacities[] = { 1, 2, 7, 64, 100 };
    GRand *rnd = g_rand_new_with_seed(20240607);
    uint8_t buf[300];
    int i, j;

    for (i = 0; i < ARRAY_SIZE(capacities); i++) {
        g_autoptr(GByteArray) all = g_byte_array_new();
        uint64_t start = 0, old_start;
        ShadowRing ring;

        shadow_ring_init(&ring, capacities[i]);
        for (j = 0; j < 5000; j++) {
            if (g_rand_boolean(rnd)) {
                size_t k, len = g_rand_int_range(rnd, 0, j % 10 ? 20 : 300);

                for (k = 0; k < len; k++) {
                    buf[k] = g_rand_int(rnd);
                }
                g_byte_array_append(all, buf, len);
                old_start = start;
                if (all->len - start > capacities[i]) {
                    start = all->len - capacities[i];
                }
                g_assert_cmpuint(shadow_ring_push(&ring, buf, len), ==,
                                 start - old_start);
            } else {
                /* Sometimes before the start, sometimes behind the end */
                uint64_t pos = all->len + 5 - g_rand_int_range(rnd, 0, 120);

                pos = (int64_t)pos < 0 ? 0 : pos;
                start = MAX(start, MIN(pos, all->len));
                shadow_ring_discard(&ring, pos);
            }
            g_assert_cmpuint(ring.start, ==, start);
            g_assert_cmpuint(shadow_ring_used(&ring), ==, all->len - start);
            g_assert_cmpuint(shadow_ring_space(&ring), ==,
                             capacities[i] - (all->len - start));
            check_contents(&ring, all);
        }
        shadow_ring_free(&ring);
    }
    g_rand_free(rnd);
}

static GByteArray *save(ShadowRing *ring)
{
    QIOChannelBuffer *bioc = qio_channel_buffer_new(64);
    QEMUFile *f = qemu_file_new_output(QIO_CHANNEL(bioc));
    GByteArray *stream = g_byte_array_new();

    g_assert_cmpint(shadow_vmstate_save(f, &vmstate_shadow_ring, ring,
                                        &error_abort), ==, 0);
    g_assert_cmpint(qemu_fflush(f), ==, 0);
    g_byte_array_append(stream, bioc->data, bioc->usage);
    qemu_fclose(f);
    object_unref(OBJECT(bioc));
    return stream;
}

static int load_as(const VMStateDescription *vmsd, ShadowRing *ring,
                   const uint8_t *stream, size_t len)
{
    QIOChannelBuffer *bioc = qio_channel_buffer_new(len + 1);
    QEMUFile *f;
    int ret;

    memcpy(bioc->data, stream, len);
    bioc->data[len] = QEMU_VM_EOF;
    bioc->usage = len + 1;
    f = qemu_file_new_input(QIO_CHANNEL(bioc));
    ret = shadow_vmstate_load(f, vmsd, ring, 1, NULL);
    if (ret == 0) {
        g_assert_cmpint(qemu_get_byte(f), ==, QEMU_VM_EOF);
        ret = qemu_file_get_error(f);
    }
    qemu_fclose(f);
    object_unref(OBJECT(bioc));
    return ret;
}

static int load(ShadowRing *ring, const uint8_t *stream, size_t len)
{
    return load_as(&vmstate_shadow_ring, ring, stream, len);
}

/* Save a full, wrapped, partly read ring; load it into one of @capacity. */
static void check_round_trip(uint32_t capacity, uint64_t start, uint32_t lost)
{
    g_autoptr(GByteArray) stream = NULL;
    g_autoptr(GByteArray) again = NULL;
    ShadowRing from, to;
    const uint8_t *run;
    uint64_t pos;
    uint32_t n;

    shadow_ring_init(&from, 64);
    push_counting(&from, 0, 1000);
    shadow_ring_discard(&from, 950);

    stream = save(&from);
    g_assert_cmpuint(stream->len, ==, 8 + 4 + 50);
    g_assert_cmpuint(ldq_be_p(stream->data), ==, 950);
    g_assert_cmpuint(ldl_be_p(stream->data + 8), ==, 50);

    /* Saving changes nothing that is saved. */
    g_assert_cmpuint(from.start, ==, 950);
    g_assert_cmpuint(from.end, ==, 1000);
    again = save(&from);
    g_assert_cmpmem(again->data, again->len, stream->data, stream->len);

    shadow_ring_init(&to, capacity);
    shadow_ring_push(&to, "forgotten", 9);
    g_assert_cmpint(load(&to, stream->data, stream->len), ==, 0);
    g_assert_cmpuint(to.start, ==, start);
    g_assert_cmpuint(to.end, ==, 1000);
    g_assert_cmpuint(shadow_ring_lost(&to), ==, lost);
    for (pos = start; pos < 1000; pos++) {
        run = shadow_ring_peek(&to, pos, &n);
        g_assert_nonnull(run);
        g_assert_cmpint(*run, ==, (uint8_t)pos);
    }
    shadow_ring_free(&from);
    shadow_ring_free(&to);
}

static void test_vmstate(void)
{
    check_round_trip(64, 950, 0);
    check_round_trip(50, 950, 0);
    check_round_trip(49, 951, 1);
    check_round_trip(1, 999, 49);
    check_round_trip(4096, 950, 0);
}

static void test_vmstate_empty(void)
{
    g_autoptr(GByteArray) stream = NULL;
    ShadowRing ring;

    shadow_ring_init(&ring, 16);
    push_counting(&ring, 0, 100);
    shadow_ring_discard(&ring, 100);
    stream = save(&ring);
    g_assert_cmpuint(stream->len, ==, 12);
    shadow_ring_reset(&ring);
    g_assert_cmpint(load(&ring, stream->data, stream->len), ==, 0);
    g_assert_cmpuint(ring.start, ==, 100);
    g_assert_cmpuint(ring.end, ==, 100);
    shadow_ring_free(&ring);
}

/* [@from, 1000) of a ring that had [@first, @end) sent ahead */
static int join(ShadowRing *ring, uint64_t from, uint64_t first, uint64_t end)
{
    g_autoptr(GByteArray) ahead = NULL;
    g_autoptr(GByteArray) rest = NULL;
    ShadowRing source;
    int ret;

    shadow_ring_init(&source, 1000);
    push_counting(&source, 0, end);
    shadow_ring_discard(&source, first);
    ahead = save(&source);
    push_counting(&source, end, 1000 - end);
    source.from = from;
    rest = save(&source);
    g_assert_cmpuint(rest->len, ==, 12 + 1000 - MAX(from, first));
    g_assert_cmpint(load(ring, rest->data, rest->len), ==, 0);
    ret = load_as(&vmstate_shadow_ring_before, ring, ahead->data, ahead->len);
    shadow_ring_free(&source);
    return ret;
}

/* All of [@start, 1000) that it has room for, each byte as it was pushed */
static void check_holds(const ShadowRing *ring, uint64_t start)
{
    uint64_t pos;
    uint32_t n;

    start = MAX(start, 1000 - MIN(ring->capacity, 1000));
    g_assert_cmpuint(ring->start, ==, start);
    g_assert_cmpuint(ring->end, ==, 1000);
    for (pos = start; pos < 1000; pos++) {
        const uint8_t *run = shadow_ring_peek(ring, pos, &n);

        g_assert_nonnull(run);
        g_assert_cmpint(*run, ==, (uint8_t)pos);
    }
}

static void check_joined(uint32_t capacity, uint64_t from, uint64_t first,
                         uint64_t end)
{
    ShadowRing ring;

    shadow_ring_init(&ring, capacity);
    g_assert_cmpint(join(&ring, from, first, end), ==, 0);
    check_holds(&ring, MIN(first, from));
    shadow_ring_free(&ring);
}

/*
 * The source had room for @size bytes only: since it sent ahead what there was
 * up to @end it may have overwritten more than that.
 */
static void check_overtaken(uint32_t capacity, uint32_t size, uint64_t end)
{
    g_autoptr(GByteArray) ahead = NULL;
    g_autoptr(GByteArray) rest = NULL;
    uint64_t kept = 1000 - size;
    ShadowRing source, ring;

    shadow_ring_init(&source, size);
    push_counting(&source, 0, end);
    ahead = save(&source);
    push_counting(&source, end, 1000 - end);
    source.from = end;
    rest = save(&source);
    shadow_ring_free(&source);

    shadow_ring_init(&ring, capacity);
    g_assert_cmpint(load(&ring, rest->data, rest->len), ==, 0);
    g_assert_cmpint(load_as(&vmstate_shadow_ring_before, &ring, ahead->data,
                            ahead->len), ==, 0);
    check_holds(&ring, end < kept ? kept : end - MIN(end, size));
    shadow_ring_free(&ring);
}

static void test_joined(void)
{
    static const uint32_t capacities[] = { 1, 50, 99, 100, 101, 777, 4096 };

    for (int i = 0; i < ARRAY_SIZE(capacities); i++) {
        check_joined(capacities[i], 900, 0, 900);
        check_joined(capacities[i], 900, 250, 900);
        check_joined(capacities[i], 700, 250, 900);     /* unsent then */
        check_joined(capacities[i], 1000, 0, 1000);     /* nothing since */
        check_joined(capacities[i], 0, 0, 0);           /* nothing before */
        check_joined(capacities[i], 300, 300, 900);     /* all of it unsent */
    }
}

static void test_overtaken(void)
{
    static const uint32_t capacities[] = { 1, 50, 99, 100, 101, 777, 4096 };

    for (int i = 0; i < ARRAY_SIZE(capacities); i++) {
        check_overtaken(capacities[i], 100, 500);
        check_overtaken(capacities[i], 100, 899);       /* by one byte */
        check_overtaken(capacities[i], 100, 900);       /* just not */
        check_overtaken(capacities[i], 100, 950);
        check_overtaken(capacities[i], 1, 0);
    }
}

/* What is hostile leaves a ring that can be used. */
static void test_joined_hostile(void)
{
    uint8_t stream[12 + 4] = { };
    ShadowRing ring;

    shadow_ring_init(&ring, 16);
    push_counting(&ring, 0, 40);
    stq_be_p(stream, INT64_MAX);
    stl_be_p(stream + 8, 4);
    load_as(&vmstate_shadow_ring_before, &ring, stream, sizeof(stream));
    stq_be_p(stream, 20);
    stl_be_p(stream + 8, 5);    /* which are not there */
    g_assert_cmpint(load_as(&vmstate_shadow_ring_before, &ring, stream,
                            sizeof(stream)), !=, 0);
    g_assert_cmpuint(ring.end, ==, 40);
    g_assert_cmpuint(ring.start, ==, 24);
    stl_be_p(stream + 8, SHADOW_RING_MAX_CAPACITY + 1);
    g_assert_cmpint(load_as(&vmstate_shadow_ring_before, &ring, stream,
                            sizeof(stream)), !=, 0);
    shadow_ring_free(&ring);
}

static int load_header(ShadowRing *ring, uint64_t start, uint32_t len)
{
    uint8_t stream[12];

    stq_be_p(stream, start);
    stl_be_p(stream + 8, len);
    return load(ring, stream, sizeof(stream));
}

static void test_hostile(void)
{
    static const uint32_t lengths[] = {
        SHADOW_RING_MAX_CAPACITY + 1, INT32_MAX, INT32_MAX + 1u, UINT32_MAX
    };
    static const uint64_t starts[] = {
        INT64_MAX + 1ull, UINT64_MAX - 1, UINT64_MAX
    };
    ShadowRing ring;
    int i;

    shadow_ring_init(&ring, 16);
    shadow_ring_push(&ring, "kept", 4);
    for (i = 0; i < ARRAY_SIZE(lengths); i++) {
        g_assert_cmpint(load_header(&ring, 0, lengths[i]), !=, 0);
    }
    for (i = 0; i < ARRAY_SIZE(starts); i++) {
        g_assert_cmpint(load_header(&ring, starts[i], 0), !=, 0);
    }

    g_assert_cmpuint(ring.start, ==, 0);
    g_assert_cmpmem(ring.data, ring.end, "kept", 4);

    /* A length that is allowed, without the bytes; and again over the rest */
    g_assert_cmpint(load_header(&ring, 0, SHADOW_RING_MAX_CAPACITY), !=, 0);
    g_assert_cmpint(load_header(&ring, 0, 2), !=, 0);
    g_assert_cmpuint(ring.start, <=, ring.end);
    g_assert_cmpuint(shadow_ring_used(&ring), <=, 16);

    g_assert_cmpint(load_header(&ring, INT64_MAX, 0), ==, 0);
    g_assert_cmpuint(ring.end, ==, INT64_MAX);
    shadow_ring_push(&ring, "on", 2);
    g_assert_cmpuint(ring.end, ==, INT64_MAX + 2ull);
    shadow_ring_free(&ring);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_INIT_QOM);
    g_test_add_func("/shadow/ring/empty", test_empty);
    g_test_add_func("/shadow/ring/model", test_model);
    g_test_add_func("/shadow/ring/vmstate", test_vmstate);
    g_test_add_func("/shadow/ring/vmstate-empty", test_vmstate_empty);
    g_test_add_func("/shadow/ring/hostile", test_hostile);
    g_test_add_func("/shadow/ring/joined", test_joined);
    g_test_add_func("/shadow/ring/overtaken", test_overtaken);
    g_test_add_func("/shadow/ring/joined-hostile", test_joined_hostile);
    return g_test_run();
}
