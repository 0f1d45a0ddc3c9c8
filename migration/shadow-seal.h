/*
 * Sealed envelope for the state of a shadow guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Plain bytes to a versioned, authenticated, encrypted envelope and back.
 * Knows no device.  The format is in docs/envelope.rst.
 */

#ifndef SHADOW_MIGRATION_SHADOW_SEAL_H
#define SHADOW_MIGRATION_SHADOW_SEAL_H

#include "qemu/units.h"
#include "shadow/migration/shadow-host-key.h"

#define SHADOW_SEAL_HEADER_LEN   112
#define SHADOW_SEAL_AUTH_LEN     16
#define SHADOW_SEAL_OVERHEAD     (SHADOW_SEAL_HEADER_LEN + SHADOW_SEAL_AUTH_LEN)
/* More of it in envelopes that are sealed to a host */
#define SHADOW_SEAL_HOST_OVERHEAD \
    (SHADOW_X25519_LEN + SHADOW_ED25519_LEN + SHADOW_ED25519_SIG_LEN)
#define SHADOW_SEAL_MIN_CLASS    (4 * KiB)
#define SHADOW_SEAL_MAX_CLASS    (16 * MiB)
#define SHADOW_SEAL_MAX_PAYLOAD  (SHADOW_SEAL_MAX_CLASS - 4)
#define SHADOW_SEAL_MAX_SIZE \
    (SHADOW_SEAL_MAX_CLASS + SHADOW_SEAL_OVERHEAD + SHADOW_SEAL_HOST_OVERHEAD)
#define SHADOW_SEAL_ID_MAX      56
#define SHADOW_SEAL_SEALER_ID_LEN  8
#define SHADOW_SEAL_SALT_LEN     16

typedef enum ShadowSealResult {
    SHADOW_SEAL_OK = 0,
    /* Found without a key: the header is not believed, only measured */
    SHADOW_SEAL_TRUNCATED,
    SHADOW_SEAL_TRAILING,
    SHADOW_SEAL_BAD_MAGIC,
    SHADOW_SEAL_BAD_VERSION,
    SHADOW_SEAL_BAD_SUITE,
    SHADOW_SEAL_MALFORMED,
    SHADOW_SEAL_UNKNOWN_KEY,
    SHADOW_SEAL_UNKNOWN_SIGNER,
    SHADOW_SEAL_BAD_SIGNATURE,
    SHADOW_SEAL_BAD_TAG,
    /* Said only of envelopes that a holder of the key has made */
    SHADOW_SEAL_BAD_PADDING,
    SHADOW_SEAL_WRONG_GUEST,
    SHADOW_SEAL_WRONG_PURPOSE,
    SHADOW_SEAL_REFLECTED,
    SHADOW_SEAL_STALE,
    /* The library failed; nothing is known about the envelope */
    SHADOW_SEAL_INTERNAL,
    SHADOW_SEAL__MAX,
} ShadowSealResult;

/* The numbers are those of the header */
typedef enum ShadowSealPurpose {
    SHADOW_SEAL_MIGRATION = 1,
    SHADOW_SEAL_SNAPSHOT = 2,
    SHADOW_SEAL_HISTORY = 3,    /* sent ahead of a migration's envelope */
    SHADOW_SEAL_PAGES = 4,      /* private memory's key, ahead of it, too */
} ShadowSealPurpose;

/* What the header says besides lengths and keys */
typedef struct ShadowSealInfo {
    char guest[SHADOW_SEAL_ID_MAX + 1];
    ShadowSealPurpose purpose;
    uint64_t epoch;                                /* 1 or more */
    uint8_t sealer_id[SHADOW_SEAL_SEALER_ID_LEN];      /* who sealed */
} ShadowSealInfo;

typedef struct ShadowSealExpect {
    const char *guest;
    ShadowSealPurpose purpose;
    uint64_t last_epoch;        /* the envelope's must be higher */
    const uint8_t *sealer_id;     /* refuse what this host sealed; or NULL */
    bool snapshots;             /* a snapshot will do too, however old */
    bool ahead;                 /* and so will what is sent ahead */

    /* Opens what was sealed to this host, if a listed one has signed it */
    const ShadowHostKey *host;  /* or NULL */
    const uint8_t *signers;     /* @n_signers x SHADOW_ED25519_LEN bytes */
    size_t n_signers;
} ShadowSealExpect;

/* Sizes of envelopes, or 0 if the payload is longer than the maximum */
size_t shadow_seal_size(size_t payload_len);
size_t shadow_seal_host_size(size_t payload_len);

/* Where the payload stands in an envelope, before and after it is sealed */
#define SHADOW_SEAL_PAYLOAD      (SHADOW_SEAL_HEADER_LEN + 4)
#define SHADOW_SEAL_HOST_PAYLOAD \
    (SHADOW_SEAL_PAYLOAD + SHADOW_X25519_LEN + SHADOW_ED25519_LEN)

/*
 * Seals the @len bytes that stand at @envelope + SHADOW_SEAL_PAYLOAD where they
 * are; all else of the shadow_seal_size(@len) bytes at @envelope is written.
 * On failure @envelope holds nothing of the payload.
 *
 * The cloud VM must not have a hand in @envelope: what it changes between
 * encryption and authentication would be sealed for it, and what it reads
 * before, told.
 */
bool shadow_seal(const ShadowSealInfo *info, const ShadowSecret *key,
                 uint8_t *envelope, size_t len, Error **errp);

/*
 * The same with shadow_seal_host_size(@len) bytes, and with the payload at
 * @envelope + SHADOW_SEAL_HOST_PAYLOAD: sealed to the host that has the public
 * key @recipient, and signed by @sender.
 */
bool shadow_seal_to_host(const ShadowSealInfo *info,
                         const uint8_t recipient[SHADOW_X25519_LEN],
                         const ShadowHostKey *sender,
                         uint8_t *envelope, size_t len, Error **errp);

/*
 * Opens @envelope where it stands: what was encrypted there is overwritten,
 * whether or not it is refused.  The cloud VM must not have a hand in it.
 *
 * On SHADOW_SEAL_OK *@payload is in @envelope, is the caller's to wipe, and is
 * not NULL even if *@len is 0.  Otherwise *@payload is NULL, @envelope holds
 * nothing of it, @info_out (which may be NULL) is untouched, and @errp is set.
 */
ShadowSealResult shadow_open(const ShadowSealExpect *expect,
                             const ShadowSecret *const *keys, size_t nkeys,
                             uint8_t *envelope, size_t envelope_len,
                             uint8_t **payload, size_t *len,
                             ShadowSealInfo *info_out, Error **errp);

/* The salt of an envelope, SHADOW_SEAL_SALT_LEN bytes: no two have the same. */
const uint8_t *shadow_seal_salt(const uint8_t *envelope);

/* A short stable name, for events: "bad-tag", "stale", ... */
const char *shadow_seal_reason_str(ShadowSealResult result);

#endif
