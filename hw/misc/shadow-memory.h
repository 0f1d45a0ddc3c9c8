/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private memory of a nested guest, as a shadow device */
#ifndef HW_MISC_SHADOW_MEMORY_H
#define HW_MISC_SHADOW_MEMORY_H

#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/misc/shadow-launch.h"

/*
 * Launch the guest's private half, in the machine that @facts tell of.  Returns
 * it, with where it starts; or NULL, with *@ret what the nested guest is told
 * that has asked.
 */
ShadowPrivate *shadow_memory_launch(ShadowGuest *g, const ShadowFact *facts,
                                    unsigned n_facts, ShadowStart *start,
                                    int *ret);

/*
 * What the guest runs comes to be private: returns that, in which nothing is
 * yet; or NULL if it cannot.
 */
ShadowPrivate *shadow_memory_lock(ShadowGuest *g);

/*
 * Pages on their way to another host, see shadow-memory-session.h; -EBUSY if
 * none are.  How many are still to be sent, or -EBUSY.  -EAGAIN, without an
 * error: what was written to is being noted, ask again soon.
 */
int shadow_memory_export(ShadowGuest *g, uint8_t *record, size_t *len,
                         Error **errp);
int shadow_memory_import(ShadowGuest *g, uint8_t *record, size_t len,
                         Error **errp);
int64_t shadow_memory_unsent(ShadowGuest *g);

/* They do not go there after all.  -EALREADY if none do. */
int shadow_memory_end_session(ShadowGuest *g);

#endif /* HW_MISC_SHADOW_MEMORY_H */
