/*
 * Give back to L1 an access that came to L0's user space: it is executed
 * again, with all of L2's I/O intercepted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts-loop.h"
#include <string.h>

#define RFLAGS_DF 0x400
#define OUT_BYTE 0xee
#define OUTS_BYTE 0x6e
#define OPERAND_SIZE 0x66

/* What user space must leave as it is, but for KVM_GET_REGS */
typedef struct Rest {
    struct kvm_sregs sregs;
    struct kvm_fpu fpu;
    struct kvm_debugregs debug;
    struct kvm_vcpu_events events;
} Rest;

static void rest_get(const Vcpu *v, Rest *r)
{
    memset(r, 0, sizeof(*r));
    VMM_IOCTL(v->fd, KVM_GET_SREGS, &r->sregs);
    VMM_IOCTL(v->fd, KVM_GET_FPU, &r->fpu);
    VMM_IOCTL(v->fd, KVM_GET_DEBUGREGS, &r->debug);
    VMM_IOCTL(v->fd, KVM_GET_VCPU_EVENTS, &r->events);
}

void give_back_map(Vcpu *v)
{
    static Nested n;
    uint64_t nowhere = NO_MEMORY;

    vmm_nested(v, &n);
    tap_true("L2 running", n.state.flags & KVM_STATE_NESTED_GUEST_MODE);
    memcpy(n.vmcb + VMCB_IOPM, &nowhere, sizeof(nowhere));
    vmm_set_nested(v, &n);
}

void give_back_dropped(Vmm *m, Vcpu *v)
{
    struct kvm_regs before = vmm_regs(v), moved = before, after;
    static Rest rest[2];

    (void)m;
    rest_get(v, &rest[0]);
    moved.rip ^= 1;
    vmm_set_regs(v, &moved);
    vmm_settle(v);
    after = vmm_regs(v);
    tap_true("all registers as set",
             memcmp(&after, &moved, sizeof(moved)) == 0);
    vmm_set_regs(v, &before);
    give_back_map(v);
    rest_get(v, &rest[1]);
    tap_true("system registers of L2 as they were",
             memcmp(&rest[0], &rest[1], sizeof(Rest)) == 0);
    after = vmm_regs(v);
    tap_true("registers of L2 as they were",
             memcmp(&before, &after, sizeof(before)) == 0);
}

void give_back_settled(Vmm *m, Vcpu *v)
{
    struct kvm_regs before = vmm_regs(v);

    (void)m;
    vmm_settle(v);
    tap_true("RIP behind the access once it is settled",
             vmm_regs(v).rip != before.rip);
    vmm_set_regs(v, &before);
    give_back_map(v);
}

/* A byte of L2's virtual memory, as KVM finds it */
static uint8_t l2_byte(Vmm *m, Vcpu *v, uint64_t at)
{
    struct kvm_translation t = { .linear_address = at };

    VMM_IOCTL(v->fd, KVM_TRANSLATE, &t);
    tap_true("an address of L2 that is there", t.valid);
    tap_true("an address of L2 in RAM", t.physical_address < VMM_RAM);
    return m->ram[t.physical_address];
}

static bool l2_has(Vmm *m, Vcpu *v, uint64_t at, const void *data, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (l2_byte(m, v, at + i) != ((const uint8_t *)data)[i]) {
            return false;
        }
    }
    return true;
}

/*
 * An OUT or OUTS that KVM has emulated is over when user space sees it.  Of
 * those that may have been it, any does: it writes the same again.
 */
static bool step_back(Vmm *m, Vcpu *v, struct kvm_regs *r)
{
    unsigned size = v->run->io.size;
    uint8_t opcode = l2_byte(m, v, r->rip - 1);
    uint8_t data[8] = { 0 };
    uint64_t from = r->rflags & RFLAGS_DF ? r->rsi + size : r->rsi - size;
    unsigned length = size == 2 ? 2 : 1;

    memcpy(data, vmm_io_data(v), size);
    if (size == 2 && l2_byte(m, v, r->rip - 2) != OPERAND_SIZE) {
        opcode = 0;
    }
    if (opcode == OUT_BYTE + (size > 1) &&
        memcmp(data, &r->rax, size) == 0) {
        r->rip -= length;
        return true;
    }
    if (!l2_has(m, v, from, data, size)) {
        return false;
    }
    r->rsi = from;
    if (opcode == OUTS_BYTE + (size > 1)) {
        r->rip -= length;
    } else {
        r->rcx++; /* in the midst of a REP OUTS */
    }
    return true;
}

void give_back_any(Vmm *m, Vcpu *v)
{
    struct kvm_regs before = vmm_regs(v);

    vmm_settle(v);
    if (v->run->io.direction == KVM_EXIT_IO_OUT &&
        vmm_regs(v).rip == before.rip) {
        tap_true("an instruction that can be taken back",
                 step_back(m, v, &before));
    }
    vmm_set_regs(v, &before);
    give_back_map(v);
}
