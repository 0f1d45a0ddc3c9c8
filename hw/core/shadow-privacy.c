/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a guest runs in private memory, and who hears of it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/hw/core/shadow-privacy.h"
#include "shadow/hw/core/shadow-protection.h"
#include "shadow/hw/core/shadow-tell.h"

/* Its consoles say so to who comes, also if nothing else has changed. */
static void privacy_changed(ShadowGuest *g)
{
    ShadowDevice *dev;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->protection(dev,
                                                 shadow_protection_lacks(g),
                                                 NULL);
    }
}

bool shadow_privacy_add_memory(ShadowGuest *g, ShadowDevice *memory,
                               bool required, bool imports, Error **errp)
{
    if (g->privacy.memory) {
        error_setg(errp, "shadow-guest '%s' has private memory already", g->id);
        return false;
    }
    g->privacy.memory = memory;
    g->privacy.required = required;
    qatomic_set(&g->ports->private_only, required);
    qatomic_set(&g->ports->may_lock, imports);
    if (required) {
        shadow_guest_set_protection(g, SHADOW_PROTECTION_NONE,
                                    "it does not run in private memory yet");
    }
    privacy_changed(g);
    return true;
}

void shadow_privacy_remove_memory(ShadowGuest *g)
{
    g->privacy.memory = NULL;
    g->privacy.required = false;
    qatomic_set(&g->ports->private_only, false);
    qatomic_set(&g->ports->may_lock, false);
    privacy_changed(g);
}

static void privacy_begins(ShadowGuest *g, ShadowPrivate *p,
                           const char *measurement)
{
    g->privacy.runs = true;
    g->privacy.sealed = !p->import || shadow_import_is_sealed(p->import);
    g->privacy.measurement = g_strdup(measurement);
    qatomic_rcu_set(&g->ports->private, p);
}

void shadow_privacy_launched(ShadowGuest *g, ShadowPrivate *p,
                             const char *measurement)
{
    privacy_begins(g, p, measurement);
    shadow_guest_set_protection(g, SHADOW_PROTECTION_PRIVATE, "launched");
    shadow_tell_launched(g, measurement);
}

void shadow_privacy_restored(ShadowGuest *g, ShadowPrivate *p,
                             const char *measurement)
{
    privacy_begins(g, p, measurement);
    shadow_guest_set_protection(g, SHADOW_PROTECTION_PRIVATE, "restored");
}

/* Its ports are its own from now on, and no more than that. */
void shadow_privacy_locked(ShadowGuest *g, ShadowPrivate *p)
{
    privacy_begins(g, p, NULL);
    shadow_guest_set_protection(g, SHADOW_PROTECTION_FORCED, "locked");
    privacy_changed(g);
}

void shadow_privacy_sealed(ShadowGuest *g)
{
    g->privacy.sealed = true;
    shadow_guest_set_protection(g, SHADOW_PROTECTION_PRIVATE, "sealed");
    shadow_tell_sealed(g);
}

static const ShadowMemoryOps *privacy_ops(ShadowGuest *g)
{
    return g->privacy.memory ?
           SHADOW_DEVICE_GET_CLASS(g->privacy.memory)->memory : NULL;
}

/* At the other host nothing would say what has still to be imported. */
int shadow_privacy_may_leave(ShadowGuest *g, Error **errp)
{
    if (!g->privacy.runs) {
        error_setg(errp, "shadow-guest '%s' does not run in private memory",
                   g->id);
        return -EOPNOTSUPP;
    }
    if (!g->privacy.sealed) {
        error_setg(errp, "shadow-guest '%s' has not sealed its memory yet",
                   g->id);
        return -EPERM;
    }
    return 0;
}

size_t shadow_privacy_begin(ShadowGuest *g, uint8_t *secret, Error **errp)
{
    return privacy_ops(g)->begin(g->privacy.memory, secret, errp);
}

int shadow_privacy_accept(ShadowGuest *g, const uint8_t *secret, size_t len,
                          Error **errp)
{
    if (!g->privacy.memory) {
        error_setg(errp, "shadow-guest '%s' has no private memory here",
                   g->id);
        return -EINVAL;
    }
    return privacy_ops(g)->accept(g->privacy.memory, secret, len, errp);
}

/* Else there would be two, or registers of one and memory of the other. */
int shadow_privacy_may_load(ShadowGuest *g, bool snapshot, Error **errp)
{
    if (g->privacy.memory && snapshot) {
        error_setg(errp, "the private memory of shadow-guest '%s' goes back to "
                   "no snapshot", g->id);
        return -EOPNOTSUPP;
    }
    if (g->privacy.runs) {
        error_setg(errp, "the private memory of shadow-guest '%s' is in use",
                   g->id);
        return -EBUSY;
    }
    return 0;
}

bool shadow_privacy_may_arrive(ShadowGuest *g, Error **errp)
{
    return !g->privacy.memory ||
           privacy_ops(g)->may_arrive(g->privacy.memory, errp);
}

int shadow_privacy_freeze(ShadowGuest *g, Error **errp)
{
    return g->privacy.memory ? privacy_ops(g)->freeze(g->privacy.memory, errp)
                             : 0;
}

void shadow_privacy_thaw(ShadowGuest *g)
{
    if (g->privacy.memory) {
        privacy_ops(g)->thaw(g->privacy.memory);
    }
}

/*
 * What has the ports from now on may be anything that the cloud VM runs: a user
 * is to know before one more byte is read from him.
 */
static void privacy_part(ShadowGuest *g)
{
    const char *reason = "what was private in it has ended";
    ShadowDevice *dev;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->attached(dev, false, reason);
    }
    shadow_lifecycle_attach(g, reason);
}

void shadow_privacy_ended(ShadowGuest *g)
{
    bool was_private = g->privacy.sealed;

    qatomic_rcu_set(&g->ports->private, NULL);
    g->privacy.runs = g->privacy.sealed = false;
    g_clear_pointer(&g->privacy.measurement, g_free);
    shadow_guest_set_protection(g, SHADOW_PROTECTION_NONE,
                                "the private guest has ended");
    if (!g->privacy.required) {
        /* the next entry shows that it is forced */
        shadow_ports_arm_entry(g->ports, true);
        if (was_private && g->state == SHADOW_GUEST_STATE_ACTIVE) {
            privacy_part(g);
        }
    }
}

char *shadow_privacy_text(ShadowGuest *g)
{
    if (g->privacy.measurement) {
        return g_strdup_printf("private memory, launched as sha256 %s",
                               g->privacy.measurement);
    }
    return g_strdup(!g->privacy.memory ? NULL :
                    !g->privacy.runs ? "memory is not private yet" :
                    !g->privacy.sealed ? "memory is not sealed yet: the cloud "
                                         "VM gives what is in it" :
                    "private memory, which began with what the cloud VM gave");
}

ShadowMemoryInfo *shadow_privacy_query(ShadowGuest *g)
{
    ShadowDevice *dev = g->privacy.memory;

    return dev ? SHADOW_DEVICE_GET_CLASS(dev)->private_memory(dev) : NULL;
}
