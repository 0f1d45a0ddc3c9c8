/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz shadow_open(): arbitrary bytes, and envelopes that were sealed with the
 * right key whatever they say: with a secret, or, since that takes some twenty
 * times as long, now and then from one host to another.
 *
 * Input: what to do with the envelope (1 byte; 0xf0 and more: between
 * hosts), two arguments for that (2 + 1),
 * changes to a good header (their number, then offset and value of each), the
 * length that the body claims (4, big-endian), and the payload.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "shadow/migration/shadow-seal.h"
#include "shadow/tests/fuzz/fuzz.h"
#include <gcrypt.h>

#define INFO "qemu-shadow seal v1"
#define TAG "vm1"
#define LAST_EPOCH 4
#define MAX_BODY (16 * KiB)

/* docs/envelope.rst */
enum {
    AT_VERSION = 4,
    AT_SUITE = 5,
    AT_PURPOSE = 6,
    AT_TAG_LEN = 7,
    AT_EPOCH = 8,
    AT_PADDED = 16,
    AT_RESERVED = 20,
    AT_SALT = 24,
    AT_KEY_ID = 40,
    AT_HOST = 48,
    AT_TAG = 56,
    AT_BODY = SHADOW_SEAL_HEADER_LEN,
};

typedef enum FuzzUse {
    USE_RAW,
    USE_SEALED,
    USE_ALTERED,
    USE_RESIZED,
    USE_NO_KEY,         /* what is to be a point or a number is none */
    USE__MAX,
} FuzzUse;

#define HOST_INPUTS 0xf0
#define SIGN_INFO "qemu-shadow sign v1"

/* Of suite 2: what is between header and body, and after the GCM tag */
typedef struct QEMU_PACKED FuzzHostPrefix {
    uint8_t enc[SHADOW_X25519_LEN];
    uint8_t signer[SHADOW_ED25519_LEN];
} FuzzHostPrefix;

static const uint8_t our_host[SHADOW_SEAL_SEALER_ID_LEN] = "us";
static ShadowSecret *keys[2];
static ShadowHostKey *us, *them;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char bytes[2][SHADOW_SECRET_MIN_LEN] = { "new", "old" };

    shadow_secret_init(&error_abort);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        keys[i] = shadow_secret_new(bytes[i], sizeof(bytes[i]), &error_abort);
    }
    us = shadow_host_key_new("us, with 32 bytes or rather more", 32,
                             &error_abort);
    them = shadow_host_key_new("they, with 32 bytes and not more", 32,
                               &error_abort);
    return 0;
}

static size_t at_body(bool host)
{
    return AT_BODY + (host ? sizeof(FuzzHostPrefix) : 0);
}

static void good_header(uint8_t *hdr, bool host, uint32_t padded)
{
    memset(hdr, 0, SHADOW_SEAL_HEADER_LEN);
    memcpy(hdr, "QSHD", 4);
    hdr[AT_VERSION] = 1;
    hdr[AT_SUITE] = host ? 2 : 1;
    hdr[AT_PURPOSE] = SHADOW_SEAL_MIGRATION;
    hdr[AT_TAG_LEN] = strlen(TAG);
    stq_be_p(hdr + AT_EPOCH, LAST_EPOCH + 1);
    stl_be_p(hdr + AT_PADDED, padded);
    memcpy(hdr + AT_KEY_ID, host ? shadow_host_key_encryption(us)
                                 : shadow_secret_id(keys[0]),
           SHADOW_SEAL_KEY_ID_LEN);
    memcpy(hdr + AT_HOST, "them", 4);
    memcpy(hdr + AT_TAG, TAG, strlen(TAG));
}

/* Key and IV by the secret that the header names, or the first */
static void secret_key(const uint8_t *env, const uint8_t *info,
                       size_t info_len, uint8_t key[44])
{
    bool second = !memcmp(env + AT_KEY_ID, shadow_secret_id(keys[1]),
                          SHADOW_SEAL_KEY_ID_LEN);

    fuzz_assert(shadow_secret_derive(keys[second], env + AT_SALT, 16, info,
                                     info_len, key, 44));
}

/* By HPKE, with an ephemeral key that is always the same */
static void host_key(uint8_t *env, const uint8_t *info, size_t info_len,
                     uint8_t key[44])
{
    static const uint8_t ephemeral[SHADOW_X25519_LEN] = { 1, 2, 3 };
    FuzzHostPrefix *prefix = (FuzzHostPrefix *)(env + AT_BODY);
    uint8_t shared[SHADOW_HPKE_SECRET_LEN];

    memcpy(prefix->signer, shadow_host_key_signing(them),
           sizeof(prefix->signer));
    fuzz_assert(shadow_hpke_encap(shadow_host_key_encryption(us), ephemeral,
                                  prefix->enc, shared));
    fuzz_assert(shadow_hpke_key_schedule(shared, SHADOW_HPKE_AEAD_AES256_GCM,
                                         info, info_len, key, 32, key + 32));
}

static void host_sign(uint8_t *env, size_t len)
{
    struct QEMU_PACKED {
        char info[sizeof(SIGN_INFO) - 1];
        uint8_t recipient[SHADOW_X25519_LEN];
        uint8_t hash[64];
    } msg;

    memcpy(msg.info, SIGN_INFO, sizeof(msg.info));
    memcpy(msg.recipient, shadow_host_key_encryption(us),
           sizeof(msg.recipient));
    gcry_md_hash_buffer(GCRY_MD_SHA512, msg.hash, env, len);
    fuzz_assert(shadow_host_key_sign(them, &msg, sizeof(msg), env + len));
}

static void seal(uint8_t *env, bool host, size_t padded)
{
    size_t at = at_body(host);
    uint8_t info[sizeof(INFO) - 1 + SHADOW_SEAL_HEADER_LEN] = INFO;
    uint8_t key[44];
    gcry_cipher_hd_t cipher;

    memcpy(info + sizeof(INFO) - 1, env, SHADOW_SEAL_HEADER_LEN);
    if (host) {
        host_key(env, info, sizeof(info), key);
    } else {
        secret_key(env, info, sizeof(info), key);
    }
    fuzz_assert(!gcry_cipher_open(&cipher, GCRY_CIPHER_AES256,
                                  GCRY_CIPHER_MODE_GCM, 0));
    fuzz_assert(!gcry_cipher_setkey(cipher, key, 32));
    fuzz_assert(!gcry_cipher_setiv(cipher, key + 32, 12));
    fuzz_assert(!gcry_cipher_authenticate(cipher, env, at));
    fuzz_assert(!gcry_cipher_final(cipher));
    fuzz_assert(!gcry_cipher_encrypt(cipher, env + at, padded, NULL, 0));
    fuzz_assert(!gcry_cipher_gettag(cipher, env + at + padded,
                                    SHADOW_SEAL_AUTH_LEN));
    gcry_cipher_close(cipher);
    if (host) {
        host_sign(env, at + padded + SHADOW_SEAL_AUTH_LEN);
    }
}

/* Whether what was sealed should open; @body as it was before. */
static bool acceptable(const uint8_t *hdr, bool host, const uint8_t *body,
                       size_t padded)
{
    uint8_t good[SHADOW_SEAL_HEADER_LEN];
    uint64_t len = ldl_be_p(body);

    good_header(good, host, padded);
    memcpy(good + AT_SALT, hdr + AT_SALT, 16);
    if (!host && !memcmp(hdr + AT_KEY_ID, shadow_secret_id(keys[1]), 8)) {
        memcpy(good + AT_KEY_ID, hdr + AT_KEY_ID, 8);
    }
    if (ldq_be_p(hdr + AT_EPOCH) > LAST_EPOCH) {
        memcpy(good + AT_EPOCH, hdr + AT_EPOCH, 8);
    }
    if (memcmp(hdr + AT_HOST, our_host, sizeof(our_host))) {
        memcpy(good + AT_HOST, hdr + AT_HOST, sizeof(our_host));
    }
    if (memcmp(good, hdr, sizeof(good)) || len + 4 > padded ||
        (padded > 4096 && len + 4 <= padded / 2)) {
        return false;
    }
    return buffer_is_zero(body + 4 + len, padded - 4 - len);
}

/* Opens a copy of exactly @len bytes, so that a read beyond it shows. */
static bool opens(const uint8_t *env, size_t len, const uint8_t *body)
{
    const ShadowSealExpect expect = {
        .guest = TAG,
        .purpose = SHADOW_SEAL_MIGRATION,
        .last_epoch = LAST_EPOCH,
        .sealer_id = our_host,
        .host = us,
        .signers = shadow_host_key_signing(them),
        .n_signers = 1,
    };
    g_autofree uint8_t *copy = g_memdup2(env, len);
    uint8_t *payload;
    ShadowSealInfo info = { .guest = "untouched" };
    ShadowSealResult result;
    Error *err = NULL;
    size_t payload_len;

    result = shadow_open(&expect, (const ShadowSecret *const *)keys,
                         ARRAY_SIZE(keys), copy, len, &payload, &payload_len,
                         &info, &err);
    fuzz_assert((result == SHADOW_SEAL_OK) == (err == NULL));
    fuzz_assert((result == SHADOW_SEAL_OK) == (payload != NULL));
    if (result != SHADOW_SEAL_OK) {
        fuzz_assert(!payload_len && !strcmp(info.guest, "untouched"));
        error_free(err);
        return false;
    }
    fuzz_assert(!strcmp(info.guest, TAG) && info.epoch > LAST_EPOCH);
    fuzz_assert(body && payload_len == ldl_be_p(body) &&
                !memcmp(payload, body + 4, payload_len));
    return true;
}

/*
 * Small and large numbers in place of the ephemeral key, the signer, and the
 * parts of the signature.  A listed host may have signed the first of them.
 */
static void put_no_key(uint8_t *env, size_t len, uint16_t where, uint8_t how)
{
    FuzzHostPrefix *prefix = (FuzzHostPrefix *)(env + AT_BODY);
    size_t signed_len = len - SHADOW_ED25519_SIG_LEN;
    uint8_t *parts[] = {
        prefix->enc, prefix->signer, env + signed_len, env + len - 32
    };
    uint8_t *part = parts[where % ARRAY_SIZE(parts)];

    memset(part, where & 4 ? 0xff : 0, 32);
    part[0] = how;
    part[31] ^= where & 8 ? 0x80 : 0;
    if (part == prefix->enc) {
        host_sign(env, signed_len);
    }
}

static void fuzz_sealed(FuzzUse use, bool host, FuzzInput *in)
{
    uint16_t where = fuzz_u16(in);
    uint8_t how = fuzz_u8(in);
    uint8_t env[SHADOW_SEAL_OVERHEAD + SHADOW_SEAL_HOST_OVERHEAD +
                MAX_BODY] = { };
    uint8_t body[MAX_BODY] = { };
    uint32_t padded = 4096 << (how & 1);
    size_t len = padded + SHADOW_SEAL_OVERHEAD +
                 (host ? SHADOW_SEAL_HOST_OVERHEAD : 0);
    unsigned changes = fuzz_u8(in) % 16;

    good_header(env, host, padded);
    if (!host && (how & 2)) {
        memcpy(env + AT_KEY_ID, shadow_secret_id(keys[1]), 8);
    }
    while (changes--) {
        uint8_t at = fuzz_u8(in) % SHADOW_SEAL_HEADER_LEN;

        env[at] = fuzz_u8(in);
    }
    stl_be_p(body, fuzz_u32(in));
    memcpy(body + 4, in->data, MIN(in->len, padded - 4));
    memcpy(env + at_body(host), body, padded);
    seal(env, host, padded);

    switch (use) {
    case USE_ALTERED:
        env[where % len] ^= how ?: 1;
        fuzz_assert(!opens(env, len, NULL));
        break;
    case USE_NO_KEY:
        put_no_key(env, len, where, how);
        fuzz_assert(!opens(env, len, NULL));
        break;
    case USE_RESIZED:
        where %= sizeof(env);
        fuzz_assert(where == len || !opens(env, where, NULL));
        break;
    default:
        fuzz_assert(opens(env, len, body) ==
                    acceptable(env, host, body, padded));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    uint8_t what = fuzz_u8(&in);
    bool host = what >= HOST_INPUTS;
    FuzzUse use = what % USE__MAX;

    if (use == USE_RAW) {
        fuzz_assert(!opens(in.data, in.len, NULL));
    } else {
        fuzz_sealed(use == USE_NO_KEY && !host ? USE_ALTERED : use, host, &in);
    }
    return 0;
}
