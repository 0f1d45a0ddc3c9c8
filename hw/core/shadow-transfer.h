/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's state out of this host (shadow-save.c), and into it
 * (shadow-restore.c): what the two share.
 */
#ifndef SHADOW_TRANSFER_H
#define SHADOW_TRANSFER_H

#include "qemu/timer.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/migration/shadow-seal.h"

void shadow_transfer_start(ShadowGuest *g);
void shadow_transfer_stop(ShadowGuest *g);

/* Names this process in the envelopes that it seals. */
extern uint8_t shadow_sealer_id[SHADOW_SEAL_SEALER_ID_LEN];

/* Refuses a snapshot, of either direction. */
int shadow_transfer_no_snapshots(ShadowGuest *g, Error **errp);

static inline int64_t shadow_transfer_us_since(int64_t start)
{
    return (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start) / SCALE_US;
}

#endif /* SHADOW_TRANSFER_H */
