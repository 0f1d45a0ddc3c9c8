/*
 * Tests of the sealed envelope: what opens, and what is refused for which
 * reason.  Its format is in test-shadow-seal-format.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "shadow-seal-tests.h"

static void test_secret(void)
{
    uint8_t bytes[SHADOW_SECRET_MAX_LEN + 1] = { 1 };
    static const size_t good[] = { 32, 33, 64, 65, 4096 };
    static const size_t bad[] = { 0, 31, 4097 };
    int i;

    for (i = 0; i < ARRAY_SIZE(good); i++) {
        g_autoptr(ShadowSecret) s = shadow_secret_new(bytes, good[i],
                                                      &error_abort);
        g_assert_cmpint(memcmp(shadow_secret_id(s), shadow_secret_id(seal_key),
                               SHADOW_SEAL_KEY_ID_LEN), !=, 0);
    }
    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        Error *err = NULL;

        g_assert_null(shadow_secret_new(bytes, bad[i], &err));
        error_free_or_abort(&err);
    }
}

static void test_sizes(void)
{
    static const struct {
        size_t len, class;
    } sizes[] = {
        { 0, 4 * KiB }, { 1, 4 * KiB }, { 4091, 4 * KiB },
        { 4092, 4 * KiB }, { 4093, 8 * KiB }, { 8187, 8 * KiB },
        { 8188, 8 * KiB }, { 8189, 16 * KiB }, { 1 * MiB - 4, 1 * MiB },
        { 1 * MiB - 3, 2 * MiB }, { 16 * MiB - 5, 16 * MiB },
        { 16 * MiB - 4, 16 * MiB },
    };
    g_autofree uint8_t *payload = g_malloc(16 * MiB);
    uint8_t none[1] = { 0x5a };
    Error *err = NULL;
    size_t i;

    for (i = 0; i < 16 * MiB; i++) {
        payload[i] = (i + 1) * 0x9e3779b1u >> 24;
    }
    for (i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t env_len;
        g_autofree uint8_t *env = seal_new(payload, sizes[i].len, &env_len);

        g_assert_cmpuint(env_len, ==, sizes[i].class + 128);
        g_assert_cmpuint(ldl_be_p(env + OFF_PADDED_LEN), ==, sizes[i].class);
        g_assert_cmpuint(ldl_be_p(env + OFF_RESERVED), ==, 0);
        seal_opens_to(env, env_len, payload, sizes[i].len);
    }
    g_assert_cmpuint(shadow_seal_size(16 * MiB - 3), ==, 0);
    g_assert_cmpuint(shadow_seal_size(SIZE_MAX), ==, 0);
    g_assert_false(shadow_seal(&seal_info, seal_key, none, 16 * MiB - 3, &err));
    error_free_or_abort(&err);
    g_assert_cmphex(none[0], ==, 0x5a);
}

static void test_bad_info(void)
{
    ShadowSealInfo bad[] = {
        seal_info, seal_info, seal_info, seal_info, seal_info
    };
    uint8_t out[4096 + 128];
    int i;

    bad[0].guest[0] = 0;
    memset(bad[1].guest, 'x', sizeof(bad[1].guest));
    bad[2].guest[1] = '\n';
    bad[3].epoch = 0;
    bad[4].purpose = SHADOW_SEAL_PAGES + 1;
    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        Error *err = NULL;

        g_assert_false(seal_as(&bad[i], "payload", 7, out, &err));
        error_free_or_abort(&err);
        /* nobody is to find it there */
        g_assert_null(memmem(out, sizeof(out), "payload", 7));
    }
    bad[1].guest[SHADOW_SEAL_ID_MAX] = 0;
    g_assert_true(seal_as(&bad[1], "", 0, out, &error_abort));
}

static void test_fresh(void)
{
    size_t len;
    g_autofree uint8_t *a = seal_new("same", 4, &len);
    g_autofree uint8_t *b = seal_new("same", 4, &len);
    size_t i, same = 0;

    g_assert_cmpmem(a, OFF_SALT, b, OFF_SALT);
    g_assert_cmpint(memcmp(a + OFF_SALT, b + OFF_SALT, 16), !=, 0);
    g_assert_cmpmem(a + OFF_KEY_ID, OFF_BODY - OFF_KEY_ID,
                    b + OFF_KEY_ID, OFF_BODY - OFF_KEY_ID);
    /* Under one key stream the padding alone would be 4088 equal bytes. */
    for (i = OFF_BODY; i < len; i++) {
        same += a[i] == b[i];
    }
    g_assert_cmpuint(same, <, 100);
}

/* Only what can be said of bytes that nobody vouches for */
static bool is_blind_reason(ShadowSealResult result)
{
    return result >= SHADOW_SEAL_TRUNCATED && result <= SHADOW_SEAL_BAD_TAG;
}

static ShadowSealResult flip_reason(size_t off)
{
    switch (off) {
    case 0 ... 3:
        return SHADOW_SEAL_BAD_MAGIC;
    case OFF_VERSION:
        return SHADOW_SEAL_BAD_VERSION;
    case OFF_SUITE:
        return SHADOW_SEAL_BAD_SUITE;
    case OFF_KEY_ID ... OFF_KEY_ID + 7:
        return SHADOW_SEAL_UNKNOWN_KEY;
    case OFF_RESERVED ... OFF_RESERVED + 3:
    case OFF_TAG + 3 ... OFF_BODY - 1:
        return SHADOW_SEAL_MALFORMED;
    case OFF_PURPOSE ... OFF_PURPOSE + 1:
    case OFF_PADDED_LEN ... OFF_PADDED_LEN + 3:
    case OFF_TAG ... OFF_TAG + 2:
        return SHADOW_SEAL__MAX;        /* depends on the bit */
    default:
        return SHADOW_SEAL_BAD_TAG;
    }
}

static void test_flips(void)
{
    size_t len, off;
    g_autofree uint8_t *env = seal_new("payload", 7, &len);
    int bit;

    for (off = 0; off < len; off++) {
        for (bit = 0; bit < 8; bit++) {
            ShadowSealResult result;

            env[off] ^= 1 << bit;
            result = seal_refused(&seal_expect, env, len);
            g_assert_true(is_blind_reason(result));
            if (flip_reason(off) != SHADOW_SEAL__MAX) {
                g_assert_cmpint(result, ==, flip_reason(off));
            }
            env[off] ^= 1 << bit;
        }
    }
    seal_opens_to(env, len, "payload", 7);

    /* Valid headers, but not this one: nothing but the seal gives it away. */
    env[OFF_PURPOSE] = SHADOW_SEAL_SNAPSHOT;
    assert_refused(&seal_expect, env, len, SHADOW_SEAL_BAD_TAG);
    env[OFF_PURPOSE] = SHADOW_SEAL_MIGRATION;
    env[OFF_EPOCH + 7] = 1;
    assert_refused(&seal_expect, env, len, SHADOW_SEAL_BAD_TAG);
    env[OFF_EPOCH + 7] = 7;
    env[OFF_TAG + 2] = '2';
    assert_refused(&seal_expect, env, len, SHADOW_SEAL_BAD_TAG);
    env[OFF_TAG + 2] = '1';
    memcpy(env + OFF_SEALER_ID, seal_expect.sealer_id, 8);
    assert_refused(&seal_expect, env, len, SHADOW_SEAL_BAD_TAG);
}

static void test_lengths(void)
{
    static const size_t more[] = { 1, 15, 16, 17, 112, 4096, 4224, 65536 };
    size_t len, i;
    g_autofree uint8_t *env = seal_new("payload", 7, &len);
    g_autofree uint8_t *copy = NULL;

    for (i = 0; i < len; i++) {
        assert_refused(&seal_expect, env, i, SHADOW_SEAL_TRUNCATED);
    }
    for (i = 0; i < ARRAY_SIZE(more); i++) {
        copy = g_malloc0(len + more[i]);
        memcpy(copy, env, len);
        assert_refused(&seal_expect, copy, len + more[i], SHADOW_SEAL_TRAILING);
        g_clear_pointer(&copy, g_free);
    }
}

static void test_reasons(void)
{
    ShadowSealExpect what = seal_expect;
    size_t len;
    g_autofree uint8_t *env = seal_new("payload", 7, &len);
    uint8_t other[32] = { 99 };
    ShadowSecret *mine = seal_key;
    const ShadowSecret *both[2];
    uint8_t *payload;
    size_t payload_len;
    int i;

    what.guest = "vm2";
    assert_refused(&what, env, len, SHADOW_SEAL_WRONG_GUEST);
    what.guest = "vm";
    assert_refused(&what, env, len, SHADOW_SEAL_WRONG_GUEST);
    what = seal_expect;
    what.purpose = SHADOW_SEAL_SNAPSHOT;
    assert_refused(&what, env, len, SHADOW_SEAL_WRONG_PURPOSE);
    what = seal_expect;
    what.sealer_id = seal_info.sealer_id;
    assert_refused(&what, env, len, SHADOW_SEAL_REFLECTED);
    what = seal_expect;
    what.last_epoch = 7;
    assert_refused(&what, env, len, SHADOW_SEAL_STALE);
    what.last_epoch = UINT64_MAX;
    assert_refused(&what, env, len, SHADOW_SEAL_STALE);

    seal_key = shadow_secret_new(other, sizeof(other), &error_abort);
    assert_refused(&seal_expect, env, len, SHADOW_SEAL_UNKNOWN_KEY);
    /* Another secret under this secret's name */
    memcpy(env + OFF_KEY_ID, shadow_secret_id(seal_key),
           SHADOW_SEAL_KEY_ID_LEN);
    assert_refused(&seal_expect, env, len, SHADOW_SEAL_BAD_TAG);
    memcpy(env + OFF_KEY_ID, shadow_secret_id(mine), SHADOW_SEAL_KEY_ID_LEN);

    /* The right one of several keys; no sealer to compare with */
    what = seal_expect;
    what.sealer_id = NULL;
    both[0] = seal_key;
    both[1] = mine;
    g_assert_cmpint(seal_open(&what, both, 2, env, len, &payload,
                              &payload_len, NULL, &error_abort),
                    ==, SHADOW_SEAL_OK);
    g_free(payload);
    shadow_secret_free(seal_key);
    seal_key = mine;

    for (i = 0; i < SHADOW_SEAL__MAX; i++) {
        g_assert_nonnull(shadow_seal_reason_str(i));
    }
    g_assert_cmpstr(shadow_seal_reason_str(SHADOW_SEAL_STALE), ==, "stale");
}

/* A snapshot may be old, and this host's own; only where that is allowed */
static void test_snapshots(void)
{
    ShadowSealExpect what = seal_expect;
    ShadowSealInfo snapshot = seal_info, out;
    size_t len;
    g_autofree uint8_t *move = seal_new("payload", 7, &len);
    g_autofree uint8_t *env = g_malloc(len);
    uint8_t *payload;
    size_t payload_len;

    snapshot.purpose = SHADOW_SEAL_SNAPSHOT;
    g_assert_true(seal_as(&snapshot, "payload", 7, env, &error_abort));
    assert_refused(&what, env, len, SHADOW_SEAL_WRONG_PURPOSE);

    what.snapshots = true;
    what.sealer_id = seal_info.sealer_id;
    assert_refused(&what, move, len, SHADOW_SEAL_REFLECTED);
    what.last_epoch = UINT64_MAX;
    g_assert_cmpint(seal_open(&what, (const ShadowSecret *const *)&seal_key, 1,
                              env, len, &payload, &payload_len, &out,
                              &error_abort), ==, SHADOW_SEAL_OK);
    g_assert_cmpint(out.purpose, ==, SHADOW_SEAL_SNAPSHOT);
    g_assert_cmpmem(payload, payload_len, "payload", 7);
    g_free(payload);
    what.sealer_id = NULL;
    assert_refused(&what, move, len, SHADOW_SEAL_STALE);
    what.guest = "vm2";
    assert_refused(&what, env, len, SHADOW_SEAL_WRONG_GUEST);
}

/* What goes ahead of a migration's envelope passes for none, nor for old. */
static void test_history(void)
{
    ShadowSealExpect what = seal_expect;
    ShadowSealInfo history = seal_info, out;
    size_t len = shadow_seal_size(7);
    g_autofree uint8_t *env = g_malloc(len);
    uint8_t *payload;
    size_t payload_len;

    history.purpose = SHADOW_SEAL_HISTORY;
    g_assert_true(seal_as(&history, "payload", 7, env, &error_abort));
    g_assert_cmpmem(shadow_seal_salt(env), SHADOW_SEAL_SALT_LEN,
                    env + OFF_SALT, 16);
    assert_refused(&what, env, len, SHADOW_SEAL_WRONG_PURPOSE);
    what.snapshots = true;
    assert_refused(&what, env, len, SHADOW_SEAL_WRONG_PURPOSE);

    what.ahead = true;
    g_assert_cmpint(seal_open(&what, (const ShadowSecret *const *)&seal_key, 1,
                              env, len, &payload, &payload_len, &out,
                              &error_abort), ==, SHADOW_SEAL_OK);
    g_assert_cmpint(out.purpose, ==, SHADOW_SEAL_HISTORY);
    g_assert_cmpmem(payload, payload_len, "payload", 7);
    g_free(payload);
    what.last_epoch = 7;
    assert_refused(&what, env, len, SHADOW_SEAL_STALE);
    what.sealer_id = seal_info.sealer_id;
    assert_refused(&what, env, len, SHADOW_SEAL_REFLECTED);
    what.guest = "vm2";
    assert_refused(&what, env, len, SHADOW_SEAL_WRONG_GUEST);
}

int main(int argc, char **argv)
{
    seal_test_init(&argc, &argv);
    g_test_add_func("/shadow/seal/secret", test_secret);
    g_test_add_func("/shadow/seal/sizes", test_sizes);
    g_test_add_func("/shadow/seal/bad-info", test_bad_info);
    g_test_add_func("/shadow/seal/fresh", test_fresh);
    g_test_add_func("/shadow/seal/flips", test_flips);
    g_test_add_func("/shadow/seal/lengths", test_lengths);
    g_test_add_func("/shadow/seal/reasons", test_reasons);
    g_test_add_func("/shadow/seal/snapshots", test_snapshots);
    g_test_add_func("/shadow/seal/history", test_history);
    return seal_test_run();
}
