/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Putting a nested guest back to before a port access.
 *
 * What KVM still has to do for the access it does when it next runs: so let
 * it, and put the registers back.  That is all for an access that went the
 * fast way, and for all input.  Output that KVM has emulated is over when it
 * comes here: its registers are those after it.  They are taken back by what
 * the instruction must have been; if several could, they write the same.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "cpu.h"
#include "system/kvm.h"
#include "shadow/hw/misc/ultracall.h"
#include "shadow/target/i386/shadow-kvm.h"

#define OUT_DX          0xee    /* of one byte; 0xef for more */
#define OUT_IMMEDIATE   0xe6    /* 0xe7 */
#define OUTS            0x6e    /* 0x6f */
#define OPERAND_SIZE    0x66

typedef struct Output {
    CPUState *cpu;
    uint8_t data[4];
    unsigned size;
    bool prefix;                /* the size is not that of the code */
    uint64_t code;              /* linear address behind the instruction */
} Output;

/* A byte of the nested guest's memory, through its and L1's page tables */
static bool nested_byte(CPUState *cpu, uint64_t va, uint8_t *byte)
{
    struct kvm_translation tr = { .linear_address = va };
    uint64_t len = 1;
    void *host;

    if (kvm_vcpu_ioctl(cpu, KVM_TRANSLATE, &tr) < 0 || !tr.valid) {
        return false;
    }
    host = ultracall_ram(tr.physical_address, &len, false);
    if (!host) {
        return false;
    }
    *byte = *(uint8_t *)host;
    return true;
}

static bool nested_has(CPUState *cpu, uint64_t va, const uint8_t *data,
                       unsigned size)
{
    uint8_t byte;

    for (unsigned i = 0; i < size; i++) {
        if (!nested_byte(cpu, va + i, &byte) || byte != data[i]) {
            return false;
        }
    }
    return true;
}

/*
 * The length of the instruction if it is @opcode or its form for more than a
 * byte, with @immediate bytes behind; or 0.
 */
static unsigned output_is(const Output *o, uint8_t opcode, unsigned immediate)
{
    unsigned len = 1 + immediate;
    uint8_t byte;

    if (!nested_byte(o->cpu, o->code - len, &byte) ||
        byte != opcode + (o->size > 1)) {
        return 0;
    }
    if (!o->prefix) {
        return len;
    }
    return nested_byte(o->cpu, o->code - len - 1, &byte) &&
           byte == OPERAND_SIZE ? len + 1 : 0;
}

static bool output_step_back(const Output *o, struct kvm_regs *r,
                             const struct kvm_sregs *s)
{
    uint64_t from = r->rflags & DF_MASK ? r->rsi + o->size : r->rsi - o->size;
    uint8_t rax[8];
    unsigned len;

    stq_le_p(rax, r->rax);
    if (memcmp(rax, o->data, o->size) == 0) {
        len = output_is(o, OUT_DX, 0) ?: output_is(o, OUT_IMMEDIATE, 1);
        if (len) {
            r->rip -= len;
            return true;
        }
    }
    if (!nested_has(o->cpu, s->ds.base + from, o->data, o->size)) {
        return false;
    }
    r->rsi = from;
    len = output_is(o, OUTS, 0);
    if (len) {
        r->rip -= len;
    } else {
        r->rcx++;               /* in the midst of REP OUTS */
    }
    return true;
}

static void output_undo(CPUState *cpu, struct kvm_run *run, struct kvm_regs *r)
{
    Output o = { .cpu = cpu, .size = run->io.size };
    struct kvm_sregs s;

    if (kvm_vcpu_ioctl(cpu, KVM_GET_SREGS, &s) < 0) {
        return;
    }
    memcpy(o.data, (uint8_t *)run + run->io.data_offset, o.size);
    o.code = s.cs.base + r->rip;
    o.prefix = o.size == (s.cs.l || s.cs.db ? 2 : 4);
    if (!output_step_back(&o, r, &s)) {
        qemu_log_mask(LOG_GUEST_ERROR, "shadow: an output to port 0x%x of a "
                      "nested guest without a shadow is lost\n", run->io.port);
    }
}

void shadow_kvm_undo(CPUState *cpu, struct kvm_run *run)
{
    uint8_t immediate_exit = run->immediate_exit;
    struct kvm_regs before, after;

    if (kvm_vcpu_ioctl(cpu, KVM_GET_REGS, &before) < 0) {
        return;
    }
    run->immediate_exit = 1;
    kvm_vcpu_ioctl(cpu, KVM_RUN, 0);
    run->immediate_exit = immediate_exit;
    if (run->io.direction == KVM_EXIT_IO_OUT &&
        kvm_vcpu_ioctl(cpu, KVM_GET_REGS, &after) == 0 &&
        after.rip == before.rip) {
        output_undo(cpu, run, &before);
    }
    kvm_vcpu_ioctl(cpu, KVM_SET_REGS, &before);
}
