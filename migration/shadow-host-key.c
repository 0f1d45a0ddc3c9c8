/*
 * The keys of a host: one pair that envelopes are sealed to, and one that it
 * signs envelopes with
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
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
