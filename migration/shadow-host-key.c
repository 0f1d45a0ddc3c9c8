/*
 * The keys of a host: one pair that envelopes are sealed to, and one that it
 * signs envelopes with
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "shadow/migration/shadow-host-key.h"
#include <gcrypt.h>

#define HOST_INFO_X25519   "qemu-shadow host x25519"
#define HOST_INFO_ED25519  "qemu-shadow host ed25519"

/* In secure memory */
struct ShadowHostKey {
    uint8_t encryption_sk[SHADOW_X25519_LEN];
    uint8_t encryption_pk[SHADOW_X25519_LEN];
    uint8_t signing_seed[SHADOW_ED25519_LEN];
    uint8_t signing_pk[SHADOW_ED25519_LEN];
};

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(gcry_sexp_t, gcry_sexp_release, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(gcry_ctx_t, gcry_ctx_release, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(gcry_mpi_t, gcry_mpi_release, NULL)

/* The field's largest element, p - 1 for p = 2^255 - 19 */
static const uint8_t field_minus_1[32] = {
    0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
};

/* u of the points of order 8; all others of small order are 0, 1 and p - 1 */
static const uint8_t x25519_order_8[2][SHADOW_X25519_LEN] = {
    {
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae,
        0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
        0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd,
        0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    }, {
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24,
        0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
        0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86,
        0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    },
};

/* y of the points of order 8 */
static const uint8_t ed25519_order_8[2][SHADOW_ED25519_LEN] = {
    {
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0,
        0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
        0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39,
        0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    }, {
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f,
        0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
        0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6,
        0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    },
};

/* Keys are public: this need not take the same time for all. */
static bool coordinate_sound(const uint8_t c[32],
                             const uint8_t order_8[2][32])
{
    int i = 31;

    while (i && c[i] == field_minus_1[i]) {
        i--;
    }
    return c[i] < field_minus_1[i] && !buffer_is_zero(c + 24, 8) &&
           memcmp(c, order_8[0], 32) && memcmp(c, order_8[1], 32);
}

bool shadow_x25519_key_sound(const uint8_t pk[SHADOW_X25519_LEN])
{
    return coordinate_sound(pk, x25519_order_8);
}

/* Its top bit is the sign of the other coordinate. */
bool shadow_ed25519_key_sound(const uint8_t pk[SHADOW_ED25519_LEN])
{
    uint8_t y[SHADOW_ED25519_LEN];

    memcpy(y, pk, sizeof(y));
    y[31] &= 0x7f;
    return coordinate_sound(y, ed25519_order_8);
}

bool shadow_ed25519_public_key(const uint8_t seed[SHADOW_ED25519_LEN],
                               uint8_t pk[SHADOW_ED25519_LEN])
{
    g_auto(gcry_sexp_t) key = NULL;
    g_auto(gcry_ctx_t) ctx = NULL;
    g_auto(gcry_mpi_t) q = NULL;
    const uint8_t *bytes;
    unsigned int bits;

    if (gcry_sexp_build(&key, NULL, "(private-key (ecc (curve Ed25519)"
                        "(flags eddsa) (d %b)))", SHADOW_ED25519_LEN, seed) ||
        gcry_mpi_ec_new(&ctx, key, NULL)) {
        return false;
    }
    q = gcry_mpi_ec_get_mpi("q@eddsa", ctx, 0);
    bytes = q ? gcry_mpi_get_opaque(q, &bits) : NULL;
    if (!bytes || bits != SHADOW_ED25519_LEN * 8) {
        return false;
    }
    memcpy(pk, bytes, SHADOW_ED25519_LEN);
    return true;
}

static bool ed25519_data(gcry_sexp_t *data, const void *msg, size_t len)
{
    return len <= INT_MAX &&
           !gcry_sexp_build(data, NULL, "(data (flags eddsa)"
                            "(hash-algo sha512) (value %b))", (int)len, msg);
}

/* A part of a signature, which libgcrypt gives as it stands in RFC 8032 */
static bool ed25519_part(gcry_sexp_t sig, const char *name, uint8_t *out)
{
    g_auto(gcry_sexp_t) part = gcry_sexp_find_token(sig, name, 0);
    const char *bytes;
    size_t n;

    bytes = part ? gcry_sexp_nth_data(part, 1, &n) : NULL;
    if (!bytes || n != SHADOW_ED25519_SIG_LEN / 2) {
        return false;
    }
    memcpy(out, bytes, n);
    return true;
}

bool shadow_ed25519_sign(const uint8_t seed[SHADOW_ED25519_LEN],
                         const uint8_t pk[SHADOW_ED25519_LEN],
                         const void *msg, size_t len,
                         uint8_t sig[SHADOW_ED25519_SIG_LEN])
{
    g_auto(gcry_sexp_t) key = NULL;
    g_auto(gcry_sexp_t) data = NULL;
    g_auto(gcry_sexp_t) result = NULL;

    return ed25519_data(&data, msg, len) &&
           !gcry_sexp_build(&key, NULL, "(private-key (ecc (curve Ed25519)"
                            "(flags eddsa) (q %b) (d %b)))",
                            SHADOW_ED25519_LEN, pk,
                            SHADOW_ED25519_LEN, seed) &&
           !gcry_pk_sign(&result, data, key) &&
           ed25519_part(result, "r", sig) &&
           ed25519_part(result, "s", sig + SHADOW_ED25519_SIG_LEN / 2);
}

bool shadow_ed25519_verify(const uint8_t pk[SHADOW_ED25519_LEN],
                           const void *msg, size_t len,
                           const uint8_t sig[SHADOW_ED25519_SIG_LEN])
{
    g_auto(gcry_sexp_t) key = NULL;
    g_auto(gcry_sexp_t) data = NULL;
    g_auto(gcry_sexp_t) result = NULL;

    return ed25519_data(&data, msg, len) &&
           !gcry_sexp_build(&key, NULL, "(public-key (ecc (curve Ed25519)"
                            "(flags eddsa) (q %b)))",
                            SHADOW_ED25519_LEN, pk) &&
           !gcry_sexp_build(&result, NULL, "(sig-val (eddsa (r %b) (s %b)))",
                            SHADOW_ED25519_SIG_LEN / 2, sig,
                            SHADOW_ED25519_SIG_LEN / 2,
                            sig + SHADOW_ED25519_SIG_LEN / 2) &&
           !gcry_pk_verify(result, data, key);
}

static bool host_key_derive(ShadowHostKey *key, const void *bytes, size_t len)
{
    g_autoptr(ShadowSecure) ikm = shadow_secure_new(SHADOW_HKDF_HASH_LEN);

    return ikm &&
           shadow_hkdf_expand(bytes, len, HOST_INFO_X25519,
                              strlen(HOST_INFO_X25519),
                              ikm, SHADOW_HKDF_HASH_LEN) &&
           shadow_hpke_derive_key_pair(ikm, SHADOW_HKDF_HASH_LEN,
                                       key->encryption_sk,
                                       key->encryption_pk) &&
           shadow_hkdf_expand(bytes, len, HOST_INFO_ED25519,
                              strlen(HOST_INFO_ED25519),
                              key->signing_seed, SHADOW_ED25519_LEN) &&
           shadow_ed25519_public_key(key->signing_seed, key->signing_pk);
}

ShadowHostKey *shadow_host_key_new(const void *bytes, size_t len,
                                   Error **errp)
{
    g_autoptr(ShadowHostKey) key = NULL;

    if (len < SHADOW_SECRET_MIN_LEN || len > SHADOW_SECRET_MAX_LEN) {
        error_setg(errp, "the secret has %zu bytes, it must have %d to %d",
                   len, SHADOW_SECRET_MIN_LEN, SHADOW_SECRET_MAX_LEN);
        return NULL;
    }
    key = (ShadowHostKey *)shadow_secure_new_kept(sizeof(*key));
    if (!key || !host_key_derive(key, bytes, len)) {
        error_setg(errp, "libgcrypt cannot make X25519 and Ed25519 keys");
        return NULL;
    }
    return g_steal_pointer(&key);
}

void shadow_host_key_free(ShadowHostKey *key)
{
    shadow_secure_free((ShadowSecure *)key);
}

const uint8_t *shadow_host_key_encryption(const ShadowHostKey *key)
{
    return key->encryption_pk;
}

const uint8_t *shadow_host_key_signing(const ShadowHostKey *key)
{
    return key->signing_pk;
}

bool shadow_host_key_decap(const ShadowHostKey *key,
                           const uint8_t enc[SHADOW_X25519_LEN],
                           uint8_t shared[SHADOW_HPKE_SECRET_LEN])
{
    return shadow_hpke_decap(enc, key->encryption_sk, key->encryption_pk,
                             shared);
}

bool shadow_host_key_sign(const ShadowHostKey *key, const void *msg,
                          size_t len, uint8_t sig[SHADOW_ED25519_SIG_LEN])
{
    return shadow_ed25519_sign(key->signing_seed, key->signing_pk, msg, len,
                               sig);
}
