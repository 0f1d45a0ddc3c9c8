/*
 * Tests of envelopes that are sealed to a host, and signed by one
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/migration/shadow-seal-internal.h"

/* Offsets, from docs/envelope.rst, of an envelope of the smallest class */
enum {
    OFF_SUITE = 5, OFF_EPOCH = 8, OFF_SALT = 24, OFF_KEY_ID = 40,
    OFF_TAG = 56, OFF_ENC = 112, OFF_SIGNER = 144, OFF_BODY = 176,
    OFF_GCM_TAG = OFF_BODY + 4096, OFF_SIG = OFF_GCM_TAG + 16,
    ENV_LEN = OFF_SIG + 64,
};

static const char payload[] = "what the user typed";

static const ShadowSealInfo info = {
    .guest = "vm1",
    .purpose = SHADOW_SEAL_MIGRATION,
    .epoch = 7,
    .sealer_id = "hostAAA",
};

static ShadowHostKey *source, *target, *other;

static ShadowHostKey *new_host(uint8_t first)
{
    const uint8_t secret[32] = { first };

    return shadow_host_key_new(secret, sizeof(secret), &error_abort);
}

/* What the target takes: from the source, and from the other host */
static ShadowSealExpect expectation(uint8_t signers[64])
{
    memcpy(signers, shadow_host_key_signing(other), 32);
    memcpy(signers + 32, shadow_host_key_signing(source), 32);
    return (ShadowSealExpect) {
        .guest = "vm1",
        .purpose = SHADOW_SEAL_MIGRATION,
        .last_epoch = 6,
        .sealer_id = (const uint8_t *)"hostBBB",
        .host = target,
        .signers = signers,
        .n_signers = 2,
    };
}

static void seal(uint8_t env[ENV_LEN])
{
    g_assert_cmpuint(shadow_seal_host_size(sizeof(payload)), ==, ENV_LEN);
    memcpy(env + SHADOW_SEAL_HOST_PAYLOAD, payload, sizeof(payload));
    g_assert_true(shadow_seal_to_host(&info,
                                      shadow_host_key_encryption(target),
                                      source, env, sizeof(payload),
                                      &error_abort));
}

static ShadowSealResult open_env(const ShadowSealExpect *expect,
                                 const uint8_t *env, size_t len)
{
    g_autofree uint8_t *copy = g_memdup2(env, len);
    Error *err = NULL;
    uint8_t *plain;
    size_t plain_len;
    ShadowSealResult result = shadow_open(expect, NULL, 0, copy, len, &plain,
                                          &plain_len, NULL, &err);

    if (result == SHADOW_SEAL_OK) {
        g_assert_cmpmem(plain, plain_len, payload, sizeof(payload));
    } else {
        g_assert_null(plain);
        g_assert_true(!len || !memmem(copy, len, payload, 8));
        g_assert_nonnull(err);
        error_free(err);
    }
    return result;
}

static void test_round_trip(void)
{
    uint8_t signers[64], env[ENV_LEN], again[ENV_LEN];
    ShadowSealExpect expect = expectation(signers);

    seal(env);
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==, SHADOW_SEAL_OK);
    g_assert_null(memmem(env, ENV_LEN, payload, 8));

    /* nothing but the first part of the header and the names come again */
    seal(again);
    g_assert_cmpmem(env, OFF_SALT, again, OFF_SALT);
    g_assert_cmpint(memcmp(env + OFF_SALT, again + OFF_SALT, 16), !=, 0);
    g_assert_cmpint(memcmp(env + OFF_ENC, again + OFF_ENC, 32), !=, 0);
    g_assert_cmpint(memcmp(env + OFF_BODY, again + OFF_BODY, 4096), !=, 0);
}

static void test_flips(void)
{
    uint8_t signers[64], env[ENV_LEN];
    ShadowSealExpect expect = expectation(signers);

    seal(env);
    /* of the ciphertext every seventh: each takes a whole verification */
    for (int i = 0; i < ENV_LEN;
         i += i >= OFF_BODY && i < OFF_GCM_TAG - 7 ? 7 : 1) {
        ShadowSealResult result;

        env[i] ^= 1 << (i % 8);
        result = open_env(&expect, env, ENV_LEN);
        g_assert_cmpint(result, !=, SHADOW_SEAL_OK);
        if (i >= OFF_KEY_ID && i < OFF_KEY_ID + 8) {
            g_assert_cmpint(result, ==, SHADOW_SEAL_UNKNOWN_KEY);
        } else if (i >= OFF_SIGNER && i < OFF_BODY) {
            g_assert_cmpint(result, ==, SHADOW_SEAL_UNKNOWN_SIGNER);
        } else if (i >= OFF_ENC) {
            g_assert_cmpint(result, ==, SHADOW_SEAL_BAD_SIGNATURE);
        }
        env[i] ^= 1 << (i % 8);
    }
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==, SHADOW_SEAL_OK);
}

static void test_lengths(void)
{
    uint8_t signers[64], env[ENV_LEN + 1] = { };
    ShadowSealExpect expect = expectation(signers);

    seal(env);
    for (size_t len = 0; len < ENV_LEN; len++) {
        g_assert_cmpint(open_env(&expect, env, len), ==,
                        SHADOW_SEAL_TRUNCATED);
    }
    g_assert_cmpint(open_env(&expect, env, ENV_LEN + 1), ==,
                    SHADOW_SEAL_TRAILING);
}

static void test_other_hosts(void)
{
    uint8_t signers[64], env[ENV_LEN];
    ShadowSealExpect expect = expectation(signers);

    seal(env);

    /* sealed to another host than the one that was given it */
    expect.host = other;
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_UNKNOWN_KEY);
    /* and L1 cannot make it fit by its key id */
    memcpy(env + OFF_KEY_ID, shadow_host_key_encryption(other), 8);
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_BAD_SIGNATURE);
    expect.host = NULL;
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_UNKNOWN_KEY);

    /* of a host that the operator has not listed */
    seal(env);
    expect = expectation(signers);
    expect.n_signers = 1;
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_UNKNOWN_SIGNER);
    expect.n_signers = 0;
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_UNKNOWN_SIGNER);

    /* a listed host's name under another's envelope */
    expect = expectation(signers);
    memcpy(env + OFF_SIGNER, shadow_host_key_signing(other), 32);
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_BAD_SIGNATURE);
}

/* All zero but for the first byte, or all ones, or that with the top bit */
static void no_key(uint8_t part[32], uint8_t first, unsigned variant)
{
    memset(part, variant & 1 ? 0xff : 0, 32);
    part[0] = first;
    part[31] ^= variant & 2 ? 0x80 : 0;
}

static ShadowSealResult open_without_key(const uint8_t *env, size_t off,
                                         uint8_t first, unsigned variant)
{
    uint8_t signers[64], copy[ENV_LEN];
    ShadowSealExpect expect = expectation(signers);

    memcpy(copy, env, ENV_LEN);
    no_key(copy + off, first, variant);
    if (off == OFF_ENC) {
        /* a host that is listed may sign what it likes */
        g_assert_true(seal_host_sign(copy, ENV_LEN,
                                     shadow_host_key_encryption(target),
                                     source));
    }
    return open_env(&expect, copy, ENV_LEN);
}

/*
 * Whatever L1 puts in the place of a key or a signature is refused; some
 * libgcrypt ends the program when it is given such a signer's key.
 */
static void test_no_keys(void)
{
    static const struct {
        size_t off;
        unsigned firsts;
        ShadowSealResult result;
    } parts[] = {
        { OFF_SIGNER, 256, SHADOW_SEAL_UNKNOWN_SIGNER },
        { OFF_ENC, 32, SHADOW_SEAL_BAD_TAG },
        { OFF_SIG, 32, SHADOW_SEAL_BAD_SIGNATURE },
        { OFF_SIG + 32, 32, SHADOW_SEAL_BAD_SIGNATURE },
    };
    uint8_t env[ENV_LEN];

    seal(env);
    for (int i = 0; i < ARRAY_SIZE(parts); i++) {
        for (unsigned first = 0; first < parts[i].firsts; first++) {
            for (unsigned variant = 0; variant < 4; variant++) {
                g_assert_cmpint(open_without_key(env, parts[i].off, first,
                                                 variant),
                                ==, parts[i].result);
            }
        }
    }

    /* and all of them at once */
    memset(env + OFF_ENC, 0, 64);
    memset(env + OFF_SIG, 0, 64);
    g_assert_cmpint(open_without_key(env, OFF_SIGNER, 0, 0), ==,
                    SHADOW_SEAL_UNKNOWN_SIGNER);
}

/* What an honest host has signed may still not be what is expected. */
static void test_judged(void)
{
    uint8_t signers[64], env[ENV_LEN];
    ShadowSealExpect expect = expectation(signers);

    seal(env);
    expect.guest = "vm2";
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_WRONG_GUEST);
    expect = expectation(signers);
    expect.purpose = SHADOW_SEAL_SNAPSHOT;
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_WRONG_PURPOSE);
    expect = expectation(signers);
    expect.sealer_id = info.sealer_id;
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_REFLECTED);
    expect = expectation(signers);
    expect.last_epoch = 7;
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==, SHADOW_SEAL_STALE);
}

/* The two suites do not pass for each other. */
static void test_suites(void)
{
    static const uint8_t bytes[32];
    g_autoptr(ShadowSecret) secret = shadow_secret_new(bytes, 32,
                                                       &error_abort);
    const ShadowSecret *keys[] = { secret };
    uint8_t signers[64], env[ENV_LEN], copy[ENV_LEN];
    ShadowSealExpect expect = expectation(signers);
    uint8_t *plain;
    size_t len;

    seal(env);
    env[OFF_SUITE] = 1;
    g_assert_cmpint(open_env(&expect, env, ENV_LEN), ==,
                    SHADOW_SEAL_TRAILING);

    len = shadow_seal_size(sizeof(payload));
    memcpy(env + SHADOW_SEAL_PAYLOAD, payload, sizeof(payload));
    g_assert_true(shadow_seal(&info, secret, env, sizeof(payload),
                              &error_abort));
    memcpy(copy, env, len);
    g_assert_cmpint(shadow_open(&expect, keys, 1, copy, len, &plain, &len,
                                NULL, &error_abort), ==, SHADOW_SEAL_OK);
    /* a guest without a secret takes no envelope that one could open */
    g_assert_cmpint(open_env(&expect, env, shadow_seal_size(sizeof(payload))),
                    ==, SHADOW_SEAL_UNKNOWN_KEY);
}

/* As tests/golden/envelope.py makes it from docs/envelope.rst alone */
static void test_golden(void)
{
    uint8_t signers[64];
    ShadowSealExpect expect = expectation(signers);
    g_autofree char *path = g_build_filename(SHADOW_GOLDEN,
                                             "envelope-1-2.bin", NULL);
    g_autofree char *env = NULL;
    g_autoptr(GError) err = NULL;
    uint8_t *plain;
    gsize env_len;
    size_t len;

    g_file_get_contents(path, &env, &env_len, &err);
    g_assert_no_error(err);
    g_assert_cmpint(shadow_open(&expect, NULL, 0, (uint8_t *)env, env_len,
                                &plain, &len, NULL, &error_abort),
                    ==, SHADOW_SEAL_OK);
    g_assert_cmpmem(plain, len, "golden payload", 14);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    shadow_secret_init(&error_abort);
    source = new_host(1);
    target = new_host(2);
    other = new_host(3);
    g_test_add_func("/shadow/seal-host/round-trip", test_round_trip);
    g_test_add_func("/shadow/seal-host/flips", test_flips);
    g_test_add_func("/shadow/seal-host/lengths", test_lengths);
    g_test_add_func("/shadow/seal-host/other-hosts", test_other_hosts);
    g_test_add_func("/shadow/seal-host/no-keys", test_no_keys);
    g_test_add_func("/shadow/seal-host/judged", test_judged);
    g_test_add_func("/shadow/seal-host/suites", test_suites);
    g_test_add_func("/shadow/seal-host/golden", test_golden);
    ret = g_test_run();
    shadow_host_key_free(source);
    shadow_host_key_free(target);
    shadow_host_key_free(other);
    return ret;
}
