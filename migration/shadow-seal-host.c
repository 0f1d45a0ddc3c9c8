/*
 * Envelopes that are sealed to a host, and signed by one
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * HPKE (RFC 9180, mode_base) finds key and nonce.  The sender signs all bytes
 * that come before the signature, and whom they are for.
 */

#include "qemu/osdep.h"
#include "shadow/migration/shadow-seal-internal.h"
#include <gcrypt.h>

#define SEAL_SIGN_INFO "qemu-shadow sign v1"
#define SHA512_LEN 64

typedef struct SealSigned {
    uint8_t info[sizeof(SEAL_SIGN_INFO) - 1];
    uint8_t recipient[SHADOW_X25519_LEN];
    uint8_t hash[SHA512_LEN];
} SealSigned;

QEMU_BUILD_BUG_ON(sizeof(SealSigned) != 19 + 32 + 64);

/* What is signed: @len bytes at @envelope are all but the signature. */
static void host_signed(SealSigned *msg, const uint8_t *envelope, size_t len,
                        const uint8_t recipient[SHADOW_X25519_LEN])
{
    memcpy(msg->info, SEAL_SIGN_INFO, sizeof(msg->info));
    memcpy(msg->recipient, recipient, sizeof(msg->recipient));
    gcry_md_hash_buffer(GCRY_MD_SHA512, msg->hash, envelope, len);
}

static bool host_schedule(const uint8_t *envelope, const ShadowSecure *shared,
                          SealKey *key)
{
    uint8_t info[sizeof(SEAL_INFO) - 1 + SHADOW_SEAL_HEADER_LEN];

    memcpy(info, SEAL_INFO, sizeof(SEAL_INFO) - 1);
    memcpy(info + sizeof(SEAL_INFO) - 1, envelope, SHADOW_SEAL_HEADER_LEN);
    return shadow_hpke_key_schedule(shared, SHADOW_HPKE_AEAD_AES256_GCM,
                                    info, sizeof(info),
                                    key->key, sizeof(key->key), key->iv);
}

bool seal_host_begin(uint8_t *envelope,
                     const uint8_t recipient[SHADOW_X25519_LEN],
                     const ShadowHostKey *sender, SealKey *key)
{
    SealHostPrefix *prefix =
        (SealHostPrefix *)(envelope + SHADOW_SEAL_HEADER_LEN);
    g_autoptr(ShadowSecure) sk = shadow_secure_new(SHADOW_X25519_LEN);
    g_autoptr(ShadowSecure) shared = shadow_secure_new(SHADOW_HPKE_SECRET_LEN);

    if (!sk || !shared) {
        return false;
    }
    gcry_randomize(sk, SHADOW_X25519_LEN, GCRY_STRONG_RANDOM);
    memcpy(prefix->signer, shadow_host_key_signing(sender),
           sizeof(prefix->signer));
    return shadow_hpke_encap(recipient, sk, prefix->enc, shared) &&
           host_schedule(envelope, shared, key);
}

bool seal_host_sign(uint8_t *envelope, size_t len,
                    const uint8_t recipient[SHADOW_X25519_LEN],
                    const ShadowHostKey *sender)
{
    size_t signed_len = len - SHADOW_ED25519_SIG_LEN;
    SealSigned msg;

    host_signed(&msg, envelope, signed_len, recipient);
    return shadow_host_key_sign(sender, &msg, sizeof(msg),
                                envelope + signed_len);
}

/* The listed key that is equal to @signer, or NULL */
static const uint8_t *host_listed(const ShadowSealExpect *expect,
                                  const uint8_t signer[SHADOW_ED25519_LEN])
{
    const uint8_t *listed = NULL;

    for (size_t i = 0; i < expect->n_signers; i++) {
        const uint8_t *key = expect->signers + i * SHADOW_ED25519_LEN;

        if (!memcmp(key, signer, SHADOW_ED25519_LEN)) {
            listed = key;
        }
    }
    return listed;
}

/*
 * A signer that is not listed may be anything, and there are keys that
 * libgcrypt ends the program for.  This host's own takes as long to verify.
 */
static bool host_genuine(const ShadowSealExpect *expect,
                         const uint8_t *listed, const SealSigned *msg,
                         const uint8_t sig[SHADOW_ED25519_SIG_LEN])
{
    const uint8_t *key = listed ?: shadow_host_key_signing(expect->host);

    return shadow_ed25519_verify(key, msg, sizeof(*msg), sig);
}

ShadowSealResult seal_host_key(const uint8_t *envelope, size_t len,
                               const ShadowSealExpect *expect,
                               SealKey *key, Error **errp)
{
    const SealHeader *hdr = (const SealHeader *)envelope;
    const SealHostPrefix *prefix =
        (const SealHostPrefix *)(envelope + SHADOW_SEAL_HEADER_LEN);
    size_t signed_len = len - SHADOW_ED25519_SIG_LEN;
    g_autoptr(ShadowSecure) shared = shadow_secure_new(SHADOW_HPKE_SECRET_LEN);
    const uint8_t *self, *listed;
    bool genuine, found;
    SealSigned msg;

    if (!expect->host) {
        return seal_refuse(errp, SHADOW_SEAL_UNKNOWN_KEY,
                           "it was sealed to a host's key, and the "
                           "guest has no host here");
    }
    if (!shared) {
        return seal_refuse(errp, SHADOW_SEAL_INTERNAL,
                           "there is no secure memory left");
    }
    self = shadow_host_key_encryption(expect->host);
    host_signed(&msg, envelope, signed_len, self);
    listed = host_listed(expect, prefix->signer);
    genuine = host_genuine(expect, listed, &msg, envelope + signed_len);
    found = shadow_host_key_decap(expect->host, prefix->enc, shared) &&
            host_schedule(envelope, shared, key);

    if (memcmp(hdr->key_id, self, sizeof(hdr->key_id))) {
        return seal_refuse(errp, SHADOW_SEAL_UNKNOWN_KEY,
                           "it was sealed to another host");
    }
    if (!listed) {
        return seal_refuse(errp, SHADOW_SEAL_UNKNOWN_SIGNER,
                           "it was signed by a host that is not "
                           "listed in trusted-hosts");
    }
    if (!genuine) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_SIGNATURE,
                           "it was altered on the way, or is not of "
                           "the host that it names");
    }
    if (!found) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_TAG,
                           "its ephemeral key is no good");
    }
    return SHADOW_SEAL_OK;
}
