/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host must not forget of a guest, in a file: the newest epoch that it
 * sealed or accepted, and whether another host has taken the guest over.
 */
#ifndef SHADOW_EPOCH_H
#define SHADOW_EPOCH_H

#include "shadow/hw/core/shadow-guest.h"

/*
 * Read g->state_file, if the guest has one, into the guest; a file that does
 * not exist yet is made.  A file that is torn, or another guest's, is an
 * error: it is never taken for an empty one.
 */
bool shadow_epoch_load(ShadowGuest *g, Error **errp);

/*
 * Have @epoch and @gone on the disk before the caller acts upon them.  True at
 * once for a guest without a file.
 */
bool shadow_epoch_store(ShadowGuest *g, uint64_t epoch, bool gone,
                        Error **errp);

#endif /* SHADOW_EPOCH_H */
