/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host must not forget of a guest, in a file: which epochs have been
 * used, and whether the console is here or away.
 *
 * It is away as soon as another host may have it: from before an envelope that
 * freezes the guest is handed out, and until a guest that was restored runs.
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
 * Have @epoch, and where the console is, on the disk before the caller acts
 * upon them.  True at once for a guest without a file, or if the file already
 * says so: while the console is here, it has epochs in reserve.
 */
bool shadow_epoch_store(ShadowGuest *g, uint64_t epoch, bool away,
                        Error **errp);

#endif /* SHADOW_EPOCH_H */
