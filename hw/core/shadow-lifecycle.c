/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a shadow guest: its bindings, and its states between hosts, which
 * shadow-life.c has a table of.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-access.h"
#include "shadow/hw/core/shadow-claim.h"
#include "shadow/hw/core/shadow-epoch.h"
#include "shadow/hw/core/shadow-keys.h"
#include "shadow/hw/core/shadow-life.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/hw/core/shadow-tell.h"
#include "shadow/trace.h"

/* A restored guest whose arrival could not be written down is tried again. */
#define UNKEPT_INTERVAL NANOSECONDS_PER_SECOND

/*
 * A user of an active guest is told of each moment in which it was not bound,
 * or had not proved itself: by the end of his connection, before one more byte is
 * read from it.  Before a guest is bound for the first time there is nobody
 * who could have seen anything.
 */
void shadow_lifecycle_attach(ShadowGuest *g, const char *reason)
{
    bool bound = shadow_binding_is_bound(g->ports);
    bool attached = g->state != SHADOW_GUEST_STATE_ACTIVE || !g->bindings ||
                    (bound && shadow_ports_proved(g->ports));
    ShadowDevice *dev;

    if (bound && !shadow_ports_proved(g->ports)) {
        reason = "it has not proved who it is yet";
    }
    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->attached(dev, attached, reason);
    }
}

/* An accelerator that sees each entry has to have seen one of the guest's. */
static bool lifecycle_unseen(ShadowGuest *g)
{
    return g->protection == SHADOW_PROTECTION_NONE && !g->exposed &&
           shadow_accel()->sees_entries;
}

static void lifecycle_arm(ShadowGuest *g)
{
    shadow_ports_arm_entry(g->ports, lifecycle_unseen(g) ||
                           g->state == SHADOW_GUEST_STATE_RESTORED);
}

void shadow_lifecycle_set_state(ShadowGuest *g, ShadowGuestState state)
{
    ShadowDevice *dev;

    trace_shadow_guest_state(g->id, ShadowGuestState_str(g->state),
                             ShadowGuestState_str(state));
    g->state = state;
    shadow_lifecycle_attach(g, "no virtual machine is bound to it");
    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->state_changed(dev, state);
    }
    if (state == SHADOW_GUEST_STATE_RESTORED) {
        /* it is here again */
        g_clear_pointer(&g->moved_to, g_free);
    }
    shadow_guest_changed(g);
    lifecycle_arm(g);
}

void shadow_lifecycle_hold(ShadowGuest *g, bool held)
{
    ShadowDevice *dev;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        shadow_access_hold(dev, held);
    }
}

/* Bindings */

static void lifecycle_protected(ShadowGuest *g, const char *reason)
{
    if (g->protection != SHADOW_PROTECTION_PRIVATE && !g->privacy.required &&
        shadow_accel()->protection(NULL) == SHADOW_PROTECTION_FORCED) {
        shadow_guest_set_protection(g, SHADOW_PROTECTION_FORCED, reason);
    }
}

/* WATCHED is set later, when the accelerator first sees the guest. */
static void lifecycle_bound(ShadowGuest *g, ShadowBoundBy by, uint64_t whom)
{
    g->bindings++;
    shadow_lifecycle_attach(g, NULL);
    if (!shadow_accel()->sees_entries) {
        lifecycle_protected(g, "bound");
    } else if (g->protection != SHADOW_PROTECTION_FORCED &&
               g->protection != SHADOW_PROTECTION_PRIVATE) {
        shadow_guest_set_protection(g, SHADOW_PROTECTION_NONE, "bound anew");
    }
    lifecycle_arm(g);
    shadow_accel()->changed();
    trace_shadow_guest_bound(g->id, whom);
    shadow_tell_bound(g, by);
}

/* Of what it was bound to, or is to be; not of what has come from elsewhere */
static void lifecycle_free(ShadowGuest *g, const char *reason)
{
    if (shadow_binding_is_bound(g->ports)) {
        shadow_guest_unbind(g, reason);
    }
    shadow_claim_remove(g->ports);
}

int shadow_guest_may_bind(ShadowGuest *g, const ShadowEntry *caller,
                          bool *again)
{
    bool lives = shadow_binding_lives(g->ports);

    *again = lives && shadow_binding_is_process(g->ports, caller);
    if (lives && !*again) {
        shadow_guest_refused(g, "another process has bound it",
                             false);
        return -EBUSY;
    }
    return 0;
}

void shadow_guest_bind_process(ShadowGuest *g, const ShadowEntry *caller,
                               bool again, uint64_t cookie_va, uint64_t cookie)
{
    shadow_guest_changed(g);
    if (again) {
        shadow_binding_replace_cookie(g->ports, cookie_va, cookie);
    } else {
        lifecycle_free(g, "another process binds it");
        shadow_ports_set_proved(g->ports, !g->bind_secret_id);
        shadow_binding_add_process(g->ports, caller, cookie_va, cookie);
    }
    lifecycle_bound(g, SHADOW_BOUND_BY_PROCESS, caller->process);
    shadow_guest_irq_changed(g);
}

/* Another than one that is known by its cookie takes its place. */
void shadow_lifecycle_bind_tag(ShadowGuest *g, const ShadowEntry *entry,
                               bool again, const ShadowNestedCookie *cookie)
{
    shadow_lifecycle_stale(g);
    if (!again && (cookie || shadow_claim_is_registered(g->ports))) {
        lifecycle_free(g, "another virtual machine has registered");
    }
    if (cookie) {
        shadow_claim_add_registered(g->ports, cookie);
    }
    shadow_binding_add_tag(g->ports, entry);
    shadow_ports_set_proved(g->ports, true);
    lifecycle_bound(g, SHADOW_BOUND_BY_TAG, entry->vmcb);
}

void shadow_guest_claim(ShadowGuest *g, const ShadowNestedCookie *cookie)
{
    shadow_guest_changed(g);
    lifecycle_free(g, "another virtual machine is claimed for it");
    shadow_claim_add(g->ports, cookie);
    trace_shadow_claim_waits(g->id, cookie->address);
}

void shadow_lifecycle_claimed(ShadowGuest *g, const ShadowEntry *entry)
{
    shadow_guest_changed(g);
    shadow_ports_set_proved(g->ports, !g->bind_secret_id);
    shadow_binding_add_tag(g->ports, entry);
    lifecycle_bound(g, SHADOW_BOUND_BY_CLAIM, entry->vmcb);
    shadow_guest_irq_changed(g);
}

void shadow_lifecycle_proved(ShadowGuest *g)
{
    shadow_ports_set_proved(g->ports, true);
    shadow_lifecycle_attach(g, NULL);
}

bool shadow_guest_is(ShadowGuest *g, unsigned cpu_index)
{
    bool sure;

    return shadow_running_entered(cpu_index, &sure) == g->ports && sure;
}

int shadow_guest_unbind(ShadowGuest *g, const char *reason)
{
    bool back = shadow_life_allows(g, SHADOW_STEP_UNBIND);
    /* in this order: who is known by a claim is known by its cookie only */
    bool bound = shadow_running_unbind(g->ports);
    bool claimed = shadow_claim_remove(g->ports);

    if (back) {
        /* the nested guest never ran: its source still has everything */
        shadow_lifecycle_set_state(g, g->came_from);
    }
    if (bound) {
        shadow_lifecycle_attach(g, reason);
        shadow_guest_changed(g);
    }
    shadow_guest_set_protection(g, SHADOW_PROTECTION_NONE, reason);
    shadow_accel()->changed();
    if (bound) {
        trace_shadow_guest_unbound(g->id, reason);
        shadow_tell_unbound(g, reason);
    }
    return bound || back || claimed ? 0 : -EALREADY;
}

/* A notice that comes late finds a binding that is not stale. */
void shadow_lifecycle_stale(ShadowGuest *g)
{
    if (shadow_binding_is_stale(g->ports) || shadow_claim_is_stale(g->ports)) {
        shadow_guest_unbind(g, shadow_binding_by_process(g->ports) ?
                            "the bound process has ended" :
                            "the bound virtual machine has ended");
    } else {
        shadow_accel()->changed();
    }
}

int shadow_guest_reset(ShadowGuest *g)
{
    ShadowDevice *dev;

    int ret = shadow_life_check(g, SHADOW_STEP_RESET, NULL);

    if (ret) {
        return ret;
    }
    shadow_guest_changed(g);
    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->reset(dev);
    }
    trace_shadow_guest_reset(g->id);
    shadow_tell_reset(g);
    return 0;
}

/* Between hosts; see shadow-save.c and shadow-restore.c, too. */

static void lifecycle_activate(ShadowGuest *g)
{
    shadow_tell_now(g);
    shadow_lifecycle_set_state(g, SHADOW_GUEST_STATE_ACTIVE);
    shadow_lifecycle_hold(g, false);
    shadow_tell_activated(g);
    shadow_guest_irq_changed(g);
}

void shadow_lifecycle_seen(ShadowGuest *g)
{
    trace_shadow_guest_seen(g->id);
    if (lifecycle_unseen(g) && shadow_running_entered_since(g->ports)) {
        lifecycle_protected(g, "entered");
    }
    lifecycle_arm(g);           /* what is private now need not be seen */
    shadow_lifecycle_entered(g);
}

/*
 * It is written down before it is so: a host that forgets where the console
 * was would make a second one.  If that fails the guest stays restored, its
 * ports held, and a later entry tries again.
 */
void shadow_lifecycle_entered(ShadowGuest *g)
{
    Error *local = NULL;

    if (!shadow_life_allows(g, SHADOW_STEP_RUN) ||
        !shadow_pace_ready(&g->unkept, UNKEPT_INTERVAL, 1)) {
        return;
    }
    if (!shadow_epoch_store(g, g->accepted, false, &local)) {
        shadow_pace_take(&g->unkept, UNKEPT_INTERVAL);
        shadow_guest_refuse(g, -EIO, local, NULL);
        return;
    }
    lifecycle_activate(g);
}

int shadow_guest_commit(ShadowGuest *g)
{
    ShadowDevice *dev;
    Error *local = NULL;
    int ret = shadow_life_check(g, SHADOW_STEP_COMMIT, NULL);

    if (ret) {
        return ret;
    }
    if (!shadow_epoch_store(g, g->accepted, true, &local)) {
        return shadow_guest_refuse(g, -EIO, local, NULL);
    }
    g->gave_away = g->bindings;
    shadow_lifecycle_set_state(g, SHADOW_GUEST_STATE_GONE);
    /* the next migration needs a new destination */
    shadow_keys_put_destination_away(g);
    QTAILQ_FOREACH(dev, &g->devices, next) {
        shadow_access_forget(dev);
        SHADOW_DEVICE_GET_CLASS(dev)->moved(dev);
    }
    shadow_tell_committed(g);
    return 0;
}

bool shadow_lifecycle_may_come_back(ShadowGuest *g)
{
    return g->gave_away == g->bindings && shadow_binding_is_bound(g->ports);
}

/*
 * Who manages the nested guest may find out only after COMMIT that the other
 * host cannot run it, and lets it go on here.  No other host's word is needed:
 * who says ABORT now could have said it in place of COMMIT, and with the same
 * effect.  The destination stays, or COMMIT and ABORT would be a way around it.
 *
 * Only the process that was bound at COMMIT, and is still: with it goes the
 * machine that could go on.
 */
static bool lifecycle_may_take_back(ShadowGuest *g, const ShadowEntry *caller)
{
    return shadow_life_allows(g, SHADOW_STEP_TAKE_BACK) &&
           shadow_lifecycle_may_come_back(g) &&
           shadow_binding_is_process(g->ports, caller);
}

int shadow_guest_abort(ShadowGuest *g, const ShadowEntry *caller)
{
    bool back = caller && lifecycle_may_take_back(g, caller);
    Error *local = NULL;
    int ret = shadow_life_check(g, back ? SHADOW_STEP_TAKE_BACK :
                                          SHADOW_STEP_ABORT, NULL);

    if (ret) {
        return ret;
    }
    if (!shadow_epoch_store(g, g->accepted, false, &local)) {
        return shadow_guest_refuse(g, -EIO, local, NULL);
    }
    if (back) {
        shadow_keys_get_destination_back(g);
    }
    shadow_tell_aborted(g);
    lifecycle_activate(g);
    return 0;
}

int shadow_guest_resume(ShadowGuest *g, Error **errp)
{
    ShadowDevice *dev;
    int ret = shadow_life_check(g, SHADOW_STEP_RESUME, errp);

    if (ret) {
        return ret;
    }
    if (!shadow_epoch_store(g, g->accepted, false, errp)) {
        return -EIO;
    }
    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->forked(dev);
    }
    lifecycle_activate(g);
    return 0;
}
