/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a shadow guest as a table: which step is possible in which
 * state, and where it leads.
 */
#ifndef SHADOW_LIFE_H
#define SHADOW_LIFE_H

#include "shadow/hw/core/shadow-guest.h"

typedef enum ShadowStep {
    SHADOW_STEP_RESET,
    SHADOW_STEP_SAVE,           /* to another host */
    SHADOW_STEP_SNAPSHOT,       /* SAVE of that, or of what is sent ahead */
    SHADOW_STEP_RESTORE,
    SHADOW_STEP_GO_BACK,        /* RESTORE of a snapshot */
    SHADOW_STEP_RUN,            /* or a nested entry */
    SHADOW_STEP_COMMIT,
    SHADOW_STEP_ABORT,
    SHADOW_STEP_TAKE_BACK,      /* ABORT by who has made COMMIT */
    SHADOW_STEP_RESUME,         /* by an operator who knows */
    SHADOW_STEP_UNBIND,         /* of what has not run: back, as it came */
    SHADOW_STEP__MAX
} ShadowStep;

/* Whether @g is in a state that allows @step */
bool shadow_life_allows(ShadowGuest *g, ShadowStep step);

/*
 * 0 if it is; else a refusal: -EALREADY if @g is where @step leads to, or
 * -EBUSY.
 */
int shadow_life_check(ShadowGuest *g, ShadowStep step, Error **errp);

#endif /* SHADOW_LIFE_H */
