/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a guest: what others do to its state and its bindings.
 */
#ifndef SHADOW_LIFECYCLE_H
#define SHADOW_LIFECYCLE_H

#include "shadow/hw/core/shadow-guest.h"

/* Its nested guest runs, as was seen, or as the cloud VM says */
void shadow_lifecycle_seen(ShadowGuest *g);
void shadow_lifecycle_entered(ShadowGuest *g);
/* Its process has ended, or the nested guest that was claimed. */
void shadow_lifecycle_stale(ShadowGuest *g);
/* The nested guest that was claimed makes @entry. */
void shadow_lifecycle_claimed(ShadowGuest *g, const ShadowEntry *entry);

/*
 * Tell the devices whether the guest is bound; if it is not, @reason says why.
 */
void shadow_lifecycle_attach(ShadowGuest *g, const char *reason);

/* @again: it is the one that has registered before */
void shadow_lifecycle_bind_tag(ShadowGuest *g, const ShadowEntry *entry,
                               bool again, const ShadowNestedCookie *cookie);
/* A nested guest in the bound process has proved that it is this one. */
void shadow_lifecycle_proved(ShadowGuest *g);

void shadow_lifecycle_set_state(ShadowGuest *g, ShadowGuestState state);

/* Of a guest that is gone: whether who has given it away can still take it back */
bool shadow_lifecycle_may_come_back(ShadowGuest *g);

/* While held, no device has a side effect. */
void shadow_lifecycle_hold(ShadowGuest *g, bool held);

#endif /* SHADOW_LIFECYCLE_H */
