/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An envelope that has arrived: what it costs to look at it.
 *
 * The cloud VM may send anything, as often as it likes, on all its CPUs.  So
 * what is too long is not copied, what is copied is opened while other CPUs
 * and the main loop go on, and what was genuine but did not fit is known again.
 */
#ifndef SHADOW_ARRIVAL_H
#define SHADOW_ARRIVAL_H

#include "shadow/hw/core/shadow-guest.h"

/* An envelope that was opened, in memory of this process alone */
typedef struct ShadowOpened {
    uint8_t *envelope;
    size_t len;
    bool scratch;               /* what @envelope is */
    uint8_t *plain;             /* in @envelope; secret */
    size_t plain_len;
    ShadowSealInfo info;
} ShadowOpened;

/*
 * Whether an envelope of @len bytes may be looked at: -EBADMSG if no host can
 * have sealed that for the guest's devices, -EBUSY if another one is.
 */
int shadow_arrival_check(ShadowGuest *g, size_t len, Error **errp);

/*
 * Copy what has arrived, and open it, for @expect, whose guest and epoch are
 * filled in.  The BQL is let go meanwhile if that may be; @g, of which the
 * caller has a reference, may have been changed or removed then: -EBUSY or
 * -ENOENT.  @errp is set, but for -ENOENT.  To be closed in any case.
 */
int shadow_arrival_open(ShadowGuest *g, const ShadowArrival *from,
                        ShadowSealExpect *expect, ShadowOpened *o,
                        Error **errp);
void shadow_arrival_close(ShadowOpened *o);

/*
 * What does not fit is reported by QEMU's loader, in its log, at length.
 * Whether a state may be loaded: -EINVAL if this very one was refused before,
 * -EBUSY if too many were.
 */
int shadow_arrival_may_load(ShadowGuest *g, const ShadowOpened *o,
                            Error **errp);
/* It did not fit. */
void shadow_arrival_refused(ShadowGuest *g, const ShadowOpened *o);
/* What did not fit before may do so now. */
void shadow_arrival_forget(ShadowGuest *g);

#endif /* SHADOW_ARRIVAL_H */
