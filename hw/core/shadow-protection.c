/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a shadow guest's port accesses are kept from the cloud VM, and who
 * hears of it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-protection.h"
#include "shadow/hw/core/shadow-tell.h"
#include "shadow/trace.h"

bool shadow_protection_start(ShadowGuest *g, Error **errp)
{
    ERRP_GUARD();
    Error *missing = NULL;

    if (shadow_accel()->protection(&missing) != SHADOW_PROTECTION_NONE) {
        return true;
    }
    g->exposed = true;
    if (g->unprotected) {
        warn_reportf_err(missing, "shadow-guest '%s': the cloud VM can see "
                         "and alter its consoles: ", g->id);
        return true;
    }
    error_propagate_prepend(errp, missing, "shadow-guest '%s' cannot be "
                            "protected from the cloud VM: ", g->id);
    error_append_hint(errp, "With unprotected=on it works all the same: the "
                      "cloud VM can then see and alter its consoles, which "
                      "they tell their users.\n");
    return false;
}

bool shadow_protection_lacks(ShadowGuest *g)
{
    return g->protection == SHADOW_PROTECTION_BROKEN ||
           (g->protection == SHADOW_PROTECTION_NONE && g->exposed);
}

void shadow_guest_set_protection(ShadowGuest *g, ShadowProtection protection,
                                 const char *reason)
{
    bool broken = protection == SHADOW_PROTECTION_BROKEN;
    ShadowDevice *dev;

    if (g->protection == protection) {
        return;
    }
    trace_shadow_guest_protection(g->id, ShadowProtection_str(g->protection),
                                  ShadowProtection_str(protection), reason);
    g->protection = protection;
    if (broken) {
        g->breaks++;
        shadow_tell_unprotected(g, reason);
    }
    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->protection(
            dev, shadow_protection_lacks(g), broken ? reason : NULL);
    }
}

static bool get_unprotected(Object *obj, Error **errp)
{
    return SHADOW_GUEST(obj)->unprotected;
}

static void set_unprotected(Object *obj, bool value, Error **errp)
{
    ShadowGuest *g = SHADOW_GUEST(obj);

    if (shadow_guest_can_set(g, "unprotected", errp)) {
        g->unprotected = value;
    }
}

void shadow_protection_add_properties(ObjectClass *oc)
{
    object_class_property_add_bool(oc, "unprotected", get_unprotected,
                                   set_unprotected);
    object_class_property_set_description(oc, "unprotected",
        "work where the cloud VM can see and alter the consoles");
}
