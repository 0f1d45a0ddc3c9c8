/*
 * What the tests of the sealed envelope share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SHADOW_SEAL_TESTS_H
#define SHADOW_SEAL_TESTS_H

#include "shadow/migration/shadow-seal.h"

/* Offsets in the header, from docs/envelope.rst */
enum {
    OFF_VERSION = 4, OFF_SUITE = 5, OFF_PURPOSE = 6, OFF_TAG_LEN = 7,
    OFF_EPOCH = 8, OFF_PADDED_LEN = 16, OFF_RESERVED = 20, OFF_SALT = 24,
    OFF_KEY_ID = 40, OFF_SEALER_ID = 48, OFF_TAG = 56, OFF_BODY = 112,
};

/* What is sealed unless a test says otherwise, and what is expected then */
extern const ShadowSealInfo seal_info;
extern const ShadowSealExpect seal_expect;

/* The key to seal and open with, and what it was made of */
extern ShadowSecret *seal_key;
extern uint8_t seal_secret[32];

/* g_test_init(), and make the key; g_test_run(), and free it */
void seal_test_init(int *argc, char ***argv);
int seal_test_run(void);

bool seal_as(const ShadowSealInfo *what, const void *payload, size_t len,
             uint8_t *env, Error **errp);
/* An envelope as of seal_info, to be freed */
uint8_t *seal_new(const void *payload, size_t len, size_t *env_len);

/*
 * shadow_open() in memory of the exact size, so that a sanitizer sees what is
 * read beyond it.  The payload is to be freed.
 */
ShadowSealResult seal_open(const ShadowSealExpect *what,
                           const ShadowSecret *const *keys, size_t nkeys,
                           const void *env, size_t env_len,
                           uint8_t **payload, size_t *len,
                           ShadowSealInfo *got, Error **errp);
void seal_opens_to(const void *env, size_t env_len, const void *wanted,
                   size_t wanted_len);
/* Opens an envelope that must be refused; returns the reason. */
ShadowSealResult seal_refused(const ShadowSealExpect *what, const void *env,
                              size_t env_len);
#define assert_refused(what, env, env_len, reason) \
    g_assert_cmpint(seal_refused(what, env, env_len), ==, reason)

#endif /* SHADOW_SEAL_TESTS_H */
