/*
 * An L2 that reads or writes COM1 for ever.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts-loop.h"
#include <string.h>

#define STEP 0x01030507u
#define ACCESSED 0x20

SNIPPET(loop_out_1, "1: out %al, %dx\nadd $0x01030507, %eax\ninc %rcx\njmp 1b");
SNIPPET(loop_out_2, "1: out %ax, %dx\nadd $0x01030507, %eax\ninc %rcx\njmp 1b");
SNIPPET(loop_out_4,
        "1: out %eax, %dx\nadd $0x01030507, %eax\ninc %rcx\njmp 1b");
SNIPPET(loop_in_1, "1: in %dx, %al\nadd %rax, %rbx\ninc %rcx\njmp 1b");
SNIPPET(loop_in_2, "1: in %dx, %ax\nadd %rax, %rbx\ninc %rcx\njmp 1b");
SNIPPET(loop_in_4, "1: in %dx, %eax\nadd %rax, %rbx\ninc %rcx\njmp 1b");

#define CODE(snippet) { snippet, snippet##_end }

static const struct {
    const uint8_t *code, *end;
} codes[2][5] = { /* [in][size] */
    { { 0 }, CODE(loop_out_1), CODE(loop_out_2), { 0 }, CODE(loop_out_4) },
    { { 0 }, CODE(loop_in_1), CODE(loop_in_2), { 0 }, CODE(loop_in_4) },
};

static uint64_t loop_mask(const Loop *l)
{
    return (1ull << l->size * 8) - 1;
}

void loop_open(Loop *l, unsigned in, unsigned size, bool npt)
{
    struct kvm_regs l2 = { .rdx = COM1, .rsi = 0x515, .rdi = 0xd1d,
                           .rbp = 0xb9b, .r8 = 0x808, .r15 = 0xf1f };

    memset(l, 0, sizeof(*l));
    vmm_open(&l->m, true);
    l->v = l1_add(&l->m);
    l->in = in;
    l->size = size;
    l->length = size == 2 ? 2 : 1;
    l->rax = l2.rax = 0x0a0b0c0d;
    l->m.ram[L1_IOPM + IOPM_COM1] = 0;
    l1_copy(&l->m, L2_CODE, codes[in][size].code, codes[in][size].end);
    l1_vmcb(&l->m, L1_VMCB, L1_IOPM, npt);
    l1_start_l2(&l->m, l->v, L1_VMCB, &l2);
}

/* A value for L2 to read, with each byte in motion */
static uint32_t loop_value(const Loop *l)
{
    return (l->rcx + 1) * 0x9e3779b1u;
}

/* L2 has done the access, by whomever it was served. */
static void loop_accessed(Loop *l)
{
    if (l->in) {
        uint64_t mask = loop_mask(l);

        l->rax = (l->rax & ~mask) | (loop_value(l) & mask);
        l->rbx += l->rax;
    } else {
        l->rax = (uint32_t)(l->rax + STEP);
    }
    l->rcx++;
}

/* The rest of what identifies L2 is still there. */
static void loop_check(const Loop *l)
{
    struct kvm_regs r = vmm_regs(l->v);

    tap_equal("accesses of L2 (RCX)", r.rcx, l->rcx);
    tap_equal("RBX of L2", r.rbx, l->rbx);
    tap_equal("RDX of L2", r.rdx, COM1);
    tap_equal("RSI of L2", r.rsi, 0x515);
    tap_equal("RDI of L2", r.rdi, 0xd1d);
    tap_equal("RBP of L2", r.rbp, 0xb9b);
    tap_equal("R8 of L2", r.r8, 0x808);
    tap_equal("R15 of L2", r.r15, 0xf1f);
}

void loop_to_l0(Loop *l)
{
    struct kvm_regs r;

    vmm_run_to_io(l->v, l->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT, COM1,
                  l->size, 1);
    tap_true("L2 running", vmm_in_l2(l->v));
    r = vmm_regs(l->v);
    if (l->emulated && !l->in && r.rip == L2_CODE + l->length) {
        l->finished++;
    } else {
        tap_equal("RIP of L2", r.rip, L2_CODE);
    }
    tap_equal("RSP of L2", r.rsp, L2_STACK);
    tap_equal("RAX of L2", r.rax, l->rax);
    tap_equal("base of L2's FS", vmm_sregs(l->v).fs.base, L2_DATA);
    loop_check(l);
    if (!l->in) {
        uint64_t seen = 0;

        memcpy(&seen, vmm_io_data(l->v), l->size);
        tap_equal("value written", seen, l->rax & loop_mask(l));
    }
}

void loop_serve(Loop *l)
{
    if (l->in) {
        uint32_t value = loop_value(l);

        memcpy(vmm_io_data(l->v), &value, l->size);
    }
    l->served++;
    loop_accessed(l);
}

static void loop_exit_info(Loop *l)
{
    uint64_t behind = *vmm_u64(&l->m, L1_VMCB + VMCB_EXIT_INFO2);

    tap_equal("EXITINFO1 but for address size and segment",
              *vmm_u64(&l->m, L1_VMCB + VMCB_EXIT_INFO1) & 0xffff007f,
              IOIO_PORT(COM1) | IOIO_SIZE(l->size) | l->in);
    if (l->emulated && behind == L2_CODE) {
        l->misled++;
    } else {
        tap_equal("EXITINFO2", behind, L2_CODE + l->length);
    }
}

void loop_in_l1(Loop *l)
{
    uint64_t *rax = vmm_u64(&l->m, L1_VMCB + VMCB_RAX);

    loop_exit_info(l);
    tap_equal("RIP in the VMCB", *vmm_u64(&l->m, L1_VMCB + VMCB_RIP), L2_CODE);
    tap_equal("RSP in the VMCB", *vmm_u64(&l->m, L1_VMCB + VMCB_RSP), L2_STACK);
    tap_equal("RAX in the VMCB", *rax, l->rax);
    tap_equal("FS base in the VMCB", *vmm_u64(&l->m, L1_VMCB + VMCB_FS_BASE),
              L2_DATA);
    tap_equal("base of L1's FS", vmm_sregs(l->v).fs.base, 0);
    loop_check(l);
    if (l->in) {
        uint64_t mask = loop_mask(l);

        *rax = (*rax & ~mask) | (loop_value(l) & mask);
    }
    *vmm_u64(&l->m, L1_VMCB + VMCB_RIP) = L2_CODE + l->length;
    l->given++;
    loop_accessed(l);
}

bool loop_gives(unsigned round)
{
    return (0xb2d39a71u >> round % 32) & 1;
}

/* L2's walk to its code sets these again: a write to L2's page tables. */
static void loop_clear_accessed(Loop *l)
{
    for (unsigned page = 0; page < 7; page++) {
        for (unsigned i = 0; i < 512; i++) {
            *vmm_u64(&l->m, L1_PML4 + page * VMM_PAGE + i * 8) &= ~ACCESSED;
        }
    }
}

void loop_rounds(Loop *l, unsigned rounds, void (*give)(Vmm *, Vcpu *))
{
    for (unsigned i = 0; i < rounds; i++) {
        loop_to_l0(l);
        if (loop_gives(i)) {
            give(&l->m, l->v);
            l1_run_l2(&l->m, l->v, L1_VMCB, SVM_EXIT_IOIO);
            loop_in_l1(l);
            if (l->emulated) {
                loop_clear_accessed(l);
            }
        } else {
            loop_serve(l);
        }
    }
    loop_to_l0(l);
    tap_note("%u accesses served by L0, %u given back to L1", l->served,
             l->given);
    tap_equal("accesses in all", l->served + l->given, l->rcx);
}
