/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The object shadow-door: a listener through which users come to one console.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-shadow.h"
#include "qapi/visitor.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qom/object_interfaces.h"
#include "shadow/hw/char/shadow-door.h"
#include "shadow/hw/core/shadow-guest.h"

#define DOOR_TICK_MS 1000
#define DOOR_CLIENTS_DEFAULT 64
#define DOOR_CLIENTS_MAX 10000

static QTAILQ_HEAD(, ShadowDoor) shadow_doors =
    QTAILQ_HEAD_INITIALIZER(shadow_doors);

/*
 * Someone may have to go, or can come again: while there is anyone, it is
 * looked each second.
 */
static void door_tick(void *opaque)
{
    ShadowDoor *d = opaque;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    DoorClient *c, *next;

    QTAILQ_FOREACH_SAFE(c, &d->clients, next, next) {
        door_client_tick(c, now);
    }
    door_listen_go_on(d);
    if (d->n_clients) {
        door_tick_later(d);
    }
}

void door_tick_later(ShadowDoor *d)
{
    if (!timer_pending(d->tick)) {
        timer_mod(d->tick, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                           DOOR_TICK_MS);
    }
}

/* One who speaks plainly is told; another would have to be listened to. */
static void door_is_full(ShadowDoor *d, QIOChannelSocket *sioc)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    if (!d->tls_creds && !d->websocket) {
        qio_channel_set_blocking(QIO_CHANNEL(sioc), false, NULL);
        shadow_wire_put_text(out, SHADOW_WIRE_ERROR, 0, 0,
                             "there are too many clients at this door");
        qio_channel_write(QIO_CHANNEL(sioc), (char *)out->data, out->len,
                          NULL);
    }
}

void door_accept(ShadowDoor *d, QIOChannelSocket *sioc)
{
    if (d->n_clients >= d->max_clients) {
        door_is_full(d, sioc);
        return;
    }
    door_client_new(d, sioc);
    door_tick_later(d);
}

static bool door_find_creds(ShadowDoor *d, Error **errp)
{
    Object *creds;

    if (d->tls_authz && !d->tls_creds_id) {
        error_setg(errp, "tls-authz needs tls-creds");
        return false;
    }
    if (!d->tls_creds_id) {
        return true;
    }
    creds = object_resolve_path_component(object_get_objects_root(),
                                          d->tls_creds_id);
    creds = object_dynamic_cast(creds, TYPE_QCRYPTO_TLS_CREDS);
    if (!creds) {
        error_setg(errp, "there are no TLS credentials '%s'",
                   d->tls_creds_id);
        return false;
    }
    d->tls_creds = QCRYPTO_TLS_CREDS(creds);
    if (!qcrypto_tls_creds_check_endpoint(d->tls_creds,
                                          QCRYPTO_TLS_CREDS_ENDPOINT_SERVER,
                                          errp)) {
        d->tls_creds = NULL;
        return false;
    }
    object_ref(creds);
    return true;
}

static bool door_check_origin(ShadowDoor *d, Error **errp)
{
    if (!d->origin) {
        return true;
    }
    if (!d->websocket) {
        error_setg(errp, "origin needs websocket=on");
        return false;
    }
    return door_origins_valid(d->origin, errp);
}

static void door_complete(UserCreatable *uc, Error **errp)
{
    ShadowDoor *d = SHADOW_DOOR(uc);

    if (!d->guest || !d->device || !d->addr) {
        error_setg(errp, "a shadow-door needs guest, device and addr");
        return;
    }
    if (!d->max_clients || d->max_clients > DOOR_CLIENTS_MAX) {
        error_setg(errp, "max-clients must be 1 to %d", DOOR_CLIENTS_MAX);
        return;
    }
    d->id = g_strdup(object_get_canonical_path_component(OBJECT(d)));
    if (!door_check_origin(d, errp) || !door_find_creds(d, errp) ||
        !door_listen(d, errp)) {
        return;
    }
    d->tick = timer_new_ms(QEMU_CLOCK_REALTIME, door_tick, d);
    QTAILQ_INSERT_TAIL(&shadow_doors, d, next);
}

static void door_unparent(Object *obj)
{
    ShadowDoor *d = SHADOW_DOOR(obj);
    DoorClient *c;

    if (!d->listener) {
        return;
    }
    door_listen_end(d);
    while ((c = QTAILQ_FIRST(&d->clients))) {
        door_client_close(c, "the door was closed");
    }
    g_clear_pointer(&d->loop, shadow_loop_free);
    timer_free(d->tick);
    QTAILQ_REMOVE(&shadow_doors, d, next);
}

static void door_init(Object *obj)
{
    ShadowDoor *d = SHADOW_DOOR(obj);

    d->role = SHADOW_DOOR_ROLE_WRITE;
    d->max_clients = DOOR_CLIENTS_DEFAULT;
    QTAILQ_INIT(&d->clients);
}

static void door_finalize(Object *obj)
{
    ShadowDoor *d = SHADOW_DOOR(obj);

    object_unref(OBJECT(d->tls_creds));
    g_free(d->addr);
    g_free(d->guest);
    g_free(d->device);
    g_free(d->tls_creds_id);
    g_free(d->tls_authz);
    g_free(d->origin);
    g_free(d->host_name);
    g_free(d->id);
}

/* Properties */

typedef struct DoorString {
    const char *name;
    size_t offset;
    const char *description;
} DoorString;

#define DOOR_STRING(name, field, description) \
    { name, offsetof(ShadowDoor, field), description }

static const DoorString door_strings[] = {
    DOOR_STRING("guest", guest, "shadow-guest whose console it leads to"),
    DOOR_STRING("device", device, "device whose console it leads to"),
    DOOR_STRING("addr", addr, "where it listens"),
    DOOR_STRING("tls-creds", tls_creds_id, "TLS credentials"),
    DOOR_STRING("tls-authz", tls_authz, "who may come, by his certificate"),
    DOOR_STRING("origin", origin, "whose pages may use the websocket: "
                "SCHEME://HOST:PORT, several apart by spaces"),
    DOOR_STRING("host-name", host_name, "what clients know this host by"),
};

static bool door_can_set(ShadowDoor *d, const char *name, Error **errp)
{
    if (d->id) {
        error_setg(errp, "%s of shadow-door '%s' cannot be changed: make "
                   "another shadow-door", name, d->id);
        return false;
    }
    return true;
}

static void door_get_string(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    const DoorString *s = opaque;
    char *value = *(char **)((char *)obj + s->offset) ?: (char *)"";

    visit_type_str(v, name, &value, errp);
}

static void door_set_string(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    const DoorString *s = opaque;
    char **field = (char **)((char *)obj + s->offset);
    char *value;

    if (door_can_set(SHADOW_DOOR(obj), name, errp) &&
        visit_type_str(v, name, &value, errp)) {
        g_free(*field);
        *field = value;
    }
}

static int door_get_role(Object *obj, Error **errp)
{
    return SHADOW_DOOR(obj)->role;
}

static void door_set_role(Object *obj, int value, Error **errp)
{
    if (door_can_set(SHADOW_DOOR(obj), "role", errp)) {
        SHADOW_DOOR(obj)->role = value;
    }
}

static bool door_get_websocket(Object *obj, Error **errp)
{
    return SHADOW_DOOR(obj)->websocket;
}

static void door_set_websocket(Object *obj, bool value, Error **errp)
{
    if (door_can_set(SHADOW_DOOR(obj), "websocket", errp)) {
        SHADOW_DOOR(obj)->websocket = value;
    }
}

static void door_get_number(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    uint32_t value = *(uint32_t *)((char *)obj + (uintptr_t)opaque);

    visit_type_uint32(v, name, &value, errp);
}

static void door_set_number(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    uint32_t *field = (uint32_t *)((char *)obj + (uintptr_t)opaque);
    uint32_t value;

    if (door_can_set(SHADOW_DOOR(obj), name, errp) &&
        visit_type_uint32(v, name, &value, errp)) {
        *field = value;
    }
}

static void door_class_init(ObjectClass *oc, ShadowClassData *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = door_complete;
    oc->unparent = door_unparent;
    for (unsigned i = 0; i < ARRAY_SIZE(door_strings); i++) {
        const DoorString *s = &door_strings[i];

        object_class_property_add(oc, s->name, "str", door_get_string,
                                  door_set_string, NULL, (void *)s);
        object_class_property_set_description(oc, s->name, s->description);
    }
    object_class_property_add_enum(oc, "role", "ShadowDoorRole",
                                   &ShadowDoorRole_lookup, door_get_role,
                                   door_set_role);
    object_class_property_add_bool(oc, "websocket", door_get_websocket,
                                   door_set_websocket);
    object_class_property_add(oc, "max-clients", "uint32", door_get_number,
                              door_set_number, NULL,
                              (void *)offsetof(ShadowDoor, max_clients));
    object_class_property_add(oc, "idle-timeout", "uint32", door_get_number,
                              door_set_number, NULL,
                              (void *)offsetof(ShadowDoor, idle_timeout));
}

static const TypeInfo door_types[] = {
    {
        .name = TYPE_SHADOW_DOOR,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(ShadowDoor),
        .instance_init = door_init,
        .instance_finalize = door_finalize,
        .class_init = door_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_USER_CREATABLE },
            { }
        },
    },
};

DEFINE_TYPES(door_types)

void qmp_shadow_door_disconnect(uint32_t client, const char *reason,
                                Error **errp)
{
    ShadowDoor *d;
    DoorClient *c;

    QTAILQ_FOREACH(d, &shadow_doors, next) {
        QTAILQ_FOREACH(c, &d->clients, next) {
            if (c->reader.client == client) {
                g_autofree char *text = g_strdup_printf(
                    "sent away by the operator%s%s", reason ? ": " : "",
                    reason ?: "");

                door_client_end(c, text);
                return;
            }
        }
    }
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
              "there is no client %u", client);
}
