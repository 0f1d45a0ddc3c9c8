/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The secrets of a shadow guest: one that seals, and older ones that still
 * open, so that keys can be changed without stopping anything.
 */
#ifndef SHADOW_KEYS_H
#define SHADOW_KEYS_H

#include "shadow/hw/core/shadow-guest.h"

/*
 * Take the guest's secrets from the secret objects that its properties name.
 * On failure those that it has stay as they are.
 */
bool shadow_keys_load(ShadowGuest *g, Error **errp);
void shadow_keys_free(ShadowGuest *g);

/* The secret that seals is the first of those that open. */
const ShadowSecret *shadow_keys_seal(ShadowGuest *g);
const ShadowSecret *const *shadow_keys_open(ShadowGuest *g, size_t *n);

/* Properties secret and old-secrets; both can be set at run time. */
void shadow_keys_add_properties(ObjectClass *oc);

#endif /* SHADOW_KEYS_H */
