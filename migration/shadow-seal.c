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
#include "shadow/migration/shadow-seal-internal.h"
#include <gcrypt.h>

#define SEAL_VERSION  1
static const uint8_t seal_magic[4] = { 'Q', 'S', 'H', 'D' };

typedef struct SealSuite {
    uint8_t id;
    size_t prefix;      /* bytes between header and ciphertext */
    size_t suffix;      /* bytes after the GCM tag */
} SealSuite;

static const SealSuite seal_suites[] = {
    { SEAL_SUITE_SECRET, 0, 0 },
    { SEAL_SUITE_HOST, sizeof(SealHostPrefix), SHADOW_ED25519_SIG_LEN },
};

static const SealSuite *seal_suite(uint8_t id)
{
    for (int i = 0; i < ARRAY_SIZE(seal_suites); i++) {
        if (seal_suites[i].id == id) {
            return &seal_suites[i];
        }
    }
    return NULL;
}

static void seal_key_free(SealKey *key)
{
    shadow_secure_free((ShadowSecure *)key);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SealKey, seal_key_free)
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

/* A cipher that has its key and has taken in @public_len bytes, or NULL */
static gcry_cipher_hd_t seal_cipher(const SealKey *key, const void *public,
                                    size_t public_len)
{
    g_auto(gcry_cipher_hd_t) cipher = NULL;

    if (gcry_cipher_open(&cipher, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM,
                         GCRY_CIPHER_SECURE) ||
        gcry_cipher_setkey(cipher, key->key, sizeof(key->key)) ||
        gcry_cipher_setiv(cipher, key->iv, sizeof(key->iv)) ||
        gcry_cipher_authenticate(cipher, public, public_len)) {
        return NULL;
    }
    return g_steal_pointer(&cipher);
}

/*
 * The exact length stands inside, in front of the payload: in the header it
 * would tell what the padding is there to hide.
 */
#define SEAL_LEN_SIZE sizeof(uint32_t)

QEMU_BUILD_BUG_ON(SHADOW_SEAL_PAYLOAD !=
                  SHADOW_SEAL_HEADER_LEN + SEAL_LEN_SIZE);
QEMU_BUILD_BUG_ON(SHADOW_SEAL_HOST_PAYLOAD !=
                  SHADOW_SEAL_PAYLOAD + sizeof(SealHostPrefix));

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

size_t shadow_seal_host_size(size_t payload_len)
{
    size_t size = shadow_seal_size(payload_len);

    return size ? size + SHADOW_SEAL_HOST_OVERHEAD : 0;
}

/* Printable, so that a refusal can name the guest in a log */
static bool seal_guest_valid(const char *id, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (!g_ascii_isgraph(id[i])) {
            return false;
        }
    }
    return len >= 1 && len <= SHADOW_SEAL_ID_MAX;
}

static bool seal_purpose_valid(int purpose)
{
    return purpose >= SHADOW_SEAL_MIGRATION && purpose <= SHADOW_SEAL_PAGES;
}

static bool seal_header_fill(SealHeader *hdr, uint8_t suite,
                             const ShadowSealInfo *info,
                             const uint8_t *key_id, size_t len, Error **errp)
{
    size_t guest_len = strnlen(info->guest, sizeof(info->guest));

    if (len > SHADOW_SEAL_MAX_PAYLOAD) {
        error_setg(errp, "%zu bytes of state are more than an envelope holds",
                   len);
        return false;
    }
    if (!seal_guest_valid(info->guest, guest_len) || !info->epoch ||
        !seal_purpose_valid(info->purpose)) {
        error_setg(errp, "invalid guest id, epoch or purpose to seal for");
        return false;
    }
    *hdr = (SealHeader) {
        .version = SEAL_VERSION,
        .suite = suite,
        .purpose = info->purpose,
        .guest_len = guest_len,
        .epoch = cpu_to_be64(info->epoch),
        .padded_len = cpu_to_be32(seal_size_class(len)),
    };
    memcpy(hdr->magic, seal_magic, sizeof(hdr->magic));
    if (!shadow_random(hdr->salt, sizeof(hdr->salt))) {
        error_setg_errno(errp, errno, "no salt to seal with");
        return false;
    }
    memcpy(hdr->key_id, key_id, sizeof(hdr->key_id));
    memcpy(hdr->sealer_id, info->sealer_id, sizeof(hdr->sealer_id));
    memcpy(hdr->guest, info->guest, guest_len);
    return true;
}

/*
 * Everything from the ciphertext to the GCM tag; what is before, and the
 * payload, are there.
 */
static bool seal_body(uint8_t *envelope, size_t prefix, const SealKey *key,
                      size_t len)
{
    size_t public_len = SHADOW_SEAL_HEADER_LEN + prefix;
    size_t padded = seal_size_class(len);
    uint8_t *body = envelope + public_len;
    g_auto(gcry_cipher_hd_t) cipher = seal_cipher(key, envelope, public_len);

    stl_be_p(body, len);
    memset(body + SEAL_LEN_SIZE + len, 0, padded - SEAL_LEN_SIZE - len);
    return cipher &&
           !gcry_cipher_final(cipher) &&
           !gcry_cipher_encrypt(cipher, body, padded, NULL, 0) &&
           !gcry_cipher_gettag(cipher, body + padded, SHADOW_SEAL_AUTH_LEN);
}

/* Leaves nothing of the payload in a failed envelope. */
static bool seal_done(bool ok, uint8_t *envelope, size_t size, Error **errp)
{
    if (!ok) {
        shadow_wipe(envelope, size);
        error_setg(errp, "libgcrypt failed to seal the state");
    }
    return ok;
}

bool shadow_seal(const ShadowSealInfo *info, const ShadowSecret *key,
                 uint8_t *envelope, size_t len, Error **errp)
{
    g_autoptr(SealKey) derived = (SealKey *)shadow_secure_new(sizeof(SealKey));
    size_t size = shadow_seal_size(len);
    SealHeader hdr;

    if (!seal_header_fill(&hdr, SEAL_SUITE_SECRET, info,
                          shadow_secret_id(key), len, errp)) {
        shadow_wipe(envelope, size);
        return false;
    }
    memcpy(envelope, &hdr, sizeof(hdr));
    return seal_done(derived && seal_derive(&hdr, key, derived) &&
                     seal_body(envelope, 0, derived, len),
                     envelope, size, errp);
}

bool shadow_seal_to_host(const ShadowSealInfo *info,
                         const uint8_t recipient[SHADOW_X25519_LEN],
                         const ShadowHostKey *sender,
                         uint8_t *envelope, size_t len, Error **errp)
{
    g_autoptr(SealKey) key = (SealKey *)shadow_secure_new(sizeof(SealKey));
    size_t size = shadow_seal_host_size(len);
    SealHeader hdr;

    if (!seal_header_fill(&hdr, SEAL_SUITE_HOST, info, recipient, len,
                          errp)) {
        shadow_wipe(envelope, size);
        return false;
    }
    memcpy(envelope, &hdr, sizeof(hdr));
    return seal_done(key &&
                     seal_host_begin(envelope, recipient, sender, key) &&
                     seal_body(envelope, sizeof(SealHostPrefix), key, len) &&
                     seal_host_sign(envelope, size, recipient, sender),
                     envelope, size, errp);
}

const uint8_t *shadow_seal_salt(const uint8_t *envelope)
{
    return envelope + offsetof(SealHeader, salt);
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
        [SHADOW_SEAL_UNKNOWN_SIGNER] = "unknown-signer",
        [SHADOW_SEAL_BAD_SIGNATURE] = "bad-signature",
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

ShadowSealResult seal_refuse(Error **errp, ShadowSealResult result,
                             const char *fmt, ...)
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
static ShadowSealResult seal_parse(SealHeader *hdr, const SealSuite **suite,
                                   const void *envelope, size_t envelope_len,
                                   Error **errp)
{
    static const char no_guest[SHADOW_SEAL_ID_MAX];
    size_t padded_len, full_len;

    if (envelope_len < sizeof(*hdr)) {
        return seal_refuse(errp, SHADOW_SEAL_TRUNCATED,
                           "%zu bytes are less than a header", envelope_len);
    }
    memcpy(hdr, envelope, sizeof(*hdr));
    if (memcmp(hdr->magic, seal_magic, sizeof(seal_magic))) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_MAGIC, "not an envelope");
    }
    if (hdr->version != SEAL_VERSION) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_VERSION,
                           "unknown format version %d", hdr->version);
    }
    *suite = seal_suite(hdr->suite);
    if (!*suite) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_SUITE,
                           "unknown cipher suite %d", hdr->suite);
    }
    padded_len = be32_to_cpu(hdr->padded_len);
    if (padded_len < SHADOW_SEAL_MIN_CLASS ||
        padded_len > SHADOW_SEAL_MAX_CLASS ||
        !is_power_of_2(padded_len) || hdr->reserved ||
        !hdr->epoch || !seal_purpose_valid(hdr->purpose) ||
        !seal_guest_valid(hdr->guest,
                          MIN(hdr->guest_len, sizeof(hdr->guest))) ||
        hdr->guest_len > sizeof(hdr->guest) ||
        memcmp(hdr->guest + hdr->guest_len, no_guest,
               sizeof(hdr->guest) - hdr->guest_len)) {
        return seal_refuse(errp, SHADOW_SEAL_MALFORMED, "malformed header");
    }
    full_len = padded_len + SHADOW_SEAL_OVERHEAD + (*suite)->prefix +
               (*suite)->suffix;
    if (envelope_len != full_len) {
        return seal_refuse(errp, envelope_len < full_len ?
                           SHADOW_SEAL_TRUNCATED : SHADOW_SEAL_TRAILING,
                           "%zu bytes instead of %zu", envelope_len,
                           full_len);
    }
    return SHADOW_SEAL_OK;
}

static ShadowSealResult seal_decrypt(const SealKey *key, uint8_t *envelope,
                                     size_t public_len, size_t padded_len,
                                     Error **errp)
{
    uint8_t *body = envelope + public_len;
    g_auto(gcry_cipher_hd_t) cipher = seal_cipher(key, envelope, public_len);

    if (!cipher ||
        gcry_cipher_final(cipher) ||
        gcry_cipher_decrypt(cipher, body, padded_len, NULL, 0)) {
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

static ShadowSealResult seal_unpad(const uint8_t *body, size_t padded_len,
                                   size_t *payload_len, Error **errp)
{
    size_t len = ldl_be_p(body);
    size_t used = SEAL_LEN_SIZE + len;

    if (len > SHADOW_SEAL_MAX_PAYLOAD || padded_len != seal_size_class(len) ||
        !buffer_is_zero(body + used, padded_len - used)) {
        return seal_refuse(errp, SHADOW_SEAL_BAD_PADDING,
                           "wrong length or padding inside");
    }
    *payload_len = len;
    return SHADOW_SEAL_OK;
}

/* For authenticated headers only: the answers tell what was expected. */
static ShadowSealResult seal_judge(const ShadowSealInfo *info,
                                   const ShadowSealExpect *expect,
                                   Error **errp)
{
    static const char *const purposes[] = {
        [SHADOW_SEAL_MIGRATION] = "migration",
        [SHADOW_SEAL_SNAPSHOT] = "snapshot",
        [SHADOW_SEAL_HISTORY] = "migration's history",
        [SHADOW_SEAL_PAGES] = "migration's private memory",
    };

    if (strcmp(info->guest, expect->guest)) {
        return seal_refuse(errp, SHADOW_SEAL_WRONG_GUEST,
                           "it is guest '%s', not '%s'",
                           info->guest, expect->guest);
    }
    if (info->purpose == SHADOW_SEAL_SNAPSHOT && expect->snapshots) {
        return SHADOW_SEAL_OK;
    }
    if (info->purpose != expect->purpose &&
        !(info->purpose >= SHADOW_SEAL_HISTORY && expect->ahead)) {
        return seal_refuse(errp, SHADOW_SEAL_WRONG_PURPOSE,
                           "it was made for a %s", purposes[info->purpose]);
    }
    if (expect->sealer_id &&
        !memcmp(info->sealer_id, expect->sealer_id, sizeof(info->sealer_id))) {
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

/* The same is done whether or not a secret has the envelope's key id. */
static ShadowSealResult seal_secret_key(const SealHeader *hdr,
                                        const ShadowSecret *const *keys,
                                        size_t nkeys, SealKey *key,
                                        Error **errp)
{
    const ShadowSecret *secret = seal_find_key(hdr, keys, nkeys);

    if (nkeys && !seal_derive(hdr, secret ?: keys[0], key)) {
        return seal_refuse(errp, SHADOW_SEAL_INTERNAL,
                           "libgcrypt failed to derive a key");
    }
    if (!secret) {
        return seal_refuse(errp, SHADOW_SEAL_UNKNOWN_KEY,
                           "it was sealed with another secret");
    }
    return SHADOW_SEAL_OK;
}

/*
 * An envelope of the right shape costs the same time whichever of its bytes
 * is wrong: the body is decrypted, with some key, in any case.
 */
static ShadowSealResult seal_authenticate(const SealHeader *hdr,
                                          const SealSuite *suite,
                                          const ShadowSealExpect *expect,
                                          const ShadowSecret *const *keys,
                                          size_t nkeys, uint8_t *envelope,
                                          size_t envelope_len, Error **errp)
{
    g_autoptr(SealKey) key = (SealKey *)shadow_secure_new(sizeof(SealKey));
    ShadowSealResult result, body;
    Error *why = NULL;

    if (!key) {
        return seal_refuse(errp, SHADOW_SEAL_INTERNAL,
                           "there is no secure memory left");
    }
    if (suite->id == SEAL_SUITE_HOST) {
        result = seal_host_key(envelope, envelope_len, expect, key, &why);
    } else {
        result = seal_secret_key(hdr, keys, nkeys, key, &why);
    }
    body = seal_decrypt(key, envelope, sizeof(*hdr) + suite->prefix,
                        be32_to_cpu(hdr->padded_len), why ? NULL : &why);
    error_propagate(errp, why);
    return result != SHADOW_SEAL_OK ? result : body;
}

ShadowSealResult shadow_open(const ShadowSealExpect *expect,
                             const ShadowSecret *const *keys, size_t nkeys,
                             uint8_t *envelope, size_t envelope_len,
                             uint8_t **payload, size_t *len,
                             ShadowSealInfo *info_out, Error **errp)
{
    ShadowSealInfo info = {};
    ShadowSealResult result;
    const SealSuite *suite = NULL;
    size_t payload_len = 0, padded_len;
    uint8_t *body;
    SealHeader hdr;

    *payload = NULL;
    *len = 0;
    result = seal_parse(&hdr, &suite, envelope, envelope_len, errp);
    if (result != SHADOW_SEAL_OK) {
        return result;
    }
    padded_len = be32_to_cpu(hdr.padded_len);
    info.purpose = hdr.purpose;
    info.epoch = be64_to_cpu(hdr.epoch);
    memcpy(info.guest, hdr.guest, sizeof(hdr.guest));
    memcpy(info.sealer_id, hdr.sealer_id, sizeof(hdr.sealer_id));

    body = envelope + sizeof(hdr) + suite->prefix;
    result = seal_authenticate(&hdr, suite, expect, keys, nkeys, envelope,
                               envelope_len, errp);
    if (result == SHADOW_SEAL_OK) {
        result = seal_unpad(body, padded_len, &payload_len, errp);
    }
    if (result == SHADOW_SEAL_OK) {
        result = seal_judge(&info, expect, errp);
    }
    if (result != SHADOW_SEAL_OK) {
        shadow_wipe(body, padded_len);
        return result;
    }
    *payload = body + SEAL_LEN_SIZE;
    *len = payload_len;
    if (info_out) {
        *info_out = info;
    }
    return SHADOW_SEAL_OK;
}
