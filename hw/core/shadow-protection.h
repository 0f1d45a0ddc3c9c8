/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What keeps a guest's port accesses from the cloud VM.
 */
#ifndef SHADOW_PROTECTION_H
#define SHADOW_PROTECTION_H

#include "shadow/hw/core/shadow-guest.h"

/*
 * Whether this host can protect the guest, or need not; warns if it cannot.
 */
bool shadow_protection_start(ShadowGuest *g, Error **errp);
/* Whether the cloud VM can see and alter what passes */
bool shadow_protection_lacks(ShadowGuest *g);
void shadow_protection_add_properties(ObjectClass *oc);

#endif /* SHADOW_PROTECTION_H */
