/*
 * Secrets of shadow guests, and the keys that are derived from them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "shadow/migration/shadow-secret.h"
#include <gcrypt.h>

#define KEY_ID_INFO   "qemu-shadow key id"

/* Secure memory grows by this many bytes when the first pool is used up. */
#define SECURE_POOL_SIZE (64 * KiB)

/* In secure memory; the secret object that the bytes come from is not. */
struct ShadowSecret {
    size_t len;
    uint8_t id[SHADOW_SEAL_KEY_ID_LEN];
    uint8_t bytes[];
};

bool shadow_random(void *buf, size_t len)
{
    return getentropy(buf, len) == 0;
}

void shadow_wipe(void *p, size_t len)
{
    memset(p, 0, len);
    asm volatile("" : : "r"(p) : "memory");
}

ShadowSecure *shadow_secure_new(size_t len)
{
    return gcry_calloc_secure(1, len);
}

ShadowSecure *shadow_secure_new_kept(size_t len)
{
    ShadowSecure *p = shadow_secure_new(len);

    if (p && mlock(p, len) < 0) {
        warn_report_once("keys may be paged out: they cannot be locked in "
                         "memory: %s", strerror(errno));
    }
    return p;
}

void shadow_secure_free(ShadowSecure *p)
{
    gcry_free(p);
}

bool shadow_secret_init(Error **errp)
{
    /*
     * Both calls may be repeated, so qcrypto_init() can come before or after.
     * QEMU may be built with another crypto backend, so it may never come.
     */
    if (!gcry_check_version("1.9.0")) {
        error_setg(errp, "libgcrypt 1.9 or newer is needed");
        return false;
    }
    gcry_control(GCRYCTL_AUTO_EXPAND_SECMEM, (unsigned int)SECURE_POOL_SIZE);
    /* It would say that further pools are not locked; what needs it is. */
    gcry_control(GCRYCTL_DISABLE_SECMEM_WARN);
    if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    }
    if (gcry_cipher_test_algo(GCRY_CIPHER_AES256) ||
        gcry_md_test_algo(GCRY_MD_SHA256)) {
        error_setg(errp, "libgcrypt lacks AES-256 or SHA-256");
        return false;
    }
    return true;
}

static gcry_buffer_t secret_buffer(const void *data, size_t len)
{
    return (gcry_buffer_t) { .data = (void *)data, .len = len };
}

/* buf[0] is the key */
static bool secret_hmac(uint8_t *mac, const gcry_buffer_t *buf, int nbuf)
{
    return gcry_md_hash_buffers(GCRY_MD_SHA256, GCRY_MD_FLAG_HMAC, mac,
                                buf, nbuf) == 0;
}

bool shadow_hkdf_extract(const void *salt, size_t salt_len,
                         const void *ikm, size_t ikm_len,
                         uint8_t prk[SHADOW_HKDF_HASH_LEN])
{
    static const uint8_t no_salt[SHADOW_HKDF_HASH_LEN];
    gcry_buffer_t buf[] = {
        salt_len ? secret_buffer(salt, salt_len)
                 : secret_buffer(no_salt, sizeof(no_salt)),
        secret_buffer(ikm, ikm_len),
    };

    return secret_hmac(prk, buf, ARRAY_SIZE(buf));
}

bool shadow_hkdf_expand(const void *prk, size_t prk_len,
                        const void *info, size_t info_len,
                        void *okm, size_t len)
{
    g_autoptr(ShadowSecure) block = shadow_secure_new(SHADOW_HKDF_HASH_LEN);
    uint8_t counter = 1;
    size_t done, n;
    bool ok = block && len <= 255 * SHADOW_HKDF_HASH_LEN;

    for (done = 0; ok && done < len; done += n, counter++) {
        gcry_buffer_t buf[] = {
            secret_buffer(prk, prk_len),
            secret_buffer(block, done ? SHADOW_HKDF_HASH_LEN : 0),
            secret_buffer(info, info_len),
            secret_buffer(&counter, sizeof(counter)),
        };

        n = MIN(len - done, SHADOW_HKDF_HASH_LEN);
        ok = secret_hmac(block, buf, ARRAY_SIZE(buf));
        memcpy(okm + done, block, n);
    }
    return ok;
}

ShadowSecret *shadow_secret_new(const void *bytes, size_t len, Error **errp)
{
    g_autoptr(ShadowSecret) secret = NULL;

    if (len < SHADOW_SECRET_MIN_LEN || len > SHADOW_SECRET_MAX_LEN) {
        error_setg(errp, "the secret has %zu bytes, it must have %d to %d",
                   len, SHADOW_SECRET_MIN_LEN, SHADOW_SECRET_MAX_LEN);
        return NULL;
    }
    secret = (ShadowSecret *)shadow_secure_new_kept(sizeof(*secret) + len);
    if (!secret) {
        error_setg(errp, "there is no secure memory left for a secret");
        return NULL;
    }
    secret->len = len;
    memcpy(secret->bytes, bytes, len);
    if (!shadow_hkdf_expand(secret->bytes, len, KEY_ID_INFO,
                            strlen(KEY_ID_INFO),
                            secret->id, sizeof(secret->id))) {
        error_setg(errp, "libgcrypt cannot compute HMAC-SHA-256");
        return NULL;
    }
    return g_steal_pointer(&secret);
}

void shadow_secret_free(ShadowSecret *secret)
{
    shadow_secure_free((ShadowSecure *)secret);
}

const uint8_t *shadow_secret_id(const ShadowSecret *secret)
{
    return secret->id;
}

bool shadow_secret_derive(const ShadowSecret *secret,
                          const void *salt, size_t salt_len,
                          const void *info, size_t info_len,
                          void *key, size_t len)
{
    g_autoptr(ShadowSecure) prk = shadow_secure_new(SHADOW_HKDF_HASH_LEN);

    return prk &&
           shadow_hkdf_extract(salt, salt_len, secret->bytes, secret->len,
                               prk) &&
           shadow_hkdf_expand(prk, SHADOW_HKDF_HASH_LEN, info, info_len,
                              key, len);
}
