/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a shadow guest as a table.
 *
 * "restored" exists so that a destination that took the state but fails
 * before its nested guest runs has neither sent nor accepted one byte.  When
 * its nested guest ends before that, it goes back to the state that it came
 * from.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/hw/core/shadow-life.h"
#include "shadow/hw/core/shadow-tell.h"

#define ACTIVE      BIT(SHADOW_GUEST_STATE_ACTIVE)
#define FROZEN      BIT(SHADOW_GUEST_STATE_FROZEN)
#define GONE        BIT(SHADOW_GUEST_STATE_GONE)
#define INCOMING    BIT(SHADOW_GUEST_STATE_INCOMING)
#define RESTORED    BIT(SHADOW_GUEST_STATE_RESTORED)

/* @to, unless the guest was there before: then the step is not one */
static const struct {
    const char *name;
    unsigned from;
    unsigned to;
} life[SHADOW_STEP__MAX] = {
    [SHADOW_STEP_RESET] = { "reset", ACTIVE, ACTIVE },
    [SHADOW_STEP_SAVE] = { "save", ACTIVE, FROZEN },
    [SHADOW_STEP_SNAPSHOT] = { "save", ACTIVE, ACTIVE },
    [SHADOW_STEP_RESTORE] = { "restore", INCOMING | GONE, RESTORED },
    [SHADOW_STEP_GO_BACK] = { "restore", INCOMING | ACTIVE,
                              RESTORED | ACTIVE },
    [SHADOW_STEP_RUN] = { "run", RESTORED, ACTIVE },
    [SHADOW_STEP_COMMIT] = { "commit", FROZEN, GONE },
    [SHADOW_STEP_ABORT] = { "abort the migration of", FROZEN, ACTIVE },
    [SHADOW_STEP_TAKE_BACK] = { "abort the migration of", GONE, ACTIVE },
    [SHADOW_STEP_RESUME] = { "resume", FROZEN | GONE, ACTIVE },
    [SHADOW_STEP_UNBIND] = { "unbind", RESTORED, INCOMING | GONE },
};

bool shadow_life_allows(ShadowGuest *g, ShadowStep step)
{
    return life[step].from & BIT(g->state);
}

int shadow_life_check(ShadowGuest *g, ShadowStep step, Error **errp)
{
    bool there = life[step].to & BIT(g->state);
    Error *local = NULL;

    if (shadow_life_allows(g, step)) {
        return 0;
    }
    error_setg(&local, "cannot %s shadow-guest '%s': it is %s",
               life[step].name, g->id, ShadowGuestState_str(g->state));
    return shadow_guest_refuse(g, there ? -EALREADY : -EBUSY, local, errp);
}
