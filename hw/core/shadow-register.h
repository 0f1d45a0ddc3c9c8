/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a nested guest proves who it is.
 */
#ifndef SHADOW_REGISTER_H
#define SHADOW_REGISTER_H

#include "shadow/hw/core/shadow-guest.h"

void shadow_register_add_properties(ObjectClass *oc);
/* Whether the bind-secret can serve */
bool shadow_register_check_secret(ShadowGuest *g, Error **errp);
void shadow_register_stop(ShadowGuest *g);

#endif /* SHADOW_REGISTER_H */
