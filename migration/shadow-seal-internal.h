/*
 * What the parts of the sealed envelope need of each other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SHADOW_MIGRATION_SHADOW_SEAL_INTERNAL_H
#define SHADOW_MIGRATION_SHADOW_SEAL_INTERNAL_H

#include "shadow/migration/shadow-seal.h"

#define SEAL_INFO "qemu-shadow seal v1"

/*
 * A suite says how the key of an envelope is found; the cipher is AES-256-GCM
 * in both.  One that needs more public bytes than the salt puts them between
 * header and ciphertext, and what it adds at the end after the GCM tag.
 */
enum {
    SEAL_SUITE_SECRET = 1,
    SEAL_SUITE_HOST = 2,
};

typedef struct QEMU_PACKED SealHeader {
    uint8_t magic[4];
    uint8_t version;
    uint8_t suite;
    uint8_t purpose;
    uint8_t guest_len;
    uint64_t epoch;
    uint32_t padded_len;
    uint32_t reserved;
    uint8_t salt[SHADOW_SEAL_SALT_LEN];
    uint8_t key_id[SHADOW_SEAL_KEY_ID_LEN];
    uint8_t sealer_id[SHADOW_SEAL_SEALER_ID_LEN];
    char guest[SHADOW_SEAL_ID_MAX];
} SealHeader;

QEMU_BUILD_BUG_ON(sizeof(SealHeader) != SHADOW_SEAL_HEADER_LEN);

/* SEAL_SUITE_HOST, between header and ciphertext, and after the GCM tag */
typedef struct QEMU_PACKED SealHostPrefix {
    uint8_t enc[SHADOW_X25519_LEN];
    uint8_t signer[SHADOW_ED25519_LEN];
} SealHostPrefix;

QEMU_BUILD_BUG_ON(sizeof(SealHostPrefix) + SHADOW_ED25519_SIG_LEN !=
                  SHADOW_SEAL_HOST_OVERHEAD);

/* Always in secure memory */
typedef struct SealKey {
    uint8_t key[32];
    uint8_t iv[12];
} SealKey;

/* Says why in @errp, and returns @result. */
ShadowSealResult G_GNUC_PRINTF(3, 4)
seal_refuse(Error **errp, ShadowSealResult result, const char *fmt, ...);

/*
 * shadow-seal-host.c: the prefix of @envelope, whose header is complete, and
 * its key; then, when all else of its @len bytes is there, its signature.
 */
bool seal_host_begin(uint8_t *envelope,
                     const uint8_t recipient[SHADOW_X25519_LEN],
                     const ShadowHostKey *sender, SealKey *key);
bool seal_host_sign(uint8_t *envelope, size_t len,
                    const uint8_t recipient[SHADOW_X25519_LEN],
                    const ShadowHostKey *sender);

/*
 * The key of @envelope, and whether it is signed by a host that is listed.  The
 * same is done whatever is wrong, and *@key is some key in any case.
 */
ShadowSealResult seal_host_key(const uint8_t *envelope, size_t len,
                               const ShadowSealExpect *expect,
                               SealKey *key, Error **errp);

#endif
