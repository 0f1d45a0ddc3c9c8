/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This host as other hosts know it: its keys, and whose envelopes it takes.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/util.h"
#include "crypto/secret.h"
#include "qom/object_interfaces.h"
#include "shadow/hw/core/shadow-host.h"
#include "shadow/include/compat.h"

ShadowHost *shadow_host_find(const char *id, Error **errp)
{
    Object *obj = object_resolve_path_component(object_get_objects_root(), id);
    ShadowHost *h = (ShadowHost *)object_dynamic_cast(obj, TYPE_SHADOW_HOST);

    if (!h) {
        error_setg(errp, "there is no shadow-host '%s'", id);
    }
    return h;
}

char *shadow_host_key_to_text(const uint8_t key[32])
{
    return g_base64_encode(key, 32);
}

/* @what says in an error which key it was. */
static bool host_key_from_text(const char *text, uint8_t key[32],
                               const char *what, Error **errp)
{
    g_autofree uint8_t *bytes = NULL;
    g_autofree char *again = NULL;
    gsize len = 0;

    bytes = g_base64_decode(text, &len);
    again = g_base64_encode(bytes, len);
    if (len != 32 || strcmp(text, again)) {
        error_setg(errp, "'%s' is not %s: base64 of 32 bytes is needed, as "
                   "query-shadow-hosts gives it on the other host", text,
                   what);
        return false;
    }
    memcpy(key, bytes, 32);
    return true;
}

static bool host_key_is(bool sound, const char *text, const char *what,
                        Error **errp)
{
    if (!sound) {
        error_setg(errp, "'%s' is not %s: no host has this one", text, what);
    }
    return sound;
}

bool shadow_host_encryption_from_text(const char *text,
                                      uint8_t key[SHADOW_X25519_LEN],
                                      Error **errp)
{
    const char *what = "a host's encryption key";

    return host_key_from_text(text, key, what, errp) &&
           host_key_is(shadow_x25519_key_sound(key), text, what, errp);
}

bool shadow_host_signing_from_text(const char *text,
                                   uint8_t key[SHADOW_ED25519_LEN],
                                   Error **errp)
{
    const char *what = "a host's signing key";

    return host_key_from_text(text, key, what, errp) &&
           host_key_is(shadow_ed25519_key_sound(key), text, what, errp);
}

static bool host_load_key(ShadowHost *h, Error **errp)
{
    uint8_t *data;
    size_t len;

    if (qcrypto_secret_lookup(h->secret_id, &data, &len, errp) < 0) {
        return false;
    }
    h->key = shadow_host_key_new(data, len, errp);
    shadow_wipe(data, len);
    g_free(data);
    return h->key;
}

static void shadow_host_complete(UserCreatable *uc, Error **errp)
{
    ERRP_GUARD();
    ShadowHost *h = SHADOW_HOST(uc);

    if (!h->secret_id) {
        error_setg(errp, "a shadow-host needs a secret");
        return;
    }
    if (!shadow_secret_init(errp) || !host_load_key(h, errp)) {
        error_prepend(errp, "shadow-host: secret '%s': ", h->secret_id);
    }
}

static bool shadow_host_can_be_deleted(UserCreatable *uc)
{
    return !SHADOW_HOST(uc)->users;
}

static void shadow_host_finalize(Object *obj)
{
    ShadowHost *h = SHADOW_HOST(obj);

    shadow_host_key_free(h->key);
    g_byte_array_unref(h->signers);
    qapi_free_strList(h->trusted_hosts);
    g_free(h->secret_id);
}

static char *get_secret(Object *obj, Error **errp)
{
    return g_strdup(SHADOW_HOST(obj)->secret_id);
}

static void set_secret(Object *obj, const char *value, Error **errp)
{
    ShadowHost *h = SHADOW_HOST(obj);

    if (h->key) {
        error_setg(errp, "a shadow-host's secret cannot be changed: make "
                   "another shadow-host");
        return;
    }
    g_free(h->secret_id);
    h->secret_id = g_strdup(value);
}

static void get_trusted_hosts(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    visit_type_strList(v, name, &SHADOW_HOST(obj)->trusted_hosts, errp);
}

static void set_trusted_hosts(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    ShadowHost *h = SHADOW_HOST(obj);
    g_autoptr(GByteArray) signers = g_byte_array_new();
    strList *keys = NULL, *l;

    if (!visit_type_strList(v, name, &keys, errp)) {
        return;
    }
    for (l = keys; l; l = l->next) {
        uint8_t key[SHADOW_ED25519_LEN];

        if (!shadow_host_signing_from_text(l->value, key, errp)) {
            qapi_free_strList(keys);
            return;
        }
        g_byte_array_append(signers, key, sizeof(key));
    }
    qapi_free_strList(h->trusted_hosts);
    h->trusted_hosts = keys;
    g_byte_array_unref(h->signers);
    h->signers = g_steal_pointer(&signers);
}

ShadowHostInfo *shadow_host_query(ShadowHost *h)
{
    ShadowHostInfo *info = g_new0(ShadowHostInfo, 1);
    strList **tail = &info->trusted_hosts, *l;

    info->id = g_strdup(object_get_canonical_path_component(OBJECT(h)));
    info->encryption_key =
        shadow_host_key_to_text(shadow_host_key_encryption(h->key));
    info->signing_key =
        shadow_host_key_to_text(shadow_host_key_signing(h->key));
    for (l = h->trusted_hosts; l; l = l->next) {
        QAPI_LIST_APPEND(tail, g_strdup(l->value));
    }
    return info;
}

static void shadow_host_init(Object *obj)
{
    SHADOW_HOST(obj)->signers = g_byte_array_new();
}

static void shadow_host_class_init(ObjectClass *oc, ShadowClassData *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = shadow_host_complete;
    ucc->can_be_deleted = shadow_host_can_be_deleted;

    object_class_property_add_str(oc, "secret", get_secret, set_secret);
    object_class_property_set_description(oc, "secret",
        "id of the secret that the host's keys are made of, "
        "at least 32 bytes");
    object_class_property_add(oc, "trusted-hosts", "strList",
                              get_trusted_hosts, set_trusted_hosts, NULL,
                              NULL);
    object_class_property_set_description(oc, "trusted-hosts",
        "signing keys of the hosts whose envelopes are taken");
}

static const TypeInfo shadow_host_types[] = {
    {
        .name = TYPE_SHADOW_HOST,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(ShadowHost),
        .instance_init = shadow_host_init,
        .instance_finalize = shadow_host_finalize,
        .class_init = shadow_host_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_USER_CREATABLE },
            { }
        },
    },
};

DEFINE_TYPES(shadow_host_types)
