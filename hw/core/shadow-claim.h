/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nested guests that are known by a cookie in their memory, which the cloud VM
 * has put there: where nested entries are made under an address space that
 * tells nothing of who runs.
 *
 * A claim waits for the first nested entry that has its cookie.  From then on
 * the guest is known by that entry's VMCB and root, as one that has registered,
 * and the cookie says at each entry whether that still holds.  One that
 * registers can have such a cookie too.
 */
#ifndef SHADOW_CLAIM_H
#define SHADOW_CLAIM_H

#include "shadow/hw/core/shadow-binding.h"

/*
 * Both by the CPU that makes @entry, in an RCU read section, and without
 * shadow_matches_lock.
 *
 * The guest of a waiting claim whose cookie the entry has, which is bound to it
 * now; or NULL.  May take the BQL.
 */
ShadowPorts *shadow_claim_find(const ShadowEntry *entry);

/*
 * Whether the guest, which is known by @entry's root or VMCB, still has its
 * cookie.  If it is over, on_stale() will be called.
 */
ShadowLife shadow_claim_look(ShadowPorts *ports, const ShadowEntry *entry);

/* What follows is called with the BQL held. */

/* Wait for a nested guest with @cookie.  The guest has one claim at a time. */
void shadow_claim_add(ShadowPorts *ports, const ShadowNestedCookie *cookie);

/* The nested guest that has registered, or is about to, has this cookie. */
void shadow_claim_add_registered(ShadowPorts *ports,
                                 const ShadowNestedCookie *cookie);
bool shadow_claim_is_registered(ShadowPorts *ports);

/* Forget the guest's claim, or cookie.  Returns whether there was one. */
bool shadow_claim_remove(ShadowPorts *ports);

/* Whether there is a claim that waits, or that has found its guest */
bool shadow_claim_waits(ShadowPorts *ports);
bool shadow_claim_found(ShadowPorts *ports);

/* Whether something else was seen where the cookie of a found guest was */
bool shadow_claim_is_stale(ShadowPorts *ports);

#endif /* SHADOW_CLAIM_H */
