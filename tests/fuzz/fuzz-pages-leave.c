/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest that has come leaves: as a whole, or not at all. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/hw/core/shadow-keys.h"
#include "shadow/tests/fuzz/fuzz-pages.h"

static FuzzSession session;

void fuzz_leave_start(void)
{
    session.image = g_malloc0(FUZZ_VM_SIZE);
}

void fuzz_leave_ended(void)
{
    fuzz_session_forget(&session);
}

static uint8_t *opened(ShadowSealPurpose purpose, size_t len, size_t *n)
{
    const ShadowSealExpect expect = {
        .guest = "vm1", .purpose = purpose, .ahead = true,
    };
    const ShadowSecret *key = g_ptr_array_index(fuzz_vm.guest->keys, 0);
    g_autofree uint8_t *copy = g_memdup2(fuzz_vm.buffer, len);
    uint8_t *plain;

    fuzz_assert(!shadow_open(&expect, &key, 1, copy, len, &plain, n, NULL,
                             NULL));
    return g_memdup2(plain, *n);
}

void fuzz_leave_begin(void)
{
    UltracallRegs regs = fuzz_vm_call(ULTRACALL_SAVE, FUZZ_BUF_VA,
                                      FUZZ_BUF_SIZE, ULTRACALL_SAVE_PAGES);
    g_autofree uint8_t *plain = NULL;
    size_t n;

    if (regs.status) {
        return;
    }
    fuzz_assert(fuzz_vm.launched &&
                fuzz_vm.guest->state == SHADOW_GUEST_STATE_ACTIVE);
    plain = opened(SHADOW_SEAL_PAGES, regs.value, &n);
    fuzz_assert(n >= sizeof(FuzzSessionKey));
    fuzz_session_begin(&session, (FuzzSessionKey *)plain);
    memset(session.image, 0xee, FUZZ_VM_SIZE);
}

void fuzz_leave_export(FuzzInput *in)
{
    uint64_t len = fuzz_u8(in) % 4 ? FUZZ_BUF_SIZE
                                   : fuzz_u32(in) % (2 * FUZZ_BUF_SIZE);
    bool lives = fuzz_session_lives(&session);
    UltracallRegs regs = fuzz_vm_call(ULTRACALL_PAGES, FUZZ_BUF_VA, len,
                                      ULTRACALL_PAGES_EXPORT);
    size_t n;
    uint8_t *body;

    if (regs.status) {
        fuzz_assert(regs.status != -EBUSY || !lives);
        return;
    }
    fuzz_assert(lives && regs.value <= len);
    if (!regs.value) {
        fuzz_assert(!memcmp(session.image, fuzz_vm.memory, FUZZ_VM_SIZE));
        return;
    }
    body = shadow_stream_open(session.stream, fuzz_vm.buffer, regs.value, &n,
                              &error_abort);
    fuzz_assert(shadow_pages_give(FUZZ_VM_PAGES, body, n, shadow_image_put,
                                  session.image));
}

void fuzz_leave_save(uint64_t flags)
{
    bool was_launched = fuzz_vm_is_launched();
    bool lives = fuzz_session_lives(&session);
    UltracallRegs regs = fuzz_vm_call(ULTRACALL_SAVE, FUZZ_BUF_VA,
                                      FUZZ_BUF_SIZE, flags);
    g_autofree uint8_t *plain = NULL;
    size_t n;

    if (regs.status || !was_launched ||
        fuzz_vm.guest->state != SHADOW_GUEST_STATE_FROZEN) {
        return;
    }
    fuzz_assert(lives && !memcmp(session.image, fuzz_vm.memory, FUZZ_VM_SIZE));
    plain = opened(SHADOW_SEAL_MIGRATION, regs.value, &n);
    fuzz_assert(memmem(plain, n, shadow_stream_digest(session.stream),
                       SHADOW_STREAM_DIGEST_LEN));
}
