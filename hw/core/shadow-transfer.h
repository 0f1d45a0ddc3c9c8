/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's state out of this host, and into it.
 */
#ifndef SHADOW_TRANSFER_H
#define SHADOW_TRANSFER_H

#include "shadow/hw/core/shadow-guest.h"

void shadow_transfer_start(ShadowGuest *g);
void shadow_transfer_stop(ShadowGuest *g);

#endif /* SHADOW_TRANSFER_H */
