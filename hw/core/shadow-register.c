/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest's proof that it is the one it says it is, so that the cloud
 * VM cannot pass another guest off as it.
 *
 *   answer = HMAC-SHA-256(bind-secret, "qemu-shadow register" || challenge
 *                                      || tag)
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "crypto/secret.h"
#include "qemu/guest-random.h"
#include "shadow/hw/core/shadow-lifecycle.h"

#define REGISTER_LABEL "qemu-shadow register"

bool shadow_register_check_secret(ShadowGuest *g, Error **errp)
{
    uint8_t *key;
    size_t len;

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

bool shadow_guest_challenge(ShadowGuest *g, uint8_t challenge[32])
{
    if (!g->bind_secret_id) {
        return false;
    }
    g->challenged = !qemu_guest_getrandom(g->challenge, sizeof(g->challenge),
                                          NULL);
    memcpy(challenge, g->challenge, sizeof(g->challenge));
    return true;
}

static bool register_expected(ShadowGuest *g,
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
    g_byte_array_append(msg, g->challenge, sizeof(g->challenge));
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

int shadow_guest_check_answer(ShadowGuest *g, const uint8_t answer[32],
                              Error **errp)
{
    uint8_t mac[SHADOW_HKDF_HASH_LEN];
    uint8_t differ = 0;
    bool challenged = g->challenged;

    g->challenged = false;
    if (!challenged) {
        error_setg(errp, "no challenge is waiting for an answer");
        return -EACCES;
    }
    if (!register_expected(g, mac, errp)) {
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
