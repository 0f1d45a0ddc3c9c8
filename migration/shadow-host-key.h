/*
 * The keys of a host: one pair that envelopes are sealed to, and one that it
 * signs envelopes with
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SHADOW_MIGRATION_SHADOW_HOST_KEY_H
#define SHADOW_MIGRATION_SHADOW_HOST_KEY_H

#include "shadow/migration/shadow-hpke.h"

#define SHADOW_ED25519_LEN       32
#define SHADOW_ED25519_SIG_LEN   64

typedef struct ShadowHostKey ShadowHostKey;

/*
 * Both pairs follow from @bytes alone, of which there must be
 * SHADOW_SECRET_MIN_LEN or more, as hard to guess as that many random ones.
 * The caller still has to wipe its own.
 */
ShadowHostKey *shadow_host_key_new(const void *bytes, size_t len,
                                   Error **errp);
void shadow_host_key_free(ShadowHostKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShadowHostKey, shadow_host_key_free)

/*
 * Whether a public key can be a host's, and be given to libgcrypt: below the
 * field's prime, of no small order, and not below 2^192, where libgcrypt 1.10
 * ends the program (Ed25519).  No host's key is such by chance.  Says nothing
 * of whether anyone has the private key.
 */
bool shadow_x25519_key_sound(const uint8_t pk[SHADOW_X25519_LEN]);
bool shadow_ed25519_key_sound(const uint8_t pk[SHADOW_ED25519_LEN]);

/* The public keys, SHADOW_X25519_LEN and SHADOW_ED25519_LEN bytes */
const uint8_t *shadow_host_key_encryption(const ShadowHostKey *key);
const uint8_t *shadow_host_key_signing(const ShadowHostKey *key);

/* shadow_hpke_decap() with the host's own pair */
bool shadow_host_key_decap(const ShadowHostKey *key,
                           const uint8_t enc[SHADOW_X25519_LEN],
                           uint8_t shared[SHADOW_HPKE_SECRET_LEN]);

bool shadow_host_key_sign(const ShadowHostKey *key, const void *msg,
                          size_t len, uint8_t sig[SHADOW_ED25519_SIG_LEN]);

/*
 * RFC 8032, Ed25519; @seed is the private key.  Public for the tests.  A @pk
 * that is verified with has to be sound; @sig may be anything.
 */
bool shadow_ed25519_public_key(const uint8_t seed[SHADOW_ED25519_LEN],
                               uint8_t pk[SHADOW_ED25519_LEN]);
bool shadow_ed25519_sign(const uint8_t seed[SHADOW_ED25519_LEN],
                         const uint8_t pk[SHADOW_ED25519_LEN],
                         const void *msg, size_t len,
                         uint8_t sig[SHADOW_ED25519_SIG_LEN]);
bool shadow_ed25519_verify(const uint8_t pk[SHADOW_ED25519_LEN],
                           const void *msg, size_t len,
                           const uint8_t sig[SHADOW_ED25519_SIG_LEN]);

#endif
