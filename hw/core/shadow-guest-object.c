/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The object shadow-guest: the only one that knows all parts of a guest.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qom/object_interfaces.h"
#include "system/reset.h"
#include "shadow/hw/core/shadow-claim.h"
#include "shadow/hw/core/shadow-epoch.h"
#include "shadow/hw/core/shadow-history.h"
#include "shadow/hw/core/shadow-keys.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/hw/core/shadow-privacy.h"
#include "shadow/hw/core/shadow-protection.h"
#include "shadow/hw/core/shadow-proof.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/hw/core/shadow-tell.h"
#include "shadow/hw/core/shadow-transfer.h"
#include "shadow/trace.h"

/* Events do without: there may be many of them, and of clients. */
static void guest_query_clients(ShadowGuest *g, ShadowDeviceInfoList *list)
{
    ShadowDevice *dev;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        list->value->clients = SHADOW_DEVICE_GET_CLASS(dev)->clients(dev);
        list->value->has_clients = true;
        list = list->next;
    }
}

ShadowGuestInfo *shadow_guest_query(ShadowGuest *g)
{
    ShadowGuestInfo *info = g_new0(ShadowGuestInfo, 1);

    info->id = g_strdup(g->id);
    info->state = g->state;
    info->bound_by_process = shadow_binding_by_process(g->ports);
    info->bound_by_claim = shadow_claim_found(g->ports);
    info->bound_by_tag = shadow_binding_by_tag(g->ports) &&
                         !info->bound_by_claim;
    info->claimed = shadow_claim_waits(g->ports);
    info->bindings = g->bindings;
    info->proved = g->bind_secret_id && shadow_ports_proved(g->ports) &&
                   shadow_binding_is_bound(g->ports);
    info->recognized = shadow_ports_recognized(g->ports);
    info->protection = g->protection;
    info->epoch = g->epoch;
    info->calls = g->calls;
    info->accesses = shadow_ports_accesses(g->ports);
    info->saves = g->saves;
    info->restores = g->restores;
    info->snapshots = g->snapshots;
    info->snapshots_saved = g->snapshots_saved;
    info->snapshots_restored = g->snapshots_restored;
    info->refusals = g->refusals;
    info->breaks = g->breaks;
    info->envelope_bytes = shadow_guest_envelope_size(g);
    info->host = g_strdup(g->host_name);
    if (g->destination) {
        info->destination = shadow_host_key_to_text(g->destination);
    }
    info->memory = shadow_privacy_query(g);
    info->devices = shadow_guest_query_devices(g);
    guest_query_clients(g, info->devices);
    return info;
}

static void shadow_guest_reset_hold(void *opaque)
{
    shadow_guest_unbind(opaque, "the cloud VM was reset");
}

static void shadow_guest_complete(UserCreatable *uc, Error **errp)
{
    ERRP_GUARD();
    ShadowGuest *g = SHADOW_GUEST(uc);

    g->id = object_get_canonical_path_component(OBJECT(g));
    if (strlen(g->id) > SHADOW_SEAL_ID_MAX) {
        error_setg(errp, "a shadow-guest's id has at most %d characters",
                   SHADOW_SEAL_ID_MAX);
        return;
    }
    if (!shadow_secret_init(errp) || !shadow_keys_start(g, errp)) {
        return;
    }
    if (g->bind_secret_id && !shadow_proof_check_secret(g, errp)) {
        return;
    }
    if (!shadow_protection_start(g, errp)) {
        return;
    }
    if (g->incoming) {
        g->state = SHADOW_GUEST_STATE_INCOMING;
    }
    if (!shadow_epoch_load(g, errp)) {
        return;
    }
    shadow_history_start(g);
    shadow_tell_start(g);
    shadow_transfer_start(g);
    qemu_register_reset(shadow_guest_reset_hold, g);
    shadow_guest_list(g);
    trace_shadow_guest_new(g->id);
}

static bool shadow_guest_can_be_deleted(UserCreatable *uc)
{
    return QTAILQ_EMPTY(&SHADOW_GUEST(uc)->devices);
}

static void shadow_guest_unparent(Object *obj)
{
    ShadowGuest *g = SHADOW_GUEST(obj);

    if (g->settle_bh) {
        shadow_guest_unbind(g, "the shadow guest was removed");
        shadow_guest_irq_told(g);
        qemu_unregister_reset(shadow_guest_reset_hold, g);
        shadow_guest_unlist(g);
        shadow_guest_changed(g);
        shadow_transfer_stop(g);
        shadow_tell_stop(g);
        trace_shadow_guest_gone(g->id);
    }
}

static void shadow_guest_init(Object *obj)
{
    ShadowGuest *g = SHADOW_GUEST(obj);

    g->id = "";
    QTAILQ_INIT(&g->devices);
    notifier_list_init(&g->changed);
    g->ports = shadow_ports_new(g, shadow_lifecycle_seen,
                                shadow_lifecycle_stale,
                                shadow_lifecycle_claimed);
}

static void shadow_guest_finalize(Object *obj)
{
    ShadowGuest *g = SHADOW_GUEST(obj);

    shadow_running_end(g->ports);
    shadow_ports_free(g->ports);
    shadow_proof_stop(g);
    shadow_keys_stop(g);
    g_free(g->host_name);
    qapi_free_strList(g->old_secret_ids);
    g_free(g->secret_id);
    g_free(g->bind_secret_id);
    g_free(g->state_file);
    g_free(g->moved_to);
}

static char *get_state_file(Object *obj, Error **errp)
{
    return g_strdup(SHADOW_GUEST(obj)->state_file);
}

static void set_state_file(Object *obj, const char *value, Error **errp)
{
    ShadowGuest *g = SHADOW_GUEST(obj);

    if (shadow_guest_can_set(g, "state-file", errp)) {
        g_free(g->state_file);
        g->state_file = g_strdup(value);
    }
}

static bool get_incoming(Object *obj, Error **errp)
{
    return SHADOW_GUEST(obj)->incoming;
}

static void set_incoming(Object *obj, bool value, Error **errp)
{
    ShadowGuest *g = SHADOW_GUEST(obj);

    if (shadow_guest_can_set(g, "incoming", errp)) {
        g->incoming = value;
    }
}

static bool get_snapshots(Object *obj, Error **errp)
{
    return SHADOW_GUEST(obj)->snapshots;
}

static void set_snapshots(Object *obj, bool value, Error **errp)
{
    SHADOW_GUEST(obj)->snapshots = value;
}

static void shadow_guest_class_init(ObjectClass *oc, ShadowClassData *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = shadow_guest_complete;
    ucc->can_be_deleted = shadow_guest_can_be_deleted;
    oc->unparent = shadow_guest_unparent;

    shadow_keys_add_properties(oc);
    shadow_protection_add_properties(oc);
    shadow_proof_add_properties(oc);
    object_class_property_add_str(oc, "state-file", get_state_file,
                                  set_state_file);
    object_class_property_set_description(oc, "state-file",
        "file that keeps the newest epoch when this QEMU ends");
    object_class_property_add_bool(oc, "incoming", get_incoming, set_incoming);
    object_class_property_set_description(oc, "incoming",
        "wait for the state from another host");
    object_class_property_add_bool(oc, "snapshots", get_snapshots,
                                   set_snapshots);
    object_class_property_set_description(oc, "snapshots",
        "let the cloud VM take snapshots and go back to them");
}

static const TypeInfo shadow_guest_types[] = {
    {
        .name = TYPE_SHADOW_GUEST,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(ShadowGuest),
        .instance_init = shadow_guest_init,
        .instance_finalize = shadow_guest_finalize,
        .class_init = shadow_guest_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_USER_CREATABLE },
            { }
        },
    },
};

DEFINE_TYPES(shadow_guest_types)
