/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What shadow-guest.c, shadow-lifecycle.c, shadow-protection.c and
 * shadow-transfer.c need of each other.
 */
#ifndef SHADOW_LIFECYCLE_H
#define SHADOW_LIFECYCLE_H

#include "shadow/hw/core/shadow-guest.h"

/*
 * Whether property @name can still be set.  What was looked at when the guest
 * was made cannot: nothing would look again.
 */
bool shadow_guest_can_set(ShadowGuest *g, const char *name, Error **errp);

void shadow_lifecycle_start(ShadowGuest *g);
void shadow_lifecycle_stop(ShadowGuest *g);
void shadow_lifecycle_entered(ShadowGuest *g);
void shadow_lifecycle_stale(ShadowGuest *g);

/* (shadow-register.c) */
void shadow_register_add_properties(ObjectClass *oc);
/* Whether the bind-secret can serve */
bool shadow_register_check_secret(ShadowGuest *g, Error **errp);
void shadow_register_stop(ShadowGuest *g);

/*
 * Tell the devices whether the guest is bound; if it is not, @reason says why.
 */
void shadow_lifecycle_attach(ShadowGuest *g, const char *reason);

void shadow_lifecycle_bind_tag(ShadowGuest *g, const ShadowEntry *entry);
/* A nested guest in the bound process has proved that it is this one. */
void shadow_lifecycle_proved(ShadowGuest *g);

void shadow_transfer_start(ShadowGuest *g);
void shadow_transfer_stop(ShadowGuest *g);

/*
 * Whether this host can protect the guest, or need not; warns if it cannot.
 */
bool shadow_protection_start(ShadowGuest *g, Error **errp);
/* Whether the cloud VM can see and alter what passes */
bool shadow_protection_lacks(ShadowGuest *g);
void shadow_protection_add_properties(ObjectClass *oc);

void shadow_lifecycle_set_state(ShadowGuest *g, ShadowGuestState state);

/* While held, no device has a side effect. */
void shadow_lifecycle_hold(ShadowGuest *g, bool held);

/* Report a refused call, of a nested caller or not: event, trace, counter. */
void shadow_lifecycle_refused(ShadowGuest *g, const char *reason, bool nested);

/* The same, because of @local, which is given to @errp; returns @err. */
int shadow_lifecycle_refuse(ShadowGuest *g, int err, Error *local,
                            Error **errp);
/* The same, because of the guest's state, which does not let one @what it */
int shadow_lifecycle_wrong_state(ShadowGuest *g, const char *what, int err,
                                 Error **errp);

ShadowDeviceInfoList *shadow_guest_query_devices(ShadowGuest *g);

#endif /* SHADOW_LIFECYCLE_H */
