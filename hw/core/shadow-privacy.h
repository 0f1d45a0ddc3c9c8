/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a guest runs in private memory, and who hears of it.  Called with the
 * BQL held.
 */
#ifndef SHADOW_PRIVACY_H
#define SHADOW_PRIVACY_H

#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/core/shadow-private.h"

/*
 * The guest gets @memory, a device.  With @required nothing but what is
 * launched there has its ports.  @imports: nothing is, but what it runs may
 * come to be private.  False: it has one already.
 */
bool shadow_privacy_add_memory(ShadowGuest *g, ShadowDevice *memory,
                               bool required, bool imports, Error **errp);
/* And loses it. */
void shadow_privacy_remove_memory(ShadowGuest *g);

/* The guest starts as @p; @measurement is 64 hexadecimal digits. */
void shadow_privacy_launched(ShadowGuest *g, ShadowPrivate *p,
                             const char *measurement);
/*
 * What it runs has come to be private, as @p, into which the cloud VM gives
 * what it has; and from now on does not.
 */
void shadow_privacy_locked(ShadowGuest *g, ShadowPrivate *p);
void shadow_privacy_sealed(ShadowGuest *g);
/* It has ended; no CPU enters it any more. */
void shadow_privacy_ended(ShadowGuest *g);

/*
 * It is the one that has come from another host, as @p; @measurement or NULL
 */
void shadow_privacy_restored(ShadowGuest *g, ShadowPrivate *p,
                             const char *measurement);

/*
 * Whether its memory may leave.  Returns 0; -EOPNOTSUPP if it does not run in
 * any; -EPERM as long as the cloud VM gives what is in it.
 */
int shadow_privacy_may_leave(ShadowGuest *g, Error **errp);
/*
 * It begins to leave.  Writes what the other host needs for it, a secret,
 * to @secret, and returns how long that is; 0 with @errp set if it cannot.
 */
size_t shadow_privacy_begin(ShadowGuest *g, uint8_t *secret, Error **errp);

/*
 * Memory begins to arrive; @secret was in a genuine envelope.  Returns 0;
 * -EINVAL, -EBUSY with @errp set.
 */
int shadow_privacy_accept(ShadowGuest *g, const uint8_t *secret, size_t len,
                          Error **errp);

/*
 * Whether a state may be loaded.  Returns 0; -EOPNOTSUPP for a snapshot of what
 * has private memory here; -EBUSY if who has given the guest away has it still.
 */
int shadow_privacy_may_load(ShadowGuest *g, bool snapshot, Error **errp);

/*
 * Whether the guest whose state has been loaded, and is not yet the one here,
 * began as its owner wants it here.
 */
bool shadow_privacy_may_arrive(ShadowGuest *g, Error **errp);

/*
 * Stand still, if it has private memory, of which everything has left.  Returns
 * 0; -EAGAIN if it still runs or if it has not.
 */
int shadow_privacy_freeze(ShadowGuest *g, Error **errp);
/* And go on, if it did not leave after all. */
void shadow_privacy_thaw(ShadowGuest *g);

/* What its consoles' users should know, a line; or NULL.  To be freed. */
char *shadow_privacy_text(ShadowGuest *g);

/* NULL if it has no private memory */
ShadowMemoryInfo *shadow_privacy_query(ShadowGuest *g);

#endif /* SHADOW_PRIVACY_H */
