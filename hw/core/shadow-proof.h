/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a nested guest proves who it is.
 */
#ifndef SHADOW_PROOF_H
#define SHADOW_PROOF_H

#include "shadow/hw/core/shadow-guest.h"

void shadow_proof_add_properties(ObjectClass *oc);
/* Whether the bind-secret can serve */
bool shadow_proof_check_secret(ShadowGuest *g, Error **errp);
void shadow_proof_stop(ShadowGuest *g);

#endif /* SHADOW_PROOF_H */
