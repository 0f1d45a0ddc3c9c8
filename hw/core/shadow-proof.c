/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest's proof that it is the one it says it is, so that the cloud
 * VM cannot pass another guest off as it.
 *
 *   answer = HMAC-SHA-256(bind-secret, "qemu-shadow register" || challenge
 *                                      || id)
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "crypto/secret.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-claim.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/hw/core/shadow-proof.h"
#include "shadow/hw/core/shadow-tell.h"

#define REGISTER_LABEL "qemu-shadow register"

/* That may be waiting for an answer; then the oldest is forgotten */
#define CHALLENGES_MAX 256

bool shadow_proof_check_secret(ShadowGuest *g, Error **errp)
{
    uint8_t *key;
    size_t len;

    if (!shadow_accel()->nested_calls) {
        error_setg(errp, "shadow-guest '%s' has a bind-secret, but with this "
                   "accelerator no nested guest can prove who it is", g->id);
        return false;
    }
    if (qcrypto_secret_lookup(g->bind_secret_id, &key, &len, errp) < 0) {
        return false;
    }
    shadow_wipe(key, len);
    g_free(key);
    if (len < SHADOW_SECRET_MIN_LEN) {
        error_setg(errp, "shadow-guest '%s': the bind-secret has %zu bytes, "
                   "it must have at least %d", g->id, len,
                   SHADOW_SECRET_MIN_LEN);
        return false;
    }
    return true;
}

static ShadowChallenge *register_find(ShadowGuest *g, const ShadowEntry *entry)
{
    for (GList *i = g->challenges.head; i; i = i->next) {
        ShadowChallenge *c = i->data;

        if (c->vmcb == entry->vmcb) {
            return c;
        }
    }
    return NULL;
}

static void register_forget(ShadowGuest *g, ShadowChallenge *c)
{
    g_queue_remove(&g->challenges, c);
    g_free(c);
}

void shadow_proof_stop(ShadowGuest *g)
{
    g_queue_clear_full(&g->challenges, g_free);
}

int shadow_guest_challenge(ShadowGuest *g, const ShadowEntry *entry,
                           uint8_t challenge[32])
{
    ShadowChallenge *c;

    if (!g->bind_secret_id) {
        return -EOPNOTSUPP;
    }
    c = g_new0(ShadowChallenge, 1);
    c->vmcb = entry->vmcb;
    if (!shadow_random(c->value, sizeof(c->value))) {
        g_free(c);
        return -EIO;
    }
    memcpy(challenge, c->value, sizeof(c->value));
    if (register_find(g, entry)) {
        register_forget(g, register_find(g, entry));
    } else if (g_queue_get_length(&g->challenges) == CHALLENGES_MAX) {
        register_forget(g, g_queue_peek_head(&g->challenges));
    }
    g_queue_push_tail(&g->challenges, c);
    return 0;
}

static bool register_expected(ShadowGuest *g, const uint8_t challenge[32],
                              uint8_t mac[SHADOW_HKDF_HASH_LEN], Error **errp)
{
    g_autoptr(GByteArray) msg = g_byte_array_new();
    uint8_t *key;
    size_t key_len;
    bool ok;

    if (qcrypto_secret_lookup(g->bind_secret_id, &key, &key_len, errp) < 0) {
        return false;
    }
    g_byte_array_append(msg, (const uint8_t *)REGISTER_LABEL,
                        strlen(REGISTER_LABEL));
    g_byte_array_append(msg, challenge, 32);
    g_byte_array_append(msg, (const uint8_t *)g->id, strlen(g->id));
    /* HKDF-Extract is HMAC (RFC 5869, section 2.2) */
    ok = shadow_hkdf_extract(key, key_len, msg->data, msg->len, mac);
    shadow_wipe(key, key_len);
    g_free(key);
    if (!ok) {
        error_setg(errp, "cannot compute the expected answer");
    }
    return ok;
}

static int register_check_answer(ShadowGuest *g, const ShadowEntry *entry,
                                 const uint8_t answer[32], Error **errp)
{
    ShadowChallenge *waiting = register_find(g, entry);
    uint8_t mac[SHADOW_HKDF_HASH_LEN];
    ShadowChallenge c;
    uint8_t differ = 0;

    if (!waiting) {
        error_setg(errp, "no challenge is waiting for an answer");
        return -EACCES;
    }
    c = *waiting;
    register_forget(g, waiting);
    if (!register_expected(g, c.value, mac, errp)) {
        return -EIO;
    }
    for (size_t i = 0; i < sizeof(mac); i++) {
        differ |= mac[i] ^ answer[i];
    }
    shadow_wipe(mac, sizeof(mac));
    if (differ) {
        error_setg(errp, "the answer to the challenge is wrong");
        return -EACCES;
    }
    return 0;
}

/* Who it is, but for the proof, is the cloud VM's to say then. */
static bool register_is_told(ShadowGuest *g)
{
    return shadow_binding_by_process(g->ports) ||
           shadow_claim_found(g->ports) || shadow_claim_waits(g->ports);
}

static int register_check(ShadowGuest *g, const ShadowEntry *entry,
                          bool inside, const uint8_t *answer, Error **errp)
{
    int ret = 0;

    if (answer) {
        ret = register_check_answer(g, entry, answer, errp);
    } else if (g->bind_secret_id || !g->register_ok) {
        error_setg(errp, "a registration without proof");
        ret = -EACCES;
    }
    if (!ret && register_is_told(g) && !(inside && answer)) {
        error_setg(errp, "a registration from outside of what has bound it");
        ret = -EBUSY;
    }
    return ret;
}

int shadow_guest_register(ShadowGuest *g, const ShadowEntry *entry,
                          bool inside, const uint8_t answer[32],
                          const ShadowNestedCookie *cookie)
{
    Error *err = NULL;
    int ret = register_check(g, entry, inside, answer, &err);

    if (ret) {
        shadow_guest_refused(g, error_get_pretty(err), true);
        error_free(err);
        return ret;
    }
    if (register_is_told(g)) {
        shadow_lifecycle_proved(g);
    } else {
        shadow_lifecycle_bind_tag(g, entry, inside, cookie);
    }
    return 0;
}

static char *get_bind_secret(Object *obj, Error **errp)
{
    return g_strdup(SHADOW_GUEST(obj)->bind_secret_id);
}

static void set_bind_secret(Object *obj, const char *value, Error **errp)
{
    ShadowGuest *g = SHADOW_GUEST(obj);

    if (shadow_guest_can_set(g, "bind-secret", errp)) {
        g_free(g->bind_secret_id);
        g->bind_secret_id = g_strdup(value);
    }
}

static bool get_register(Object *obj, Error **errp)
{
    return SHADOW_GUEST(obj)->register_ok;
}

static void set_register(Object *obj, bool value, Error **errp)
{
    ShadowGuest *g = SHADOW_GUEST(obj);

    if (shadow_guest_can_set(g, "register", errp)) {
        g->register_ok = value;
    }
}

void shadow_proof_add_properties(ObjectClass *oc)
{
    object_class_property_add_str(oc, "bind-secret", get_bind_secret,
                                  set_bind_secret);
    object_class_property_set_description(oc, "bind-secret",
        "id of the secret that the nested guest proves itself with");
    object_class_property_add_bool(oc, "register", get_register, set_register);
    object_class_property_set_description(oc, "register",
        "let any nested guest that names it bind it, without a proof");
}
