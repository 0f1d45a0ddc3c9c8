/*
 * Tests of the sealed envelope
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "shadow/migration/shadow-seal.h"
#include <gcrypt.h>

/* Offsets in the header, from docs/envelope.rst */
enum {
    OFF_VERSION = 4, OFF_SUITE = 5, OFF_PURPOSE = 6, OFF_TAG_LEN = 7,
    OFF_EPOCH = 8, OFF_PADDED_LEN = 16, OFF_RESERVED = 20, OFF_SALT = 24,
    OFF_KEY_ID = 40, OFF_HOST_ID = 48, OFF_TAG = 56, OFF_BODY = 112,
};

static const ShadowSealInfo info = {
    .tag = "vm1",
    .purpose = SHADOW_SEAL_MIGRATION,
    .epoch = 7,
    .host_id = "hostAAA",
};

static const ShadowSealExpect expect = {
    .tag = "vm1",
    .purpose = SHADOW_SEAL_MIGRATION,
    .last_epoch = 6,
    .host_id = (const uint8_t *)"hostBBB",
};

static ShadowSecret *key;
static uint8_t secret[32];

static void from_hex(const char *hex, uint8_t *out)
{
    for (; *hex; hex += 2) {
        *out++ = g_ascii_xdigit_value(hex[0]) << 4 |
                 g_ascii_xdigit_value(hex[1]);
    }
}

static bool seal_as(const ShadowSealInfo *what, const void *payload,
                    size_t len, uint8_t *env, Error **errp)
{
    memcpy(env + SHADOW_SEAL_PAYLOAD, payload, len);
    return shadow_seal(what, key, env, len, errp);
}

static uint8_t *seal(const void *payload, size_t len, size_t *env_len)
{
    uint8_t *env;

    *env_len = shadow_seal_size(len);
    env = g_malloc(*env_len);
    g_assert_true(seal_as(&info, payload, len, env, &error_abort));
    return env;
}

/* In memory of the exact size, so that a sanitizer sees overreads */
static ShadowSealResult open_copy(const ShadowSealExpect *what,
                                  const ShadowSecret *const *keys,
                                  size_t nkeys,
                                  const void *env, size_t env_len,
                                  uint8_t **payload, size_t *len,
                                  ShadowSealInfo *got, Error **errp)
{
    g_autofree uint8_t *copy = g_memdup2(env, env_len);
    ShadowSealResult result = shadow_open(what, keys, nkeys, copy, env_len,
                                          payload, len, got, errp);

    if (result == SHADOW_SEAL_OK) {
        g_assert_true(*payload == copy + SHADOW_SEAL_PAYLOAD);
        *payload = g_memdup2(*payload, MAX(*len, 1));
    } else if (env_len && memcmp(copy, env, env_len)) {
        g_assert_cmpmem(copy, OFF_BODY, env, OFF_BODY);
        g_assert_true(buffer_is_zero(copy + OFF_BODY,
                                     ldl_be_p(copy + OFF_PADDED_LEN)));
    }
    return result;
}

/* Opens an envelope that must be refused; returns the reason. */
static ShadowSealResult refused(const ShadowSealExpect *what,
                                const void *env, size_t env_len)
{
    const ShadowSecret *keys[] = { key };
    uint8_t *payload = (uint8_t *)env;
    ShadowSealInfo got, untouched;
    size_t len = 1;
    Error *err = NULL;
    ShadowSealResult result;

    memset(&untouched, 0x5a, sizeof(untouched));
    got = untouched;
    result = open_copy(what, keys, ARRAY_SIZE(keys), env, env_len,
                       &payload, &len, &got, &err);
    g_assert_cmpint(result, !=, SHADOW_SEAL_OK);
    g_assert_null(payload);
    g_assert_cmpuint(len, ==, 0);
    g_assert_cmpmem(&got, sizeof(got), &untouched, sizeof(untouched));
    g_assert_nonnull(err);
    error_free(err);
    return result;
}

static void opens_to(const void *env, size_t env_len,
                     const void *wanted, size_t wanted_len)
{
    const ShadowSecret *keys[] = { key };
    g_autofree uint8_t *payload = NULL;
    ShadowSealInfo got;
    size_t len;

    g_assert_cmpint(open_copy(&expect, keys, ARRAY_SIZE(keys), env, env_len,
                              &payload, &len, &got, &error_abort),
                    ==, SHADOW_SEAL_OK);
    g_assert_nonnull(payload);
    g_assert_cmpmem(payload, len, wanted, wanted_len);
    g_assert_cmpstr(got.tag, ==, info.tag);
    g_assert_cmpuint(got.epoch, ==, info.epoch);
    g_assert_cmpint(got.purpose, ==, info.purpose);
    g_assert_cmpmem(got.host_id, 8, info.host_id, 8);
}

/* What a holder of the key could make: any header, any padded bytes */
static void forge(uint8_t *env, size_t padded_len)
{
    uint8_t prk[32], okm[44], hkdf_info[19 + OFF_BODY] = "qemu-shadow seal v1";
    gcry_cipher_hd_t cipher;
    uint8_t *body = env + OFF_BODY;

    memcpy(hkdf_info + 19, env, OFF_BODY);
    shadow_hkdf_extract(env + OFF_SALT, 16, secret, sizeof(secret), prk);
    shadow_hkdf_expand(prk, 32, hkdf_info, sizeof(hkdf_info), okm, 44);
    gcry_cipher_open(&cipher, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM, 0);
    gcry_cipher_setkey(cipher, okm, 32);
    gcry_cipher_setiv(cipher, okm + 32, 12);
    gcry_cipher_authenticate(cipher, env, OFF_BODY);
    gcry_cipher_encrypt(cipher, body, padded_len, NULL, 0);
    gcry_cipher_gettag(cipher, body + padded_len, SHADOW_SEAL_AUTH_LEN);
    gcry_cipher_close(cipher);
}

static void test_hkdf(void)
{
    /* RFC 5869, appendix A.1 to A.3 */
    static const struct {
        int ikm_len, salt_first, salt_len, info_first, info_len, okm_len;
        const char *prk, *okm;
    } cases[] = {
        { 22, 0x00, 13, 0xf0, 10, 42,
          "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
          "34007208d5b887185865" },
        { 80, 0x60, 80, 0xb0, 80, 82,
          "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
          "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
          "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
          "cc30c58179ec3e87c14c01d5c1f3434f1d87" },
        { 22, 0, 0, 0, 0, 42,
          "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
          "9d201395faa4b61a96c8" },
    };
    uint8_t ikm[80], salt[80], hkdf_info[80];
    uint8_t prk[32], okm[82], want_prk[32], want_okm[82], big[255 * 32 + 1];
    int i, j;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        for (j = 0; j < 80; j++) {
            ikm[j] = j;
            salt[j] = cases[i].salt_first + j;
            hkdf_info[j] = cases[i].info_first + j;
        }
        if (cases[i].ikm_len == 22) {
            memset(ikm, 0x0b, 22);
        }
        from_hex(cases[i].prk, want_prk);
        from_hex(cases[i].okm, want_okm);
        g_assert_true(shadow_hkdf_extract(salt, cases[i].salt_len,
                                          ikm, cases[i].ikm_len, prk));
        g_assert_cmpmem(prk, 32, want_prk, 32);
        g_assert_true(shadow_hkdf_expand(prk, 32, hkdf_info, cases[i].info_len,
                                         okm, cases[i].okm_len));
        g_assert_cmpmem(okm, cases[i].okm_len, want_okm, cases[i].okm_len);
    }
    g_assert_true(shadow_hkdf_expand(prk, 32, "", 0, big, sizeof(big) - 1));
    g_assert_false(shadow_hkdf_expand(prk, 32, "", 0, big, sizeof(big)));
}

static void test_secret(void)
{
    uint8_t bytes[SHADOW_SECRET_MAX_LEN + 1] = { 1 };
    static const size_t good[] = { 32, 33, 64, 65, 4096 };
    static const size_t bad[] = { 0, 31, 4097 };
    int i;

    for (i = 0; i < ARRAY_SIZE(good); i++) {
        g_autoptr(ShadowSecret) s = shadow_secret_new(bytes, good[i],
                                                      &error_abort);
        g_assert_cmpint(memcmp(shadow_secret_id(s), shadow_secret_id(key),
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
        g_autofree uint8_t *env = seal(payload, sizes[i].len, &env_len);

        g_assert_cmpuint(env_len, ==, sizes[i].class + 128);
        g_assert_cmpuint(ldl_be_p(env + OFF_PADDED_LEN), ==, sizes[i].class);
        g_assert_cmpuint(ldl_be_p(env + OFF_RESERVED), ==, 0);
        opens_to(env, env_len, payload, sizes[i].len);
    }
    g_assert_cmpuint(shadow_seal_size(16 * MiB - 3), ==, 0);
    g_assert_cmpuint(shadow_seal_size(SIZE_MAX), ==, 0);
    g_assert_false(shadow_seal(&info, key, none, 16 * MiB - 3, &err));
    error_free_or_abort(&err);
    g_assert_cmphex(none[0], ==, 0x5a);
}

static void test_bad_info(void)
{
    ShadowSealInfo bad[] = { info, info, info, info, info };
    uint8_t out[4096 + 128];
    int i;

    bad[0].tag[0] = 0;
    memset(bad[1].tag, 'x', sizeof(bad[1].tag));
    bad[2].tag[1] = '\n';
    bad[3].epoch = 0;
    bad[4].purpose = 4;
    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        Error *err = NULL;

        g_assert_false(seal_as(&bad[i], "payload", 7, out, &err));
        error_free_or_abort(&err);
        /* nobody is to find it there */
        g_assert_null(memmem(out, sizeof(out), "payload", 7));
    }
    bad[1].tag[SHADOW_SEAL_TAG_MAX] = 0;
    g_assert_true(seal_as(&bad[1], "", 0, out, &error_abort));
}

static void test_fresh(void)
{
    size_t len;
    g_autofree uint8_t *a = seal("same", 4, &len);
    g_autofree uint8_t *b = seal("same", 4, &len);
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
    g_autofree uint8_t *env = seal("payload", 7, &len);
    int bit;

    for (off = 0; off < len; off++) {
        for (bit = 0; bit < 8; bit++) {
            ShadowSealResult result;

            env[off] ^= 1 << bit;
            result = refused(&expect, env, len);
            g_assert_true(is_blind_reason(result));
            if (flip_reason(off) != SHADOW_SEAL__MAX) {
                g_assert_cmpint(result, ==, flip_reason(off));
            }
            env[off] ^= 1 << bit;
        }
    }
    opens_to(env, len, "payload", 7);

    /* Valid headers, but not this one: nothing but the seal gives it away. */
    env[OFF_PURPOSE] = SHADOW_SEAL_SNAPSHOT;
    g_assert_cmpint(refused(&expect, env, len), ==, SHADOW_SEAL_BAD_TAG);
    env[OFF_PURPOSE] = SHADOW_SEAL_MIGRATION;
    env[OFF_EPOCH + 7] = 1;
    g_assert_cmpint(refused(&expect, env, len), ==, SHADOW_SEAL_BAD_TAG);
    env[OFF_EPOCH + 7] = 7;
    env[OFF_TAG + 2] = '2';
    g_assert_cmpint(refused(&expect, env, len), ==, SHADOW_SEAL_BAD_TAG);
    env[OFF_TAG + 2] = '1';
    memcpy(env + OFF_HOST_ID, expect.host_id, 8);
    g_assert_cmpint(refused(&expect, env, len), ==, SHADOW_SEAL_BAD_TAG);
}

static void test_lengths(void)
{
    static const size_t more[] = { 1, 15, 16, 17, 112, 4096, 4224, 65536 };
    size_t len, i;
    g_autofree uint8_t *env = seal("payload", 7, &len);
    g_autofree uint8_t *copy = NULL;

    for (i = 0; i < len; i++) {
        g_assert_cmpint(refused(&expect, env, i), ==, SHADOW_SEAL_TRUNCATED);
    }
    for (i = 0; i < ARRAY_SIZE(more); i++) {
        copy = g_malloc0(len + more[i]);
        memcpy(copy, env, len);
        g_assert_cmpint(refused(&expect, copy, len + more[i]), ==,
                        SHADOW_SEAL_TRAILING);
        g_clear_pointer(&copy, g_free);
    }
}

static void test_reasons(void)
{
    ShadowSealExpect what = expect;
    size_t len;
    g_autofree uint8_t *env = seal("payload", 7, &len);
    uint8_t other[32] = { 99 };
    ShadowSecret *mine = key;
    const ShadowSecret *both[2];
    uint8_t *payload;
    size_t payload_len;
    int i;

    what.tag = "vm2";
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_WRONG_GUEST);
    what.tag = "vm";
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_WRONG_GUEST);
    what = expect;
    what.purpose = SHADOW_SEAL_SNAPSHOT;
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_WRONG_PURPOSE);
    what = expect;
    what.host_id = info.host_id;
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_REFLECTED);
    what = expect;
    what.last_epoch = 7;
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_STALE);
    what.last_epoch = UINT64_MAX;
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_STALE);

    key = shadow_secret_new(other, sizeof(other), &error_abort);
    g_assert_cmpint(refused(&expect, env, len), ==, SHADOW_SEAL_UNKNOWN_KEY);
    /* Another secret under this secret's name */
    memcpy(env + OFF_KEY_ID, shadow_secret_id(key), SHADOW_SEAL_KEY_ID_LEN);
    g_assert_cmpint(refused(&expect, env, len), ==, SHADOW_SEAL_BAD_TAG);
    memcpy(env + OFF_KEY_ID, shadow_secret_id(mine), SHADOW_SEAL_KEY_ID_LEN);

    /* The right one of several keys; no host id to compare with */
    what = expect;
    what.host_id = NULL;
    both[0] = key;
    both[1] = mine;
    g_assert_cmpint(open_copy(&what, both, 2, env, len, &payload,
                              &payload_len, NULL, &error_abort),
                    ==, SHADOW_SEAL_OK);
    g_free(payload);
    shadow_secret_free(key);
    key = mine;

    for (i = 0; i < SHADOW_SEAL__MAX; i++) {
        g_assert_nonnull(shadow_seal_reason_str(i));
    }
    g_assert_cmpstr(shadow_seal_reason_str(SHADOW_SEAL_STALE), ==, "stale");
}

/* A snapshot may be old, and this host's own; only where that is allowed */
static void test_snapshots(void)
{
    ShadowSealExpect what = expect;
    ShadowSealInfo snapshot = info, out;
    size_t len;
    g_autofree uint8_t *move = seal("payload", 7, &len);
    g_autofree uint8_t *env = g_malloc(len);
    uint8_t *payload;
    size_t payload_len;

    snapshot.purpose = SHADOW_SEAL_SNAPSHOT;
    g_assert_true(seal_as(&snapshot, "payload", 7, env, &error_abort));
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_WRONG_PURPOSE);

    what.snapshots = true;
    what.host_id = info.host_id;
    g_assert_cmpint(refused(&what, move, len), ==, SHADOW_SEAL_REFLECTED);
    what.last_epoch = UINT64_MAX;
    g_assert_cmpint(open_copy(&what, (const ShadowSecret *const *)&key, 1,
                              env, len, &payload, &payload_len, &out,
                              &error_abort), ==, SHADOW_SEAL_OK);
    g_assert_cmpint(out.purpose, ==, SHADOW_SEAL_SNAPSHOT);
    g_assert_cmpmem(payload, payload_len, "payload", 7);
    g_free(payload);
    what.host_id = NULL;
    g_assert_cmpint(refused(&what, move, len), ==, SHADOW_SEAL_STALE);
    what.tag = "vm2";
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_WRONG_GUEST);
}

/* What goes ahead of a migration's envelope passes for none, nor for old. */
static void test_history(void)
{
    ShadowSealExpect what = expect;
    ShadowSealInfo history = info, out;
    size_t len = shadow_seal_size(7);
    g_autofree uint8_t *env = g_malloc(len);
    uint8_t *payload;
    size_t payload_len;

    history.purpose = SHADOW_SEAL_HISTORY;
    g_assert_true(seal_as(&history, "payload", 7, env, &error_abort));
    g_assert_cmpmem(shadow_seal_salt(env), SHADOW_SEAL_SALT_LEN,
                    env + OFF_SALT, 16);
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_WRONG_PURPOSE);
    what.snapshots = true;
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_WRONG_PURPOSE);

    what.history = true;
    g_assert_cmpint(open_copy(&what, (const ShadowSecret *const *)&key, 1,
                              env, len, &payload, &payload_len, &out,
                              &error_abort), ==, SHADOW_SEAL_OK);
    g_assert_cmpint(out.purpose, ==, SHADOW_SEAL_HISTORY);
    g_assert_cmpmem(payload, payload_len, "payload", 7);
    g_free(payload);
    what.last_epoch = 7;
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_STALE);
    what.host_id = info.host_id;
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_REFLECTED);
    what.tag = "vm2";
    g_assert_cmpint(refused(&what, env, len), ==, SHADOW_SEAL_WRONG_GUEST);
}

static void test_padding(void)
{
    size_t len, i;
    g_autofree uint8_t *env = seal("payload", 7, &len);
    uint8_t *body = env + OFF_BODY;
    static const uint32_t lengths[] = {
        4093, 4096, 16 * MiB - 4, 16 * MiB, INT32_MAX, UINT32_MAX - 3,
        UINT32_MAX
    };

    for (i = 11; i < 4096; i += i < 4000 ? 61 : 1) {
        memset(body, 0, 4096);
        stl_be_p(body, 7);
        memcpy(body + 4, "payload", 7);
        body[i] = 1;
        forge(env, 4096);
        g_assert_cmpint(refused(&expect, env, len), ==,
                        SHADOW_SEAL_BAD_PADDING);
    }

    /* Lengths that do not belong together, though well authenticated */
    for (i = 0; i < ARRAY_SIZE(lengths); i++) {
        memset(body, 0, 4096);
        stl_be_p(body, lengths[i]);
        forge(env, 4096);
        g_assert_cmpint(refused(&expect, env, len), ==,
                        SHADOW_SEAL_BAD_PADDING);
    }
    stl_be_p(env + OFF_PADDED_LEN, 8192);
    env = g_realloc(env, 8192 + 128);
    memset(env + OFF_BODY, 0, 8192);
    forge(env, 8192);
    g_assert_cmpint(refused(&expect, env, 8192 + 128), ==,
                    SHADOW_SEAL_BAD_PADDING);
    stl_be_p(env + OFF_PADDED_LEN, 4096 + 16);
    forge(env, 4096 + 16);
    g_assert_cmpint(refused(&expect, env, 4096 + 16 + 128), ==,
                    SHADOW_SEAL_MALFORMED);
    stl_be_p(env + OFF_PADDED_LEN, 2048);
    forge(env, 2048);
    g_assert_cmpint(refused(&expect, env, 2048 + 128), ==,
                    SHADOW_SEAL_MALFORMED);
}

/*
 * Every format version and suite that ever was, as tests/golden/envelope.py
 * makes them from docs/envelope.rst.
 */
static const char *const golden[] = {
    "envelope-1-1.bin",
};

static void test_golden(void)
{
    for (int i = 0; i < ARRAY_SIZE(golden); i++) {
        g_autofree char *path = g_build_filename(SHADOW_GOLDEN, golden[i],
                                                 NULL);
        g_autofree char *env = NULL;
        g_autoptr(GError) err = NULL;
        gsize len;

        g_file_get_contents(path, &env, &len, &err);
        g_assert_no_error(err);
        opens_to(env, len, "golden payload", 14);
    }
}

/* What is sealed now opens to the same as what was sealed then. */
static void test_golden_sealed(void)
{
    static const char payload[] = "golden payload";
    size_t len;
    g_autofree uint8_t *env = seal(payload, strlen(payload), &len);
    g_autofree char *path = g_build_filename(SHADOW_GOLDEN, golden[0], NULL);
    g_autofree char *file = NULL;
    gsize file_len;

    g_assert_true(g_file_get_contents(path, &file, &file_len, NULL));
    g_assert_cmpuint(len, ==, file_len);
    /* shadow_seal() has made all of the header but the salt. */
    memcpy(env + OFF_SALT, file + OFF_SALT, 16);
    memset(env + OFF_BODY, 0, 4096);
    stl_be_p(env + OFF_BODY, strlen(payload));
    memcpy(env + OFF_BODY + 4, payload, strlen(payload));
    forge(env, 4096);
    g_assert_cmpmem(env, len, file, file_len);
}

int main(int argc, char **argv)
{
    int i, ret;

    g_test_init(&argc, &argv, NULL);
    shadow_secret_init(&error_abort);
    for (i = 0; i < sizeof(secret); i++) {
        secret[i] = i;
    }
    key = shadow_secret_new(secret, sizeof(secret), &error_abort);

    g_test_add_func("/shadow/seal/hkdf", test_hkdf);
    g_test_add_func("/shadow/seal/secret", test_secret);
    g_test_add_func("/shadow/seal/sizes", test_sizes);
    g_test_add_func("/shadow/seal/bad-info", test_bad_info);
    g_test_add_func("/shadow/seal/fresh", test_fresh);
    g_test_add_func("/shadow/seal/flips", test_flips);
    g_test_add_func("/shadow/seal/lengths", test_lengths);
    g_test_add_func("/shadow/seal/reasons", test_reasons);
    g_test_add_func("/shadow/seal/snapshots", test_snapshots);
    g_test_add_func("/shadow/seal/history", test_history);
    g_test_add_func("/shadow/seal/padding", test_padding);
    g_test_add_func("/shadow/seal/golden/opened", test_golden);
    g_test_add_func("/shadow/seal/golden/sealed", test_golden_sealed);
    ret = g_test_run();
    shadow_secret_free(key);
    return ret;
}
