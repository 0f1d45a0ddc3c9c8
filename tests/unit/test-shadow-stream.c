/*
 * Records of private memory: a chain of which nothing is taken but the next one
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "shadow/migration/shadow-secret.h"
#include "shadow/migration/shadow-stream.h"

#define RECORDS 4

/* Where the fields of a record are, as the format's table says */
#define AT_LENGTH   4
#define AT_NUMBER   16

static const uint8_t key[SHADOW_STREAM_KEY_LEN] = "a key that nobody else has here";
static const uint8_t other_key[SHADOW_STREAM_KEY_LEN] = "another key, of another session";
static const uint8_t id[SHADOW_STREAM_ID_LEN] = "session";
static const uint8_t other_id[SHADOW_STREAM_ID_LEN] = "another";

typedef struct Record {
    uint8_t *bytes;
    size_t len;
} Record;

static Record seal(ShadowStream *s, const char *text)
{
    Record r = { .len = shadow_stream_size(strlen(text)) };

    r.bytes = g_malloc(r.len);
    memcpy(r.bytes + SHADOW_STREAM_HEADER_LEN, text, strlen(text));
    g_assert_true(shadow_stream_seal(s, r.bytes, strlen(text)));
    return r;
}

/* A copy of @r is opened: the text that it has, or NULL. */
static char *open_record(ShadowStream *s, const uint8_t *bytes, size_t len)
{
    g_autofree uint8_t *copy = g_memdup2(bytes, MAX(len, 1));
    Error *err = NULL;
    size_t n;
    uint8_t *body = shadow_stream_open(s, copy, len, &n, &err);

    if (!body) {
        g_assert_nonnull(err);
        error_free(err);
        return NULL;
    }
    g_assert_null(err);
    g_assert_cmpuint(n % SHADOW_STREAM_CLASS, ==, 0);
    return g_strdup((char *)body);
}

static bool opens(ShadowStream *s, Record r, const char *text)
{
    g_autofree char *got = open_record(s, r.bytes, r.len);

    g_assert_true(!got || !strcmp(got, text));
    return got;
}

static const char *const texts[RECORDS] = { "one", "two", "three", "four" };

static void seal_all(Record r[RECORDS], ShadowStream **sealer)
{
    *sealer = shadow_stream_new(key, id);
    for (int i = 0; i < RECORDS; i++) {
        r[i] = seal(*sealer, texts[i]);
    }
}

static void free_all(Record r[RECORDS], ShadowStream *sealer)
{
    for (int i = 0; i < RECORDS; i++) {
        g_free(r[i].bytes);
    }
    shadow_stream_free(sealer);
}

static bool same(const ShadowStream *a, const ShadowStream *b)
{
    return shadow_stream_records(a) == shadow_stream_records(b) &&
           !memcmp(shadow_stream_digest(a), shadow_stream_digest(b),
                   SHADOW_STREAM_DIGEST_LEN);
}

static void test_in_order(void)
{
    g_autoptr(ShadowStream) opener = shadow_stream_new(key, id);
    ShadowStream *sealer;
    Record r[RECORDS];

    seal_all(r, &sealer);
    for (int i = 0; i < RECORDS; i++) {
        g_assert_false(same(sealer, opener));
        g_assert_true(opens(opener, r[i], texts[i]));
        /* twice is once too often */
        g_assert_false(opens(opener, r[i], texts[i]));
    }
    g_assert_true(same(sealer, opener));
    g_assert_cmpuint(shadow_stream_records(opener), ==, RECORDS);
    free_all(r, sealer);
}

/* Of all orders of four records, only the right one brings all of them. */
static void test_orders(void)
{
    ShadowStream *sealer;
    Record r[RECORDS];
    int whole = 0;

    seal_all(r, &sealer);
    for (unsigned order = 0; order < 256; order++) {
        g_autoptr(ShadowStream) opener = shadow_stream_new(key, id);
        unsigned taken = 0;

        for (int i = 0; i < RECORDS; i++) {
            unsigned which = order >> (2 * i) & 3;
            bool ok = opens(opener, r[which], texts[which]);

            /* exactly the next one is taken, whatever was tried before */
            g_assert_cmpint(ok, ==, which == taken);
            taken += ok;
        }
        g_assert_cmpint(same(sealer, opener), ==, taken == RECORDS);
        whole += taken == RECORDS;
    }
    g_assert_cmpint(whole, ==, 1);
    free_all(r, sealer);
}

/* As many records are not the same ones. */
static void test_digest(void)
{
    g_autoptr(ShadowStream) first = shadow_stream_new(key, id);
    g_autoptr(ShadowStream) second = shadow_stream_new(key, id);
    Record a = seal(first, "one"), b = seal(second, "two");

    g_assert_cmpuint(shadow_stream_records(first), ==,
                     shadow_stream_records(second));
    g_assert_false(same(first, second));
    g_free(a.bytes);
    g_free(b.bytes);
    /* nor are they if only the last one is the same */
    a = seal(first, "three");
    b = seal(second, "three");
    g_assert_cmpmem(a.bytes, a.len, b.bytes, b.len);
    g_assert_false(same(first, second));
    g_free(a.bytes);
    g_free(b.bytes);
}

static void test_every_bit(void)
{
    g_autoptr(ShadowStream) sealer = shadow_stream_new(key, id);
    g_autoptr(ShadowStream) opener = shadow_stream_new(key, id);
    Record r = seal(sealer, "text");

    for (size_t at = 0; at < r.len; at++) {
        /* in the middle of the body one bit of each byte will do */
        bool all = at < 64 || at >= r.len - 64;

        if (!all && at % 97) {
            continue;
        }
        for (int bit = 0; bit < (all ? 8 : 1); bit++) {
            r.bytes[at] ^= 1 << bit;
            g_assert_false(opens(opener, r, "text"));
            r.bytes[at] ^= 1 << bit;
        }
    }
    g_assert_cmpuint(shadow_stream_records(opener), ==, 0);
    g_assert_true(opens(opener, r, "text"));
    g_free(r.bytes);
}

static void test_cut(void)
{
    g_autoptr(ShadowStream) sealer = shadow_stream_new(key, id);
    g_autoptr(ShadowStream) opener = shadow_stream_new(key, id);
    Record r = seal(sealer, "text");
    static const size_t lens[] = { 0, 1, 23, 24, 39, 40, 41, 56, 65536 };

    for (int i = 0; i < ARRAY_SIZE(lens); i++) {
        g_assert_null(open_record(opener, r.bytes, lens[i]));
    }
    g_assert_null(open_record(opener, r.bytes, r.len - 1));
    /* a header that says so changes nothing, also for what would wrap */
    for (uint64_t len = 0; len <= UINT32_MAX; len = len * 2 + 65536) {
        stl_be_p(r.bytes + AT_LENGTH, len);
        g_assert_cmpint(opens(opener, r, "text"), ==, len == 65536);
        if (len == 65536) {
            break;
        }
    }
    g_free(r.bytes);
}

static void test_others(void)
{
    g_autoptr(ShadowStream) sealer = shadow_stream_new(key, id);
    g_autoptr(ShadowStream) session = shadow_stream_new(key, other_id);
    g_autoptr(ShadowStream) keyed = shadow_stream_new(other_key, id);
    g_autoptr(ShadowStream) opener = shadow_stream_new(key, id);
    Record r = seal(sealer, "text"), second = seal(sealer, "more");

    g_assert_false(opens(session, r, "text"));
    g_assert_false(opens(keyed, r, "text"));
    /* neither does its id help, nor its number */
    memcpy(r.bytes + 8, other_id, sizeof(other_id));
    g_assert_false(opens(session, r, "text"));
    stq_be_p(second.bytes + AT_NUMBER, 0);
    g_assert_false(opens(opener, second, "more"));
    g_free(r.bytes);
    g_free(second.bytes);
}

/* A refused record leaves none of its text where it was opened. */
static void test_wiped(void)
{
    g_autoptr(ShadowStream) sealer = shadow_stream_new(key, id);
    g_autoptr(ShadowStream) opener = shadow_stream_new(key, id);
    Record r = seal(sealer, "a secret text");
    Error *err = NULL;
    size_t n;

    r.bytes[r.len - 1] ^= 1;
    g_assert_null(shadow_stream_open(opener, r.bytes, r.len, &n, &err));
    error_free(err);
    g_assert_true(buffer_is_zero(r.bytes + SHADOW_STREAM_HEADER_LEN,
                                 r.len - SHADOW_STREAM_HEADER_LEN -
                                 SHADOW_STREAM_TAG_LEN));
    g_free(r.bytes);
}

/* As another implementation has it: AESGCM and hashlib of Python */
static void test_format(void)
{
    static const struct {
        uint8_t begin[8], tag[SHADOW_STREAM_TAG_LEN];
    } expected[] = {
        { { 0x0a, 0x6a, 0xcd, 0xa9, 0x0e, 0xdf, 0x27, 0xdc },
          { 0x06, 0x60, 0x24, 0x5c, 0xca, 0xc2, 0xc0, 0x85,
            0x21, 0x0a, 0x4f, 0x7f, 0x1a, 0x79, 0x48, 0xe0 } },
        { { 0xec, 0x53, 0x3c, 0xd4, 0x44, 0x18, 0x49, 0x5b },
          { 0x43, 0x62, 0x31, 0xac, 0xd5, 0x67, 0x0f, 0xc7,
            0x79, 0x6c, 0xca, 0xd3, 0xa6, 0xdf, 0x2e, 0x63 } },
    };
    static const uint8_t digest[SHADOW_STREAM_DIGEST_LEN] = {
        0xa6, 0xb0, 0x34, 0xc2, 0x60, 0x31, 0xe7, 0xd7,
        0xd9, 0x2c, 0xd5, 0x64, 0x0f, 0x68, 0x35, 0xed,
        0xf4, 0x5d, 0xb9, 0x90, 0x1f, 0x28, 0x93, 0xdc,
        0x27, 0x88, 0x7d, 0xd1, 0xbe, 0xfa, 0xa6, 0xe7,
    };
    g_autoptr(ShadowStream) sealer = shadow_stream_new(key, id);

    for (int i = 0; i < ARRAY_SIZE(expected); i++) {
        Record r = seal(sealer, texts[i]);

        g_assert_cmpmem(r.bytes, 4, "QSPR", 4);
        g_assert_cmpuint(ldl_be_p(r.bytes + AT_LENGTH), ==, 65536);
        g_assert_cmpmem(r.bytes + 8, 8, id, 8);
        g_assert_cmpuint(ldq_be_p(r.bytes + AT_NUMBER), ==, i);
        g_assert_cmpmem(r.bytes + SHADOW_STREAM_HEADER_LEN, 8,
                        expected[i].begin, 8);
        g_assert_cmpmem(r.bytes + r.len - SHADOW_STREAM_TAG_LEN,
                        SHADOW_STREAM_TAG_LEN, expected[i].tag,
                        SHADOW_STREAM_TAG_LEN);
        g_free(r.bytes);
    }
    g_assert_cmpmem(shadow_stream_digest(sealer), sizeof(digest), digest,
                    sizeof(digest));
}

static void test_sizes(void)
{
    g_assert_cmpuint(shadow_stream_size(0), ==, 40 + 65536);
    g_assert_cmpuint(shadow_stream_size(65536), ==, 40 + 65536);
    g_assert_cmpuint(shadow_stream_size(65537), ==, 40 + 131072);
    g_assert_cmpuint(shadow_stream_size(SHADOW_STREAM_BODY_MAX), ==,
                     40 + SHADOW_STREAM_BODY_MAX);
    g_assert_cmpuint(shadow_stream_size(SHADOW_STREAM_BODY_MAX + 1), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    shadow_secret_init(&error_fatal);
    g_test_add_func("/shadow/stream/in-order", test_in_order);
    g_test_add_func("/shadow/stream/orders", test_orders);
    g_test_add_func("/shadow/stream/digest", test_digest);
    g_test_add_func("/shadow/stream/every-bit", test_every_bit);
    g_test_add_func("/shadow/stream/cut", test_cut);
    g_test_add_func("/shadow/stream/others", test_others);
    g_test_add_func("/shadow/stream/wiped", test_wiped);
    g_test_add_func("/shadow/stream/format", test_format);
    g_test_add_func("/shadow/stream/sizes", test_sizes);
    return g_test_run();
}
