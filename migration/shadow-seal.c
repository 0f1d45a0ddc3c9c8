/*
 * Sealed envelope for the state of a shadow guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/host-utils.h"
#include "qapi/error.h"
#include "shadow/migration/shadow-seal.h"
#include <gcrypt.h>

#define SEAL_VERSION  1
#define SEAL_INFO     "qemu-shadow seal v1"

/*
 * A suite says how the key of an envelope is found and which cipher is used.
 * One that needs more public bytes than the salt (an ephemeral key, say) puts
 * them between header and ciphertext.
 */
#define SEAL_SUITE_SECRET_AES256_GCM  1

static const uint8_t seal_magic[4] = { 'Q', 'S', 'H', 'D' };

typedef struct QEMU_PACKED SealHeader {
    uint8_t magic[4];
    uint8_t version;
    uint8_t suite;
    uint8_t purpose;
    uint8_t tag_len;
    uint64_t epoch;
    uint32_t padded_len;
    uint32_t reserved;
    uint8_t salt[16];
    uint8_t key_id[SHADOW_SEAL_KEY_ID_LEN];
    uint8_t host_id[SHADOW_SEAL_HOST_ID_LEN];
    char tag[SHADOW_SEAL_TAG_MAX];
} SealHeader;

QEMU_BUILD_BUG_ON(sizeof(SealHeader) != SHADOW_SEAL_HEADER_LEN);

typedef struct SealKey {
    uint8_t key[32];
    uint8_t iv[12];
} SealKey;

QEMU_BUILD_BUG_ON(sizeof(SealKey) != 44);

static void seal_key_wipe(SealKey *key)
{
    shadow_wipe(key, sizeof(*key));
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SealKey, seal_key_wipe)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(gcry_cipher_hd_t, gcry_cipher_close, NULL)

/* The header is part of the info: no two headers ever share a key and IV. */
static bool seal_derive(const SealHeader *hdr, const ShadowSecret *secret,
                        SealKey *key)
{
    uint8_t info[sizeof(SEAL_INFO) - 1 + sizeof(*hdr)];

    memcpy(info, SEAL_INFO, sizeof(SEAL_INFO) - 1);
    memcpy(info + sizeof(SEAL_INFO) - 1, hdr, sizeof(*hdr));
    return shadow_secret_derive(secret, hdr->salt, sizeof(hdr->salt), info,
                                sizeof(info), key, sizeof(*key));
}

/* A cipher that has its key and has taken in the header, or NULL */
static gcry_cipher_hd_t seal_cipher(const SealHeader *hdr,
                                    const ShadowSecret *secret)
{
    g_auto(gcry_cipher_hd_t) cipher = NULL;
    g_auto(SealKey) key = {};

    if (!seal_derive(hdr, secret, &key) ||
        gcry_cipher_open(&cipher, GCRY_CIPHER_AES256,
                         GCRY_CIPHER_MODE_GCM, 0) ||
        gcry_cipher_setkey(cipher, key.key, sizeof(key.key)) ||
        gcry_cipher_setiv(cipher, key.iv, sizeof(key.iv)) ||
        gcry_cipher_authenticate(cipher, hdr, sizeof(*hdr))) {
        return NULL;
    }
    return g_steal_pointer(&cipher);
}

/*
 * The exact length stands inside, in front of the payload: in the header it
 * would tell what the padding is there to hide.
 */
#define SEAL_LEN_SIZE sizeof(uint32_t)

static size_t seal_size_class(size_t payload_len)
{
    return pow2ceil(MAX(payload_len + SEAL_LEN_SIZE, SHADOW_SEAL_MIN_CLASS));
}

size_t shadow_seal_size(size_t payload_len)
{
    if (payload_len > SHADOW_SEAL_MAX_PAYLOAD) {
        return 0;
    }
    return seal_size_class(payload_len) + SHADOW_SEAL_OVERHEAD;
}

/* Printable, so that a refusal can name the guest in a log */
static bool seal_tag_valid(const char *tag, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (!g_ascii_isgraph(tag[i])) {
            return false;
        }
    }
    return len >= 1 && len <= SHADOW_SEAL_TAG_MAX;
}

static bool seal_purpose_valid(int purpose)
{
    return purpose == SHADOW_SEAL_MIGRATION || purpose == SHADOW_SEAL_SNAPSHOT;
}

static bool seal_header_fill(SealHeader *hdr, const ShadowSealInfo *info,
                             const ShadowSecret *key, size_t len, Error **errp)
{
    size_t tag_len = strnlen(info->tag, sizeof(info->tag));

    if (len > SHADOW_SEAL_MAX_PAYLOAD) {
        error_setg(errp, "%zu bytes of state are more than an envelope holds",
                   len);
        return false;
    }
    if (!seal_tag_valid(info->tag, tag_len) || !info->epoch ||
        !seal_purpose_valid(info->purpose)) {
        error_setg(errp, "invalid guest tag, epoch or purpose to seal for");
        return false;
    }
    *hdr = (SealHeader) {
        .version = SEAL_VERSION,
        .suite = SEAL_SUITE_SECRET_AES256_GCM,
        .purpose = info->purpose,
        .tag_len = tag_len,
        .epoch = cpu_to_be64(info->epoch),
        .padded_len = cpu_to_be32(seal_size_class(len)),
    };
    memcpy(hdr->magic, seal_magic, sizeof(hdr->magic));
    gcry_randomize(hdr->salt, sizeof(hdr->salt), GCRY_STRONG_RANDOM);
    memcpy(hdr->key_id, shadow_secret_id(key), sizeof(hdr->key_id));
    memcpy(hdr->host_id, info->host_id, sizeof(hdr->host_id));
    memcpy(hdr->tag, info->tag, tag_len);
    return true;
}

bool shadow_seal(const ShadowSealInfo *info, const ShadowSecret *key,
                 const void *payload, size_t len, void *out, Error **errp)
{
    g_auto(gcry_cipher_hd_t) cipher = NULL;
    size_t padded = seal_size_class(len);
    uint8_t *body = out + SHADOW_SEAL_HEADER_LEN;
    SealHeader hdr;

    if (!seal_header_fill(&hdr, info, key, len, errp)) {
        return false;
    }
    memcpy(out, &hdr, sizeof(hdr));
    memset(body, 0, padded);
    stl_be_p(body, len);
    if (len) {
        memcpy(body + SEAL_LEN_SIZE, payload, len);
    }

    cipher = seal_cipher(&hdr, key);
    if (!cipher ||
        gcry_cipher_final(cipher) ||
        gcry_cipher_encrypt(cipher, body, padded, NULL, 0) ||
        gcry_cipher_gettag(cipher, body + padded, SHADOW_SEAL_AUTH_LEN)) {
        shadow_wipe(out, padded + SHADOW_SEAL_OVERHEAD);
        error_setg(errp, "libgcrypt failed to encrypt");
        return false;
    }
    return true;
}

const char *shadow_seal_reason_str(ShadowSealResult result)
{
    static const char *const names[SHADOW_SEAL__MAX] = {
        [SHADOW_SEAL_OK] = "ok",
        [SHADOW_SEAL_TRUNCATED] = "truncated",
        [SHADOW_SEAL_TRAILING] = "trailing-bytes",
        [SHADOW_SEAL_BAD_MAGIC] = "bad-magic",
        [SHADOW_SEAL_BAD_VERSION] = "bad-version",
        [SHADOW_SEAL_BAD_SUITE] = "bad-suite",
        [SHADOW_SEAL_MALFORMED] = "malformed",
        [SHADOW_SEAL_UNKNOWN_KEY] = "unknown-key",
        [SHADOW_SEAL_BAD_TAG] = "bad-tag",
        [SHADOW_SEAL_BAD_PADDING] = "bad-padding",
        [SHADOW_SEAL_WRONG_GUEST] = "wrong-guest",
        [SHADOW_SEAL_WRONG_PURPOSE] = "wrong-purpose",
        [SHADOW_SEAL_REFLECTED] = "reflected",
        [SHADOW_SEAL_STALE] = "stale",
        [SHADOW_SEAL_INTERNAL] = "internal",
    };

    return result < SHADOW_SEAL__MAX ? names[result] : "unknown";
}

static ShadowSealResult G_GNUC_PRINTF(3, 4)
seal_refuse(Error **errp, ShadowSealResult result, const char *fmt, ...)
{
    g_autofree char *why = NULL;
    va_list ap;

    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_setg(errp, "sealed state refused: %s", why);
    return result;
}

/* All that can be known without a key, and nothing that needs one */
static ShadowSealResult seal_parse(SealHeader *hdr, const void *env,
                                   size_t env_len, Error **errp)
{
    static const char no_tag[SHADOW_SEAL_TAG_MAX];
    size_t padded_len;

    if (env_len < sizeof(*hdr)) {
        return seal_refuse(errp, SHADOW_SEAL_TRUNCATED,
                           "%zu bytes are less than a header", env_len);
    }
    memcpy(hdr, env, sizeof(*hdr));
    if (memcmp(hdr->magic, seal_magic, sizeof(seal_magic))) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_MAGIC, "not an envelope");
    }
    if (hdr->version != SEAL_VERSION) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_VERSION,
                           "unknown format version %d", hdr->version);
    }
    if (hdr->suite != SEAL_SUITE_SECRET_AES256_GCM) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_SUITE,
                           "unknown cipher suite %d", hdr->suite);
    }
    padded_len = be32_to_cpu(hdr->padded_len);
    if (padded_len < SHADOW_SEAL_MIN_CLASS ||
        padded_len > SHADOW_SEAL_MAX_CLASS ||
        !is_power_of_2(padded_len) || hdr->reserved ||
        !hdr->epoch || !seal_purpose_valid(hdr->purpose) ||
        !seal_tag_valid(hdr->tag, MIN(hdr->tag_len, sizeof(hdr->tag))) ||
        hdr->tag_len > sizeof(hdr->tag) ||
        memcmp(hdr->tag + hdr->tag_len, no_tag,
               sizeof(hdr->tag) - hdr->tag_len)) {
        return seal_refuse(errp, SHADOW_SEAL_MALFORMED, "malformed header");
    }
    if (env_len != padded_len + SHADOW_SEAL_OVERHEAD) {
        bool less = env_len < padded_len + SHADOW_SEAL_OVERHEAD;

        return seal_refuse(errp,
                           less ? SHADOW_SEAL_TRUNCATED : SHADOW_SEAL_TRAILING,
                           "%zu bytes instead of %zu", env_len,
                           padded_len + (size_t)SHADOW_SEAL_OVERHEAD);
    }
    return SHADOW_SEAL_OK;
}

static ShadowSealResult seal_decrypt(const SealHeader *hdr,
                                     const ShadowSecret *secret,
                                     const uint8_t *body, uint8_t *plain,
                                     size_t padded_len, Error **errp)
{
    g_auto(gcry_cipher_hd_t) cipher = seal_cipher(hdr, secret);

    if (!cipher ||
        gcry_cipher_final(cipher) ||
        gcry_cipher_decrypt(cipher, plain, padded_len, body, padded_len)) {
        return seal_refuse(errp, SHADOW_SEAL_INTERNAL,
                           "libgcrypt failed to decrypt");
    }
    if (gcry_cipher_checktag(cipher, body + padded_len,
                             SHADOW_SEAL_AUTH_LEN)) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_TAG,
                           "it was altered on the way");
    }
    return SHADOW_SEAL_OK;
}

/* Moves the payload to the front, so that the caller gets no more than it. */
static ShadowSealResult seal_unpad(uint8_t *plain, size_t padded_len,
                                   size_t *payload_len, Error **errp)
{
    size_t len = ldl_be_p(plain);
    size_t used = SEAL_LEN_SIZE + len;

    if (len > SHADOW_SEAL_MAX_PAYLOAD || padded_len != seal_size_class(len) ||
        !buffer_is_zero(plain + used, padded_len - used)) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_PADDING,
                           "wrong length or padding inside");
    }
    memmove(plain, plain + SEAL_LEN_SIZE, len);
    *payload_len = len;
    return SHADOW_SEAL_OK;
}

/* For authenticated headers only: the answers tell what was expected. */
static ShadowSealResult seal_judge(const ShadowSealInfo *info,
                                   const ShadowSealExpect *expect,
                                   Error **errp)
{
    if (strcmp(info->tag, expect->tag)) {
        return seal_refuse(errp, SHADOW_SEAL_WRONG_GUEST,
                           "it is guest '%s', not '%s'",
                           info->tag, expect->tag);
    }
    if (info->purpose != expect->purpose) {
        return seal_refuse(errp, SHADOW_SEAL_WRONG_PURPOSE,
                           "it was made for a %s",
                           info->purpose == SHADOW_SEAL_SNAPSHOT ?
                           "snapshot" : "migration");
    }
    if (expect->host_id &&
        !memcmp(info->host_id, expect->host_id, sizeof(info->host_id))) {
        return seal_refuse(errp, SHADOW_SEAL_REFLECTED,
                           "it was sealed by this host");
    }
    if (info->epoch <= expect->last_epoch) {
        return seal_refuse(errp, SHADOW_SEAL_STALE,
                           "epoch %" PRIu64 " is not newer than %" PRIu64,
                           info->epoch, expect->last_epoch);
    }
    return SHADOW_SEAL_OK;
}

static const ShadowSecret *seal_find_key(const SealHeader *hdr,
                                         const ShadowSecret *const *keys,
                                         size_t nkeys)
{
    size_t i;

    for (i = 0; i < nkeys; i++) {
        if (!memcmp(shadow_secret_id(keys[i]), hdr->key_id,
                    sizeof(hdr->key_id))) {
            return keys[i];
        }
    }
    return NULL;
}

ShadowSealResult shadow_open(const ShadowSealExpect *expect,
                             const ShadowSecret *const *keys, size_t nkeys,
                             const void *env, size_t env_len,
                             uint8_t **payload, size_t *len,
                             ShadowSealInfo *info_out, Error **errp)
{
    ShadowSealInfo info = {};
    ShadowSealResult result;
    const ShadowSecret *secret;
    size_t payload_len = 0, padded_len;
    uint8_t *plain;
    SealHeader hdr;

    *payload = NULL;
    *len = 0;
    result = seal_parse(&hdr, env, env_len, errp);
    if (result != SHADOW_SEAL_OK) {
        return result;
    }
    secret = seal_find_key(&hdr, keys, nkeys);
    if (!secret) {
        return seal_refuse(errp, SHADOW_SEAL_UNKNOWN_KEY,
                           "it was sealed with another secret");
    }

    padded_len = be32_to_cpu(hdr.padded_len);
    info.purpose = hdr.purpose;
    info.epoch = be64_to_cpu(hdr.epoch);
    memcpy(info.tag, hdr.tag, sizeof(hdr.tag));
    memcpy(info.host_id, hdr.host_id, sizeof(hdr.host_id));

    plain = g_malloc(padded_len);
    result = seal_decrypt(&hdr, secret, env + sizeof(hdr), plain, padded_len,
                          errp);
    if (result == SHADOW_SEAL_OK) {
        result = seal_unpad(plain, padded_len, &payload_len, errp);
    }
    if (result == SHADOW_SEAL_OK) {
        result = seal_judge(&info, expect, errp);
    }
    if (result != SHADOW_SEAL_OK) {
        shadow_wipe(plain, padded_len);
        g_free(plain);
        return result;
    }
    *payload = plain;
    *len = payload_len;
    if (info_out) {
        *info_out = info;
    }
    return SHADOW_SEAL_OK;
}
