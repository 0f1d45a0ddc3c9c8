/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What seals and opens the envelopes of a shadow guest.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "crypto/secret.h"
#include "shadow/hw/core/shadow-host.h"
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

/*
 * Take the guest's secrets from the secret objects that its properties name.
 * On failure those that it has stay as they are.
 */
static bool keys_load(ShadowGuest *g, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GPtrArray) keys =
        g_ptr_array_new_with_free_func((GDestroyNotify)shadow_secret_free);
    strList *l;

    if (g->secret_id && !keys_add(g, keys, g->secret_id, errp)) {
        return false;
    }
    if (!g->secret_id && g->old_secret_ids) {
        error_setg(errp, "shadow-guest '%s' has old-secrets, but no secret",
                   g->id);
        return false;
    }
    for (l = g->old_secret_ids; l; l = l->next) {
        if (!keys_add(g, keys, l->value, errp)) {
            return false;
        }
    }
    g_clear_pointer(&g->keys, g_ptr_array_unref);
    g->keys = g_steal_pointer(&keys);
    return true;
}

bool shadow_keys_start(ShadowGuest *g, Error **errp)
{
    if (!g->secret_id && !g->host_name) {
        error_setg(errp, "shadow-guest '%s' needs a secret or a host", g->id);
        return false;
    }
    if (!keys_load(g, errp)) {
        return false;
    }
    if (g->host_name) {
        g->host = shadow_host_find(g->host_name, errp);
        if (!g->host) {
            return false;
        }
        object_ref(OBJECT(g->host));
        g->host->users++;
    }
    return true;
}

void shadow_keys_stop(ShadowGuest *g)
{
    g_clear_pointer(&g->keys, g_ptr_array_unref);
    g_clear_pointer(&g->destination, g_free);
    g_clear_pointer(&g->last_destination, g_free);
    if (g->host) {
        g->host->users--;
        object_unref(OBJECT(g->host));
        g->host = NULL;
    }
}

/*
 * The key to seal to, or NULL for the secret.  A snapshot is to be loaded here,
 * whoever the guest is about to go to.
 */
static const uint8_t *keys_recipient(ShadowGuest *g, ShadowSealPurpose purpose)
{
    if (purpose != SHADOW_SEAL_SNAPSHOT) {
        return g->destination;
    }
    return g->keys->len ? NULL : shadow_host_key_encryption(g->host->key);
}

/* Without a secret, report the larger size: SAVE gives the error. */
size_t shadow_keys_envelope_size(ShadowGuest *g, ShadowSealPurpose purpose,
                                 size_t payload_len)
{
    return keys_recipient(g, purpose) || !g->keys->len
           ? shadow_seal_host_size(payload_len)
           : shadow_seal_size(payload_len);
}

uint8_t *shadow_keys_payload(ShadowGuest *g, ShadowSealPurpose purpose,
                             uint8_t *envelope)
{
    return envelope + (keys_recipient(g, purpose) ? SHADOW_SEAL_HOST_PAYLOAD
                                             : SHADOW_SEAL_PAYLOAD);
}

bool shadow_keys_seal(ShadowGuest *g, const ShadowSealInfo *info,
                      uint8_t *envelope, size_t len, Error **errp)
{
    const uint8_t *recipient = keys_recipient(g, info->purpose);

    if (recipient) {
        return shadow_seal_to_host(info, recipient, g->host->key, envelope, len,
                                   errp);
    }
    if (!g->keys->len) {
        error_setg(errp, "shadow-guest '%s' has no secret, and no destination "
                   "was given: use shadow-guest-set-destination", g->id);
        shadow_wipe(shadow_keys_payload(g, info->purpose, envelope), len);
        return false;
    }
    return shadow_seal(info, g_ptr_array_index(g->keys, 0), envelope, len,
                       errp);
}

void shadow_keys_hold(ShadowGuest *g, ShadowKeyring *ring)
{
    *ring = (ShadowKeyring) { .keys = g_ptr_array_ref(g->keys) };
    if (g->host) {
        ring->host = g->host;
        object_ref(OBJECT(ring->host));
        /* this host's own snapshots too */
        ring->signers = g_byte_array_new();
        g_byte_array_append(ring->signers,
                            shadow_host_key_signing(g->host->key),
                            SHADOW_ED25519_LEN);
        g_byte_array_append(ring->signers, g->host->signers->data,
                            g->host->signers->len);
    }
}

void shadow_keys_drop(ShadowKeyring *ring)
{
    g_clear_pointer(&ring->keys, g_ptr_array_unref);
    if (ring->host) {
        g_clear_pointer(&ring->signers, g_byte_array_unref);
        object_unref(OBJECT(ring->host));
        ring->host = NULL;
    }
}

ShadowSealResult shadow_keys_open(const ShadowKeyring *ring,
                                  ShadowSealExpect *expect,
                                  uint8_t *envelope, size_t envelope_len,
                                  uint8_t **payload, size_t *len,
                                  ShadowSealInfo *info, Error **errp)
{
    if (ring->host) {
        expect->host = ring->host->key;
        expect->signers = ring->signers->data;
        expect->n_signers = ring->signers->len / SHADOW_ED25519_LEN;
    }
    return shadow_open(expect, (const ShadowSecret *const *)ring->keys->pdata,
                       ring->keys->len, envelope, envelope_len, payload, len,
                       info, errp);
}

/* What has left, or is leaving, was sealed for who was to open it before. */
static void keys_seal_anew(ShadowGuest *g)
{
    if (g->state == SHADOW_GUEST_STATE_ACTIVE) {
        shadow_guest_changed(g);
    }
}

bool shadow_keys_set_destination(ShadowGuest *g, const char *key,
                                 Error **errp)
{
    g_autofree uint8_t *bytes = NULL;

    if (key) {
        bytes = g_malloc(SHADOW_X25519_LEN);
        if (!g->host) {
            error_setg(errp, "shadow-guest '%s' has no host: it is sealed "
                       "with its secret", g->id);
            return false;
        }
        if (!shadow_host_encryption_from_text(key, bytes, errp)) {
            return false;
        }
    }
    keys_seal_anew(g);
    g_free(g->destination);
    g->destination = g_steal_pointer(&bytes);
    g_clear_pointer(&g->last_destination, g_free);
    return true;
}

void shadow_keys_put_destination_away(ShadowGuest *g)
{
    uint8_t *last = g_steal_pointer(&g->destination);

    shadow_keys_set_destination(g, NULL, NULL);
    g->last_destination = last;
}

void shadow_keys_get_destination_back(ShadowGuest *g)
{
    if (g->last_destination) {
        g->destination = g_steal_pointer(&g->last_destination);
    }
}

/* Before the object is complete, its properties only say what to load. */
static bool keys_changed(ShadowGuest *g, Error **errp)
{
    return !g->keys || keys_load(g, errp);
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
    if (g->keys) {
        keys_seal_anew(g);
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

static char *get_host(Object *obj, Error **errp)
{
    return g_strdup(SHADOW_GUEST(obj)->host_name);
}

static void set_host(Object *obj, const char *value, Error **errp)
{
    ShadowGuest *g = SHADOW_GUEST(obj);

    if (shadow_guest_can_set(g, "host", errp)) {
        g_free(g->host_name);
        g->host_name = g_strdup(value);
    }
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
    object_class_property_add_str(oc, "host", get_host, set_host);
    object_class_property_set_description(oc, "host",
        "id of the shadow-host whose keys seal and open the state");
}
