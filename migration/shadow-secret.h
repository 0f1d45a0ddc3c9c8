/*
 * Secrets of shadow guests, and the keys that are derived from them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SHADOW_MIGRATION_SHADOW_SECRET_H
#define SHADOW_MIGRATION_SHADOW_SECRET_H

#define SHADOW_SEAL_KEY_ID_LEN   8
#define SHADOW_SECRET_MIN_LEN    32
#define SHADOW_SECRET_MAX_LEN    4096

typedef struct ShadowSecret ShadowSecret;

/*
 * Makes libgcrypt ready, whether or not qcrypto_init() has done so or will.
 * Call it once, from the main thread, before anything else here.
 */
bool shadow_secret_init(Error **errp);

/* Copies @bytes; the caller still has to wipe its own. */
ShadowSecret *shadow_secret_new(const void *bytes, size_t len, Error **errp);
void shadow_secret_free(ShadowSecret *secret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShadowSecret, shadow_secret_free)

/* SHADOW_SEAL_KEY_ID_LEN public bytes that name the secret */
const uint8_t *shadow_secret_id(const ShadowSecret *secret);

/*
 * At most 256 bytes of the kernel's randomness, which nothing makes repeat
 * itself: QEMU's own, for guests, does with -seed.  False: errno says why.
 */
bool shadow_random(void *buf, size_t len);

/* A memset() that the compiler may not leave out */
void shadow_wipe(void *p, size_t len);

/*
 * Bytes in libgcrypt's secure memory, zeroed, and wiped when they are freed:
 * not paged out as far as the system lets us, and while there are few.  NULL
 * if there are no more.
 */
typedef uint8_t ShadowSecure;
ShadowSecure *shadow_secure_new(size_t len);
/* The same for what is kept, of which there may be many. */
ShadowSecure *shadow_secure_new_kept(size_t len);
void shadow_secure_free(ShadowSecure *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShadowSecure, shadow_secure_free)

/* RFC 5869 with SHA-256; public for the tests */
#define SHADOW_HKDF_HASH_LEN 32
bool shadow_hkdf_extract(const void *salt, size_t salt_len,
                         const void *ikm, size_t ikm_len,
                         uint8_t prk[SHADOW_HKDF_HASH_LEN]);
bool shadow_hkdf_expand(const void *prk, size_t prk_len,
                        const void *info, size_t info_len,
                        void *okm, size_t len);

/*
 * @len bytes of key, by HKDF-SHA-256 from the secret, @salt and @info; to be
 * wiped by the caller.  False if libgcrypt fails.
 */
bool shadow_secret_derive(const ShadowSecret *secret,
                          const void *salt, size_t salt_len,
                          const void *info, size_t info_len,
                          void *key, size_t len);

#endif
