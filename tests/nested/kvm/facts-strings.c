/*
 * String I/O of L2, given back to L1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts.h"
#include "facts-loop.h"
#include <string.h>

#define RFLAGS_DF 0x400
#define TEXT "shadow"

SNIPPET(rep_outsb, "rep outsb\nhlt");
SNIPPET(rep_outsw, "rep outsw\nhlt");
SNIPPET(one_outsb, "outsb\nhlt");
SNIPPET(one_outsw, "outsw\nhlt");
SNIPPET(one_outsl, "outsl\nhlt");
SNIPPET(two_outsb, "outsb\nrep outsb\nhlt");
SNIPPET(back_outsb, "std\nrep outsb\nhlt");
SNIPPET(rep_insb, "rep insb\nhlt");

typedef struct String {
    const uint8_t *code, *end;
    unsigned size, rcx, total; /* accesses in all */
    bool down;
} String;

static const String strings[] = {
    { rep_outsb, rep_outsb_end, 1, 6, 6, false },
    { rep_outsw, rep_outsw_end, 2, 3, 3, false },
    { one_outsb, one_outsb_end, 1, 0, 1, false },
    { one_outsb, one_outsb_end, 1, 9, 1, false },
    { one_outsw, one_outsw_end, 2, 0, 1, false },
    { one_outsl, one_outsl_end, 4, 0, 1, false },
    { two_outsb, two_outsb_end, 1, 5, 6, false },
    { back_outsb, back_outsb_end, 1, 6, 6, true },
};

static void string_open(Vmm *m, Vcpu **v, const uint8_t *code,
                        const uint8_t *end, unsigned count, uint64_t rsi)
{
    struct kvm_regs l2 = { .rdx = COM1, .rcx = count, .rsi = rsi,
                           .rdi = L2_DATA };

    vmm_open(m, false);
    *v = l1_add(m);
    m->ram[L1_IOPM + IOPM_COM1] = 0;
    memcpy(m->ram + L2_DATA, TEXT, sizeof(TEXT));
    l1_copy(m, L2_CODE, code, end);
    l1_vmcb(m, L1_VMCB, L1_IOPM, true);
    l1_start_l2(m, *v, L1_VMCB, &l2);
}

/*
 * @served accesses go to L0, and the one behind them is given back: L1 then
 * has it and what follows, and L2's registers are as they were before it.
 */
static void string_given_back(const String *s, unsigned served)
{
    Vmm m;
    Vcpu *v;
    struct kvm_regs r;
    uint64_t rsi = L2_DATA + (s->down ? 5 : 0), length = s->end - s->code - 1;
    int step = s->down ? -(int)s->size : (int)s->size;

    string_open(&m, &v, s->code, s->end, s->rcx, rsi);
    for (unsigned i = 0; i <= served; i++) {
        vmm_run_to_io(v, KVM_EXIT_IO_OUT, COM1, s->size, 1);
        tap_true("the value written",
                 memcmp(vmm_io_data(v), m.ram + rsi, s->size) == 0);
        if (i < served) {
            rsi += step;
        }
    }
    give_back_any(&m, v);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_IOIO);
    r = vmm_regs(v);
    tap_equal("string and port in EXITINFO1",
              *vmm_u64(&m, L1_VMCB + VMCB_EXIT_INFO1) & 0xffff0075,
              IOIO_PORT(COM1) | IOIO_SIZE(s->size) | IOIO_STRING);
    tap_equal("RSI of L2", r.rsi, rsi);
    tap_true("RIP of L2 at the instruction",
             *vmm_u64(&m, L1_VMCB + VMCB_RIP) < L2_CODE + length);

    /* L1 lets it happen after all: the rest comes to L0, and L2 ends well. */
    for (unsigned i = served; i < s->total; i++) {
        vmm_run_to_io(v, KVM_EXIT_IO_OUT, COM1, s->size, 1);
        tap_true("the value written",
                 memcmp(vmm_io_data(v), m.ram + rsi, s->size) == 0);
        rsi += step;
    }
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_HLT);
    tap_equal("RSI of L2 at the end", vmm_regs(v).rsi, rsi);
    tap_equal("RIP of L2 at the end", *vmm_u64(&m, L1_VMCB + VMCB_RIP),
              L2_CODE + length);
}

void fact_give_back_string_out(void)
{
    for (unsigned i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        for (unsigned served = 0; served < strings[i].total; served++) {
            string_given_back(&strings[i], served);
        }
    }
}

/* What was read meanwhile is in L2's memory, until L1 writes there. */
void fact_give_back_string_in(void)
{
    Vmm m;
    Vcpu *v;

    string_open(&m, &v, rep_insb, rep_insb_end, 6, 0);
    vmm_run_to_io(v, KVM_EXIT_IO_IN, COM1, 1, 6);
    memset(vmm_io_data(v), 0xff, 6);
    give_back_any(&m, v);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_IOIO);
    tap_equal("RIP in the VMCB", *vmm_u64(&m, L1_VMCB + VMCB_RIP), L2_CODE);
    tap_equal("RCX of L2", vmm_regs(v).rcx, 6);
    tap_equal("RDI of L2", vmm_regs(v).rdi, L2_DATA);
    tap_equal("direction, string, repetition and port in EXITINFO1",
              *vmm_u64(&m, L1_VMCB + VMCB_EXIT_INFO1) & 0xffff007f,
              IOIO_PORT(COM1) | IOIO_SIZE(1) | IOIO_IN | IOIO_STRING |
              IOIO_REP);
    vmm_run_to_io(v, KVM_EXIT_IO_IN, COM1, 1, 6);
    memcpy(vmm_io_data(v), "DEVICE", 6);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_HLT);
    tap_true("the bytes in L2's memory",
             memcmp(m.ram + L2_DATA, "DEVICE", 6) == 0);
}
