/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The carrier (DCD) of a console.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/timer.h"
#include "shadow/hw/char/shadow-carrier.h"

#define CARRIER_DOWN_MS 1000

/* A month */
#define CARRIER_IDLE_MAX (31 * 24 * 3600)

bool shadow_carrier_parse(ShadowCarrier *c, const char *hangup, Error **errp)
{
    const char *idle;

    c->last_writer = false;
    c->idle = 0;
    if (!hangup || !strcmp(hangup, "never")) {
        return true;
    }
    if (!strcmp(hangup, "last-writer")) {
        c->last_writer = true;
        return true;
    }
    if (strstart(hangup, "idle=", &idle) &&
        !qemu_strtoui(idle, NULL, 10, &c->idle) && c->idle &&
        c->idle <= CARRIER_IDLE_MAX) {
        return true;
    }
    error_setg(errp, "hangup must be 'never', 'last-writer' or 'idle=' with "
               "1 to %d seconds", CARRIER_IDLE_MAX);
    return false;
}

static void carrier_in(ShadowCarrier *c, int64_t ms)
{
    timer_mod(c->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ms);
}

static void carrier_lower(ShadowCarrier *c)
{
    c->due = false;
    c->written = false;
    c->typed = false;
    c->down = true;
    carrier_in(c, CARRIER_DOWN_MS);
    c->changed(c->opaque, true);
}

static void carrier_timer(void *opaque)
{
    ShadowCarrier *c = opaque;

    if (c->down) {
        c->down = false;
        c->changed(c->opaque, false);
        if (c->typed && c->idle) {
            carrier_in(c, c->idle * INT64_C(1000));
        }
    } else if (c->typed) {
        carrier_lower(c);
    }
}

void shadow_carrier_start(ShadowCarrier *c,
                          void (*changed)(void *opaque, bool down),
                          void *opaque)
{
    c->changed = changed;
    c->opaque = opaque;
    c->timer = timer_new_ms(QEMU_CLOCK_REALTIME, carrier_timer, c);
}

void shadow_carrier_stop(ShadowCarrier *c)
{
    timer_free(c->timer);
    c->timer = NULL;
}

void shadow_carrier_writer(ShadowCarrier *c, bool have, bool held)
{
    if (have) {
        c->written = true;
        c->due = false;
    } else if (c->last_writer && c->written && !c->down) {
        if (held) {
            c->due = true;
        } else {
            carrier_lower(c);
        }
    }
}

void shadow_carrier_typed(ShadowCarrier *c)
{
    if (c->idle) {
        c->typed = true;
        if (!c->down) {
            carrier_in(c, c->idle * INT64_C(1000));
        }
    }
}

void shadow_carrier_moved(ShadowCarrier *c)
{
    c->due = false;
    c->written = false;
    c->typed = false;
}

void shadow_carrier_goes_on(ShadowCarrier *c)
{
    if (c->due) {
        carrier_lower(c);
    }
}
