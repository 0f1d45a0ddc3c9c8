/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What shadow-guest.c and shadow-lifecycle.c need of each other.
 */
#ifndef SHADOW_LIFECYCLE_H
#define SHADOW_LIFECYCLE_H

#include "shadow/hw/core/shadow-guest.h"

void shadow_lifecycle_start(ShadowGuest *g);
void shadow_lifecycle_stop(ShadowGuest *g);
void shadow_lifecycle_entered(ShadowGuest *g);
void shadow_lifecycle_stale(ShadowGuest *g);

/* Whether the bind-secret can serve. (shadow-register.c) */
bool shadow_register_check_secret(ShadowGuest *g, Error **errp);

/* Report a refused call: event, trace, counter. */
void shadow_lifecycle_refused(ShadowGuest *g, const char *reason);

ShadowDeviceInfoList *shadow_guest_query_devices(ShadowGuest *g);

#endif /* SHADOW_LIFECYCLE_H */
