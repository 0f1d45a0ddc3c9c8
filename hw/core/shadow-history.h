/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output that is sent to another host ahead of the state that lacks it.
 */
#ifndef SHADOW_HISTORY_H
#define SHADOW_HISTORY_H

#include "shadow/hw/core/shadow-guest.h"

/* From now on, nothing is ahead or kept once the guest has changed. */
void shadow_history_start(ShadowGuest *g);

/*
 * At the source: @envelope, which was sealed with the guest's history, is
 * ahead.
 */
void shadow_history_sent(ShadowGuest *g, const uint8_t *envelope);

/*
 * At the source: write the state without what is ahead to @out; returns its
 * length, or 0 if nothing is ahead, or if it would not be shorter.
 */
size_t shadow_history_save_rest(ShadowGuest *g, uint8_t *out);

/*
 * At the destination: keep what was in @envelope, until the state that lacks it
 * arrives.  -ENOMEM.
 */
int shadow_history_keep(ShadowGuest *g, const uint8_t *envelope,
                        const uint8_t *plain, size_t len, Error **errp);

/*
 * At the destination: the devices have a state; give it the history that it
 * lacks.  Fails if that is not the one that is kept.
 */
bool shadow_history_join(ShadowGuest *g, Error **errp);

#endif /* SHADOW_HISTORY_H */
