/*
 * What the tests of the sealed envelope share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "shadow-seal-tests.h"

const ShadowSealInfo seal_info = {
    .guest = "vm1",
    .purpose = SHADOW_SEAL_MIGRATION,
    .epoch = 7,
    .sealer_id = "hostAAA",
};

const ShadowSealExpect seal_expect = {
    .guest = "vm1",
    .purpose = SHADOW_SEAL_MIGRATION,
    .last_epoch = 6,
    .sealer_id = (const uint8_t *)"hostBBB",
};

ShadowSecret *seal_key;
uint8_t seal_secret[32];

bool seal_as(const ShadowSealInfo *what, const void *payload, size_t len,
             uint8_t *env, Error **errp)
{
    memcpy(env + SHADOW_SEAL_PAYLOAD, payload, len);
    return shadow_seal(what, seal_key, env, len, errp);
}

uint8_t *seal_new(const void *payload, size_t len, size_t *env_len)
{
    uint8_t *env;

    *env_len = shadow_seal_size(len);
    env = g_malloc(*env_len);
    g_assert_true(seal_as(&seal_info, payload, len, env, &error_abort));
    return env;
}

ShadowSealResult seal_open(const ShadowSealExpect *what,
                           const ShadowSecret *const *keys, size_t nkeys,
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

ShadowSealResult seal_refused(const ShadowSealExpect *what, const void *env,
                              size_t env_len)
{
    const ShadowSecret *keys[] = { seal_key };
    uint8_t *payload = (uint8_t *)env;
    ShadowSealInfo got, untouched;
    size_t len = 1;
    Error *err = NULL;
    ShadowSealResult result;

    memset(&untouched, 0x5a, sizeof(untouched));
    got = untouched;
    result = seal_open(what, keys, ARRAY_SIZE(keys), env, env_len,
                       &payload, &len, &got, &err);
    g_assert_cmpint(result, !=, SHADOW_SEAL_OK);
    g_assert_null(payload);
    g_assert_cmpuint(len, ==, 0);
    g_assert_cmpmem(&got, sizeof(got), &untouched, sizeof(untouched));
    g_assert_nonnull(err);
    error_free(err);
    return result;
}

void seal_opens_to(const void *env, size_t env_len, const void *wanted,
                   size_t wanted_len)
{
    const ShadowSecret *keys[] = { seal_key };
    g_autofree uint8_t *payload = NULL;
    ShadowSealInfo got;
    size_t len;

    g_assert_cmpint(seal_open(&seal_expect, keys, ARRAY_SIZE(keys), env,
                              env_len, &payload, &len, &got, &error_abort),
                    ==, SHADOW_SEAL_OK);
    g_assert_nonnull(payload);
    g_assert_cmpmem(payload, len, wanted, wanted_len);
    g_assert_cmpstr(got.guest, ==, seal_info.guest);
    g_assert_cmpuint(got.epoch, ==, seal_info.epoch);
    g_assert_cmpint(got.purpose, ==, seal_info.purpose);
    g_assert_cmpmem(got.sealer_id, 8, seal_info.sealer_id, 8);
}

void seal_test_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    shadow_secret_init(&error_abort);
    for (int i = 0; i < sizeof(seal_secret); i++) {
        seal_secret[i] = i;
    }
    seal_key = shadow_secret_new(seal_secret, sizeof(seal_secret),
                                 &error_abort);
}

int seal_test_run(void)
{
    int ret = g_test_run();

    shadow_secret_free(seal_key);
    return ret;
}
