/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The secrets of a shadow guest.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "crypto/secret.h"
#include "shadow/hw/core/shadow-keys.h"

static ShadowSecret *keys_load_one(ShadowGuest *g, const char *id,
                                   Error **errp)
{
    ShadowSecret *secret = NULL;
    uint8_t *data;
    size_t len;

    if (qcrypto_secret_lookup(id, &data, &len, errp) == 0) {
        secret = shadow_secret_new(data, len, errp);
        shadow_wipe(data, len);
        g_free(data);
    }
    if (!secret) {
        error_prepend(errp, "shadow-guest '%s': secret '%s': ", g->id, id);
    }
    return secret;
}

static bool keys_add(ShadowGuest *g, GPtrArray *keys, const char *id,
                     Error **errp)
{
    ShadowSecret *secret = keys_load_one(g, id, errp);

    if (!secret) {
        return false;
    }
    g_ptr_array_add(keys, secret);
    return true;
}

bool shadow_keys_load(ShadowGuest *g, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GPtrArray) keys =
        g_ptr_array_new_with_free_func((GDestroyNotify)shadow_secret_free);
    strList *l;

    if (!keys_add(g, keys, g->secret_id, errp)) {
        return false;
    }
    for (l = g->old_secret_ids; l; l = l->next) {
        if (!keys_add(g, keys, l->value, errp)) {
            return false;
        }
    }
    shadow_keys_free(g);
    g->keys = g_steal_pointer(&keys);
    return true;
}

void shadow_keys_free(ShadowGuest *g)
{
    g_clear_pointer(&g->keys, g_ptr_array_unref);
}

const ShadowSecret *shadow_keys_seal(ShadowGuest *g)
{
    return g_ptr_array_index(g->keys, 0);
}

const ShadowSecret *const *shadow_keys_open(ShadowGuest *g, size_t *n)
{
    *n = g->keys->len;
    return (const ShadowSecret *const *)g->keys->pdata;
}

/* Before the object is complete, its properties only say what to load. */
static bool keys_changed(ShadowGuest *g, Error **errp)
{
    return !g->keys || shadow_keys_load(g, errp);
}

static char *get_secret(Object *obj, Error **errp)
{
    return g_strdup(SHADOW_GUEST(obj)->secret_id);
}

static void set_secret(Object *obj, const char *value, Error **errp)
{
    ShadowGuest *g = SHADOW_GUEST(obj);
    char *before = g->secret_id;

    g->secret_id = g_strdup(value);
    if (!keys_changed(g, errp)) {
        g_free(g->secret_id);
        g->secret_id = before;
        return;
    }
    g_free(before);
}

static void get_old_secrets(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    visit_type_strList(v, name, &SHADOW_GUEST(obj)->old_secret_ids, errp);
}

static void set_old_secrets(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    ShadowGuest *g = SHADOW_GUEST(obj);
    strList *before = g->old_secret_ids;
    strList *ids = NULL;

    if (!visit_type_strList(v, name, &ids, errp)) {
        return;
    }
    g->old_secret_ids = ids;
    if (!keys_changed(g, errp)) {
        g->old_secret_ids = before;
        before = ids;
    }
    qapi_free_strList(before);
}

void shadow_keys_add_properties(ObjectClass *oc)
{
    object_class_property_add_str(oc, "secret", get_secret, set_secret);
    object_class_property_set_description(oc, "secret",
        "id of the secret that seals the state, at least 32 bytes");
    object_class_property_add(oc, "old-secrets", "strList", get_old_secrets,
                              set_old_secrets, NULL, NULL);
    object_class_property_set_description(oc, "old-secrets",
        "ids of secrets that may have sealed a state which arrives");
}
