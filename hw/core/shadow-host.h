/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This host as other hosts know it: its keys, and whose envelopes it takes.
 */
#ifndef SHADOW_HOST_H
#define SHADOW_HOST_H

#include "qom/object.h"
#include "qapi/qapi-types-shadow.h"
#include "shadow/migration/shadow-host-key.h"

#define TYPE_SHADOW_HOST "shadow-host"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowHost, SHADOW_HOST)

struct ShadowHost {
    Object parent_obj;

    char *secret_id;
    strList *trusted_hosts;

    ShadowHostKey *key;
    GByteArray *signers;        /* SHADOW_ED25519_LEN bytes for each */
    unsigned users;             /* shadow guests that name it */
};

/* By id, or NULL with @errp set. */
ShadowHost *shadow_host_find(const char *id, Error **errp);

ShadowHostInfo *shadow_host_query(ShadowHost *h);

/*
 * Public keys as operators give them to each other: base64 of 32 bytes.  A key
 * that cannot be a host's is refused.
 */
char *shadow_host_key_to_text(const uint8_t key[32]);
bool shadow_host_encryption_from_text(const char *text,
                                      uint8_t key[SHADOW_X25519_LEN],
                                      Error **errp);
bool shadow_host_signing_from_text(const char *text,
                                   uint8_t key[SHADOW_ED25519_LEN],
                                   Error **errp);

#endif /* SHADOW_HOST_H */
