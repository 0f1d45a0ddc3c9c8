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

#endif /* HW_MISC_SHADOW_MEMORY_H */
