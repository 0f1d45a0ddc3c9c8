/*
 * The part of HPKE that the sealed envelope uses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RFC 9180, mode_base, with DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256: from
 * a public key to a key and nonce that only its owner can find too.  All
 * functions return false if libgcrypt fails, or a peer's key is no good.
 */

#ifndef SHADOW_MIGRATION_SHADOW_HPKE_H
#define SHADOW_MIGRATION_SHADOW_HPKE_H

#include "shadow/migration/shadow-secret.h"

#define SHADOW_X25519_LEN        32
#define SHADOW_HPKE_SECRET_LEN   SHADOW_HKDF_HASH_LEN
#define SHADOW_HPKE_NONCE_LEN    12

/* Section 7.3 */
#define SHADOW_HPKE_AEAD_AES256_GCM  0x0002

/* Section 7.1.3.  @ikm has 32 bytes of entropy or more; @sk is secret. */
bool shadow_hpke_derive_key_pair(const void *ikm, size_t ikm_len,
                                 uint8_t sk[SHADOW_X25519_LEN],
                                 uint8_t pk[SHADOW_X25519_LEN]);

/*
 * Section 4.1.  Encap() is given its ephemeral private key @sk_e, which must
 * be random and must not be used again; @enc is what the recipient needs.
 */
bool shadow_hpke_encap(const uint8_t pk_r[SHADOW_X25519_LEN],
                       const uint8_t sk_e[SHADOW_X25519_LEN],
                       uint8_t enc[SHADOW_X25519_LEN],
                       uint8_t shared[SHADOW_HPKE_SECRET_LEN]);
bool shadow_hpke_decap(const uint8_t enc[SHADOW_X25519_LEN],
                       const uint8_t sk_r[SHADOW_X25519_LEN],
                       const uint8_t pk_r[SHADOW_X25519_LEN],
                       uint8_t shared[SHADOW_HPKE_SECRET_LEN]);

/* Section 5.1.  The nonce is that of the first message. */
bool shadow_hpke_key_schedule(const uint8_t shared[SHADOW_HPKE_SECRET_LEN],
                              uint16_t aead_id,
                              const void *info, size_t info_len,
                              uint8_t *key, size_t key_len,
                              uint8_t nonce[SHADOW_HPKE_NONCE_LEN]);

#endif
