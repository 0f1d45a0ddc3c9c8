/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests with an interrupt line that has moved, of which the cloud VM has not
 * heard.
 */
#include "qemu/osdep.h"
#include "shadow/hw/core/shadow-guest.h"

NotifierList shadow_guest_irq_notifiers =
    NOTIFIER_LIST_INITIALIZER(shadow_guest_irq_notifiers);
static QTAILQ_HEAD(, ShadowGuest) shadow_irq_guests =
    QTAILQ_HEAD_INITIALIZER(shadow_irq_guests);

bool shadow_guest_irq_any(void)
{
    return !QTAILQ_EMPTY(&shadow_irq_guests);
}

/* A nested guest that does not run yet, or no more, is told when it does. */
void shadow_guest_irq_changed(ShadowGuest *g)
{
    if (g->state == SHADOW_GUEST_STATE_ACTIVE && !g->irq_changed) {
        g->irq_changed = true;
        QTAILQ_INSERT_TAIL(&shadow_irq_guests, g, irq_next);
        notifier_list_notify(&shadow_guest_irq_notifiers, NULL);
    }
}

void shadow_guest_irq_told(ShadowGuest *g)
{
    if (g->irq_changed) {
        g->irq_changed = false;
        QTAILQ_REMOVE(&shadow_irq_guests, g, irq_next);
        notifier_list_notify(&shadow_guest_irq_notifiers, NULL);
    }
}

void shadow_guest_irq_all_told(void)
{
    while (shadow_guest_irq_any()) {
        shadow_guest_irq_told(QTAILQ_FIRST(&shadow_irq_guests));
    }
}
