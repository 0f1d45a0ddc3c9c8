/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz private memory that migrates: what comes (fuzz-pages-arrive.c), then
 * what leaves of the guest that has come (fuzz-pages-leave.c), and any calls
 * between.  The memory is known at any time: a guest runs with exactly what has
 * come, and leaves as a whole.
 *
 * Input: operations, each a byte that says which, and its arguments; see
 * operate() and seeds/make.py.
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "shadow/tests/fuzz/fuzz-pages.h"

#define MAX_OPS 48

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_vm_start();
    fuzz_arrive_start();
    fuzz_leave_start();
    return 0;
}

static void operate_any(FuzzInput *in)
{
    static const uint8_t numbers[] = {
        ULTRACALL_BIND, ULTRACALL_UNBIND, ULTRACALL_RESET, ULTRACALL_COMMIT,
        ULTRACALL_ABORT, ULTRACALL_RUN, ULTRACALL_PAGES, ULTRACALL_QUERY,
    };
    uint32_t nr = numbers[fuzz_u8(in) % ARRAY_SIZE(numbers)];
    uint64_t flags = nr == ULTRACALL_PAGES ? fuzz_u8(in) : 0;
    uint64_t va = FUZZ_BUF_VA, len = 4096;

    if (nr == ULTRACALL_PAGES && fuzz_u8(in) & 1) {
        va = fuzz_u32(in);
        len = (uint64_t)fuzz_u32(in) << 32 | fuzz_u32(in);
    }
    if (flags == ULTRACALL_PAGES_EXPORT) {
        return;                         /* see fuzz_leave_export() */
    }
    if (!fuzz_vm_call(nr, va, len, flags).status &&
        flags == ULTRACALL_PAGES_END) {
        fuzz_arrive_ended();
        fuzz_leave_ended();
    }
}

static void operate(uint8_t op, FuzzInput *in)
{
    switch (op % 16) {
    case 0 ... 1:
        fuzz_arrive_session(op, in);
        break;
    case 2 ... 5:
        fuzz_arrive_record(op, in);
        break;
    case 6 ... 7:
        fuzz_arrive_state(op, in);
        break;
    case 8:
        fuzz_leave_begin();
        break;
    case 9 ... 10:
        fuzz_leave_export(in);
        break;
    case 11:
        fuzz_leave_save(op >> 4 & 7);
        break;
    case 12 ... 13:
        operate_any(in);
        break;
    case 14:
        fuzz_vm_later(fuzz_u8(in));
        break;
    case 15:
        if (op & 0x80) {
            shadow_guest_resume(fuzz_vm.guest, NULL);
        } else {
            shadow_guest_unbind(fuzz_vm.guest, "the cloud VM was reset");
        }
        break;
    }
    /* it may have come to its end, and to nothing else */
    fuzz_vm.launched &= fuzz_vm_is_launched();
    fuzz_assert(fuzz_vm.launched == fuzz_vm_is_launched());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };

    WITH_RCU_READ_LOCK_GUARD() {
        fuzz_vm_renew();
        fuzz_arrive_renew();
        fuzz_leave_ended();
        for (unsigned i = 0; in.len && i < MAX_OPS; i++) {
            operate(fuzz_u8(&in), &in);
        }
    }
    fuzz_machine_tidy();
    return 0;
}
