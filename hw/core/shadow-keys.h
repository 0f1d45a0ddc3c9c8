/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What seals and opens the envelopes of a shadow guest: a secret that hosts
 * share, with older ones that still open, so that it can be changed without
 * stopping anything; or the keys of this host and of the destination.
 */
#ifndef SHADOW_KEYS_H
#define SHADOW_KEYS_H

#include "shadow/hw/core/shadow-guest.h"

/* Take the keys from the objects that the guest's properties name. */
bool shadow_keys_start(ShadowGuest *g, Error **errp);
void shadow_keys_stop(ShadowGuest *g);

/*
 * Size in bytes of an envelope as shadow_keys_seal() makes it, or 0.  That of a
 * migration is never smaller than that of a snapshot.
 */
size_t shadow_keys_envelope_size(ShadowGuest *g, ShadowSealPurpose purpose,
                                 size_t payload_len);

/* Where in @envelope the payload stands that shadow_keys_seal() seals */
uint8_t *shadow_keys_payload(ShadowGuest *g, ShadowSealPurpose purpose,
                             uint8_t *envelope);

/*
 * shadow_seal_to_host(), if a destination was given, or shadow_seal().  A
 * snapshot is sealed with the secret, or if there is none to this host.
 */
bool shadow_keys_seal(ShadowGuest *g, const ShadowSealInfo *info,
                      uint8_t *envelope, size_t len, Error **errp);

/*
 * All that opens a guest's envelopes, as it is now, to be used without the BQL;
 * held and dropped with it.
 */
typedef struct ShadowKeyring {
    GPtrArray *keys;
    ShadowHost *host;
    GByteArray *signers;
} ShadowKeyring;

void shadow_keys_hold(ShadowGuest *g, ShadowKeyring *ring);
void shadow_keys_drop(ShadowKeyring *ring);

/* shadow_open() with all these keys; completes @expect. */
ShadowSealResult shadow_keys_open(const ShadowKeyring *ring,
                                  ShadowSealExpect *expect,
                                  uint8_t *envelope, size_t envelope_len,
                                  uint8_t **payload, size_t *len,
                                  ShadowSealInfo *info, Error **errp);

/*
 * Whom the next envelopes are for: an encryption key as text, or NULL for
 * whoever shares the guest's secret.
 */
bool shadow_keys_set_destination(ShadowGuest *g, const char *key,
                                 Error **errp);

/* Another host has taken the guest over; it has not, after all. */
void shadow_keys_put_destination_away(ShadowGuest *g);
void shadow_keys_get_destination_back(ShadowGuest *g);

/* Properties secret, old-secrets and host; the first two at run time too. */
void shadow_keys_add_properties(ObjectClass *oc);

#endif /* SHADOW_KEYS_H */
