/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the operator of this QEMU is told of a shadow guest: QMP events.
 *
 * The cloud VM, or a nested guest, can cause each of these as often as it
 * likes.  They are sent as they happen, up to a rate; after that the latest of
 * each kind is sent a little later and says how many others it stands for.
 * None is dropped, and they are sent in the order in which the latest of each
 * kind has happened.  All functions are called with the BQL held.
 */
#ifndef SHADOW_TELL_H
#define SHADOW_TELL_H

#include "shadow/hw/core/shadow-guest.h"

void shadow_tell_start(ShadowGuest *g);
/* Sends what is still to be sent. */
void shadow_tell_stop(ShadowGuest *g);

/*
 * Events of a SAVE or RESTORE are put off for a moment, so that the cloud VM
 * need not wait for them.  Send one now, before something that is not told by
 * these functions.
 */
void shadow_tell_now(ShadowGuest *g);

/* What SHADOW_GUEST_SAVED or SHADOW_GUEST_RESTORED says */
typedef struct ShadowTold {
    bool snapshot;
    uint64_t epoch;
    size_t size;            /* of the envelope, in bytes */
    int64_t us;             /* how long it took */
} ShadowTold;

/* By what a guest was recognized */
typedef enum ShadowBoundBy {
    SHADOW_BOUND_BY_PROCESS,
    SHADOW_BOUND_BY_TAG,
    SHADOW_BOUND_BY_CLAIM,
} ShadowBoundBy;

/* Changes of state.  A @reason is for a person to read, and is copied. */
void shadow_tell_bound(ShadowGuest *g, ShadowBoundBy by);
void shadow_tell_launched(ShadowGuest *g, const char *measurement);
void shadow_tell_sealed(ShadowGuest *g);
void shadow_tell_unbound(ShadowGuest *g, const char *reason);
void shadow_tell_saved(ShadowGuest *g, const ShadowTold *told);
void shadow_tell_restored(ShadowGuest *g, const ShadowTold *told);
void shadow_tell_activated(ShadowGuest *g);
void shadow_tell_committed(ShadowGuest *g);
void shadow_tell_aborted(ShadowGuest *g);
void shadow_tell_reset(ShadowGuest *g);
void shadow_tell_unprotected(ShadowGuest *g, const char *reason);

/*
 * Refusals do not count for changes of state, nor those that a nested caller,
 * which may be another tenant's guest, has caused for any others.
 */
void shadow_tell_refused(ShadowGuest *g, const char *reason, bool nested);

/* Report a refused call, of a nested caller or not: event, trace, counter. */
void shadow_guest_refused(ShadowGuest *g, const char *reason, bool nested);

/* The same, because of @local, which is given to @errp; returns @err. */
int shadow_guest_refuse(ShadowGuest *g, int err, Error *local, Error **errp);

#endif /* SHADOW_TELL_H */
