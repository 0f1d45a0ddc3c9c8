/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: a nested guest says which one it is.
 */
#include "qemu/osdep.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/misc/ultracall-call.h"

static int register_challenge(UltracallCall *call, const ShadowEntry *entry)
{
    uint8_t proof[ULTRACALL_PROOF_LEN];
    int ret = shadow_guest_challenge(call->guest, entry, proof);

    if (!ret) {
        ultracall_write(call, proof, sizeof(proof));
    }
    return ret;
}

static int register_check(UltracallCall *call)
{
    bool asks = call->flags & ULTRACALL_REGISTER_CHALLENGE;
    bool answers = call->flags & ULTRACALL_REGISTER_ANSWER;
    bool cookie = call->flags & ULTRACALL_REGISTER_COOKIE;
    size_t need = asks || answers ? ULTRACALL_PROOF_LEN :
                  cookie ? sizeof(uint64_t) : 0;

    if ((asks && (answers || cookie)) ||
        (call->flags & ULTRACALL_BIND_ADDRESS && !cookie)) {
        return -EINVAL;
    }
    if (!call->caller->nested) {
        return -EPERM;
    }
    if (call->len < need) {
        call->value = need;
        return -ENOSPC;
    }
    return 0;
}

/* Whether what is in the buffer is seen where the nested guest says it is */
static bool register_put(UltracallCall *call, const ShadowEntry *entry,
                         const ShadowNestedCookie *cookie)
{
    uint64_t seen;

    ultracall_write(call, &cookie->value, sizeof(cookie->value));
    return entry->root && shadow_accel()->peek_nested &&
           shadow_accel()->peek_nested(entry->root, cookie->address, &seen) &&
           seen == cookie->value;
}

/* What was in the buffer is put back if the guest is refused. */
static int register_with_cookie(UltracallCall *call, const ShadowEntry *entry,
                                bool inside, const uint8_t *answer)
{
    ShadowNestedCookie cookie = {
        .address = call->flags & ULTRACALL_BIND_ADDRESS,
    };
    uint64_t old;
    int ret = -EINVAL;

    if (!shadow_random(&cookie.value, sizeof(cookie.value))) {
        return -EIO;
    }
    iov_to_buf(call->buf.iov, call->buf.n, 0, &old, sizeof(old));
    if (register_put(call, entry, &cookie)) {
        ret = shadow_guest_register(call->guest, entry, inside, answer,
                                    &cookie);
    }
    if (ret) {
        ultracall_write(call, &old, sizeof(old));
        call->value = 0;
    }
    return ret;
}

int ultracall_register(UltracallCall *call)
{
    uint8_t proof[ULTRACALL_PROOF_LEN];
    const uint8_t *answer = NULL;
    ShadowEntry entry;
    bool inside;
    int ret;

    ret = register_check(call);
    if (ret) {
        return ret;
    }
    call->caller->entry(call->caller, &entry);
    if (call->flags & ULTRACALL_REGISTER_CHALLENGE) {
        return register_challenge(call, &entry);
    }
    if (call->flags & ULTRACALL_REGISTER_ANSWER) {
        iov_to_buf(call->buf.iov, call->buf.n, 0, proof, sizeof(proof));
        answer = proof;
    }
    inside = shadow_guest_is(call->guest, call->caller->cpu_index);
    return call->flags & ULTRACALL_REGISTER_COOKIE ?
           register_with_cookie(call, &entry, inside, answer) :
           shadow_guest_register(call->guest, &entry, inside, answer, NULL);
}
