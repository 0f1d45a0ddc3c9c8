/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a UART's interrupt is told to the cloud VM.
 *
 * A UART that sends at once raises its interrupt with each byte, and a guest
 * that is reading raises it with each byte that follows.  Each time that the
 * cloud VM is told stops the nested guest for longer than hundreds of bytes
 * take.  So, as network cards do, the interrupt is moderated: what the guest
 * finds out by itself meanwhile, in its interrupt handler's loop or by
 * writing on, need not be told.  What is waiting is always told in the end.
 *
 * All functions are called with the BQL held.
 */
#ifndef SHADOW_MODERATION_H
#define SHADOW_MODERATION_H

#include "qemu/timer.h"

typedef struct ShadowModeration {
    QEMUTimer *timer;
    void (*tell)(void *opaque);
    void *opaque;
    int64_t interval;           /* ns */
    int64_t last;               /* when it was told, ns of the virtual clock */
    int64_t due;
    bool line;
    bool transmit;              /* the line is up for the transmitter only */
    bool told;                  /* since the line rose */
    bool in_access;
    unsigned accesses, seen;    /* by the guest, of any register */
    unsigned waits;
} ShadowModeration;

/* @tell is called for each edge that the nested guest must see. */
void shadow_moderation_start(ShadowModeration *m, void (*tell)(void *opaque),
                             void *opaque);
void shadow_moderation_stop(ShadowModeration *m);

/*
 * The UART drives its line.  @transmit: only since its transmitter is empty.
 * @interval: nanoseconds for which that waits, and what the guest's own access
 * has brought about; and the least time between two edges.
 */
void shadow_moderation_set(ShadowModeration *m, bool line, bool transmit,
                           int64_t interval);

/*
 * The guest makes an access: what that brings about, or soon after, it may be
 * about to find out by itself.
 */
static inline void shadow_moderation_access_begin(ShadowModeration *m)
{
    m->accesses++;
    m->in_access = true;
}

static inline void shadow_moderation_access_end(ShadowModeration *m)
{
    m->in_access = false;
}

/* Forget what is waiting: all will be told anew. */
void shadow_moderation_reset(ShadowModeration *m);

#endif /* SHADOW_MODERATION_H */
