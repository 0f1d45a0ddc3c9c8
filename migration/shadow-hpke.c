/*
 * The part of HPKE that the sealed envelope uses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "shadow/migration/shadow-hpke.h"
#include <gcrypt.h>

/* RFC 9180, sections 4 and 5.1, 7.1 and 7.2 */
#define HPKE_VERSION           "HPKE-v1"
#define HPKE_KEM_X25519_SHA256 0x0020
#define HPKE_KDF_SHA256        0x0001
#define HPKE_MODE_BASE         0x00

typedef struct HpkeSuite {
    uint8_t id[10];
    size_t len;
} HpkeSuite;

static const HpkeSuite hpke_kem = {
    { 'K', 'E', 'M', 0, HPKE_KEM_X25519_SHA256 }, 5,
};

static HpkeSuite hpke_suite(uint16_t aead_id)
{
    HpkeSuite suite = {
        { 'H', 'P', 'K', 'E', 0, HPKE_KEM_X25519_SHA256, 0, HPKE_KDF_SHA256 },
        10,
    };

    stw_be_p(suite.id + 8, aead_id);
    return suite;
}

/* "HPKE-v1" || suite_id || label || data, at @at, which is in a large buffer */
static size_t hpke_label(uint8_t *at, const HpkeSuite *suite,
                         const char *label, const void *data, size_t len)
{
    size_t version_len = strlen(HPKE_VERSION), label_len = strlen(label);
    uint8_t *data_at = at + version_len + suite->len + label_len;

    memcpy(at, HPKE_VERSION, version_len);
    memcpy(at + version_len, suite->id, suite->len);
    memcpy(at + version_len + suite->len, label, label_len);
    if (len) {
        memcpy(data_at, data, len);
    }
    return data_at - at + len;
}

#define HPKE_LABEL_MAX 64       /* all but the data */

static bool hpke_extract(const HpkeSuite *suite, const char *label,
                         const void *ikm, size_t len,
                         const void *salt, size_t salt_len,
                         uint8_t prk[SHADOW_HKDF_HASH_LEN])
{
    g_autoptr(ShadowSecure) buf = shadow_secure_new(HPKE_LABEL_MAX + len);
    size_t n;

    if (!buf) {
        return false;
    }
    n = hpke_label(buf, suite, label, ikm, len);
    return shadow_hkdf_extract(salt, salt_len, buf, n, prk);
}

static bool hpke_expand(const HpkeSuite *suite, const char *label,
                        const uint8_t prk[SHADOW_HKDF_HASH_LEN],
                        const void *info, size_t info_len,
                        void *out, size_t len)
{
    g_autofree uint8_t *buf = g_malloc(2 + HPKE_LABEL_MAX + info_len);
    size_t n;

    stw_be_p(buf, len);
    n = hpke_label(buf + 2, suite, label, info, info_len);
    return shadow_hkdf_expand(prk, SHADOW_HKDF_HASH_LEN, buf, 2 + n, out, len);
}

/*
 * RFC 7748, section 5.  @pk NULL: the base point.  A result of zero, which
 * keys of small order lead to, is refused as RFC 9180, section 7.1.4, wants.
 */
static bool hpke_x25519(uint8_t out[SHADOW_X25519_LEN],
                        const uint8_t sk[SHADOW_X25519_LEN],
                        const uint8_t *pk)
{
    g_autoptr(ShadowSecure) clamped = shadow_secure_new(SHADOW_X25519_LEN);
    uint8_t any = 0;

    if (!clamped) {
        return false;
    }
    memcpy(clamped, sk, SHADOW_X25519_LEN);
    clamped[0] &= 248;
    clamped[31] &= 127;
    clamped[31] |= 64;
    if (gcry_ecc_mul_point(GCRY_ECC_CURVE25519, out, clamped, pk)) {
        return false;
    }
    for (int i = 0; i < SHADOW_X25519_LEN; i++) {
        any |= out[i];
    }
    return any;
}

bool shadow_hpke_derive_key_pair(const void *ikm, size_t ikm_len,
                                 uint8_t sk[SHADOW_X25519_LEN],
                                 uint8_t pk[SHADOW_X25519_LEN])
{
    g_autoptr(ShadowSecure) prk = shadow_secure_new(SHADOW_HKDF_HASH_LEN);

    return prk &&
           hpke_extract(&hpke_kem, "dkp_prk", ikm, ikm_len, NULL, 0, prk) &&
           hpke_expand(&hpke_kem, "sk", prk, NULL, 0, sk, SHADOW_X25519_LEN) &&
           hpke_x25519(pk, sk, NULL);
}

/* ExtractAndExpand() of the Diffie-Hellman value of @sk and @pk */
static bool hpke_shared(const uint8_t sk[SHADOW_X25519_LEN],
                        const uint8_t pk[SHADOW_X25519_LEN],
                        const uint8_t enc[SHADOW_X25519_LEN],
                        const uint8_t pk_r[SHADOW_X25519_LEN],
                        uint8_t shared[SHADOW_HPKE_SECRET_LEN])
{
    g_autoptr(ShadowSecure) dh = shadow_secure_new(SHADOW_X25519_LEN);
    g_autoptr(ShadowSecure) prk = shadow_secure_new(SHADOW_HKDF_HASH_LEN);
    uint8_t context[2 * SHADOW_X25519_LEN];

    memcpy(context, enc, SHADOW_X25519_LEN);
    memcpy(context + SHADOW_X25519_LEN, pk_r, SHADOW_X25519_LEN);
    return dh && prk && hpke_x25519(dh, sk, pk) &&
           hpke_extract(&hpke_kem, "eae_prk", dh, SHADOW_X25519_LEN, NULL, 0,
                        prk) &&
           hpke_expand(&hpke_kem, "shared_secret", prk, context,
                       sizeof(context), shared, SHADOW_HPKE_SECRET_LEN);
}

bool shadow_hpke_encap(const uint8_t pk_r[SHADOW_X25519_LEN],
                       const uint8_t sk_e[SHADOW_X25519_LEN],
                       uint8_t enc[SHADOW_X25519_LEN],
                       uint8_t shared[SHADOW_HPKE_SECRET_LEN])
{
    return hpke_x25519(enc, sk_e, NULL) &&
           hpke_shared(sk_e, pk_r, enc, pk_r, shared);
}

bool shadow_hpke_decap(const uint8_t enc[SHADOW_X25519_LEN],
                       const uint8_t sk_r[SHADOW_X25519_LEN],
                       const uint8_t pk_r[SHADOW_X25519_LEN],
                       uint8_t shared[SHADOW_HPKE_SECRET_LEN])
{
    return hpke_shared(sk_r, enc, enc, pk_r, shared);
}

bool shadow_hpke_key_schedule(const uint8_t shared[SHADOW_HPKE_SECRET_LEN],
                              uint16_t aead_id,
                              const void *info, size_t info_len,
                              uint8_t *key, size_t key_len,
                              uint8_t nonce[SHADOW_HPKE_NONCE_LEN])
{
    g_autoptr(ShadowSecure) secret = shadow_secure_new(SHADOW_HKDF_HASH_LEN);
    HpkeSuite suite = hpke_suite(aead_id);
    uint8_t context[1 + 2 * SHADOW_HKDF_HASH_LEN] = { HPKE_MODE_BASE };

    return secret &&
           hpke_extract(&suite, "psk_id_hash", NULL, 0, NULL, 0,
                        context + 1) &&
           hpke_extract(&suite, "info_hash", info, info_len, NULL, 0,
                        context + 1 + SHADOW_HKDF_HASH_LEN) &&
           hpke_extract(&suite, "secret", NULL, 0, shared,
                        SHADOW_HPKE_SECRET_LEN, secret) &&
           hpke_expand(&suite, "key", secret, context, sizeof(context),
                       key, key_len) &&
           hpke_expand(&suite, "base_nonce", secret, context, sizeof(context),
                       nonce, SHADOW_HPKE_NONCE_LEN);
}
