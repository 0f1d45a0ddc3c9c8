/*
 * A bare L1 in long mode, and what it needs to run an L2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "l1.h"
#include "tap.h"
#include <string.h>

#define CR0 0x80050033ul /* PG AM WP NE ET MP PE */
#define CR4 0x620ul      /* PAE, and SSE */
#define EFER 0x1500ul    /* SVME LMA LME */
#define MSR_HSAVE 0xc0010117
#define VECTORS 32
#define VECTOR_SIZE 16
#define TSS_MAP 0x68
#define TSS_SIZE (TSS_MAP + 0x2001)
#define TABLE_BITS 7 /* present, writable, user */
#define PAGE_2M 0x80

enum { SEL_CODE = 0x08, SEL_DATA = 0x10, SEL_USER_DATA = 0x1b,
       SEL_USER_CODE = 0x23, SEL_TSS = 0x28 };

/* One gate each: the number on the stack, the port, and on, to try again */
SNIPPET(l1_vectors, ".set vector, 0\n"
        ".rept 32\n"
        "1: push $vector\n"
        "out %al, $0xe2\n"
        "add $8, %rsp\n"
        ".org 1b + 16, 0x90\n"
        ".set vector, vector + 1\n"
        ".endr");

SNIPPET(l1_irq, "push %rax\n"
        "incq 0x2c000\n"
        "mov $0xfee000b0, %eax\n"
        "movl $0, (%rax)\n"
        "pop %rax\n"
        "iretq");

/*
 * As KVM does it: what VMRUN leaves alone is L2's while L2 runs.  L1's IF
 * counts for interrupts that arrive meanwhile.
 */
SNIPPET(l1_vmrun, "1: mov %rax, 0x2c008\n"
        "mov $0x23000, %eax\n"
        "vmsave\n"
        "mov 0x2c008, %rax\n"
        "clgi\n"
        "vmload\n"
        "sti\n"
        "vmrun\n"
        ".globl l1_vmrun_behind\n"
        "l1_vmrun_behind:\n"
        "vmsave\n"
        "mov $0x23000, %eax\n"
        "vmload\n"
        "mov 0x2c008, %rax\n"
        "stgi\n"
        "nop\n"
        "cli\n"
        DONE
        "jmp 1b");

void l1_copy(Vmm *m, uint64_t at, const uint8_t *code, const uint8_t *end)
{
    memcpy(m->ram + at, code, end - code);
}

/*
 * A PML4, a table of pointers, four directories: 4 GiB in pages of 2 MiB, but
 * for the first 2 MiB, whose table is the last page.
 */
static void l1_tables(Vmm *m, uint64_t at)
{
    uint64_t directories = at + 2 * VMM_PAGE, pages = at + 6 * VMM_PAGE;

    *vmm_u64(m, at) = (at + VMM_PAGE) | TABLE_BITS;
    for (uint64_t i = 0; i < 4; i++) {
        *vmm_u64(m, at + VMM_PAGE + i * 8) =
            (directories + i * VMM_PAGE) | TABLE_BITS;
    }
    for (uint64_t i = 0; i < 4 * 512; i++) {
        *vmm_u64(m, directories + i * 8) = i << 21 | PAGE_2M | TABLE_BITS;
    }
    for (uint64_t i = 0; i < 512; i++) {
        *vmm_u64(m, pages + i * 8) = i << 12 | TABLE_BITS;
    }
    *vmm_u64(m, directories) = pages | TABLE_BITS;
}

static void l1_gate(Vmm *m, unsigned vector, uint64_t to)
{
    *vmm_u64(m, L1_IDT + vector * 16) = (to & 0xffff) | SEL_CODE << 16 |
                                        0x8eull << 40 | (to >> 16) << 48;
    *vmm_u64(m, L1_IDT + vector * 16 + 8) = 0;
}

static void l1_descriptors(Vmm *m)
{
    *vmm_u64(m, L1_GDT + SEL_CODE) = 0x00af9b000000ffff;
    *vmm_u64(m, L1_GDT + SEL_DATA) = 0x00cf93000000ffff;
    *vmm_u64(m, L1_GDT + (SEL_USER_DATA & ~7)) = 0x00cff3000000ffff;
    *vmm_u64(m, L1_GDT + (SEL_USER_CODE & ~7)) = 0x00affb000000ffff;

    L1_COPY(m, L1_VECTORS, l1_vectors);
    L1_COPY(m, L1_VECTORS + VECTORS * VECTOR_SIZE, l1_irq);
    for (unsigned i = 0; i < VECTORS; i++) {
        l1_gate(m, i, L1_VECTORS + i * VECTOR_SIZE);
    }
    l1_gate(m, L1_VECTOR_IRQ, L1_VECTORS + VECTORS * VECTOR_SIZE);

    memset(m->ram + L1_TSS, 0, TSS_MAP);
    memset(m->ram + L1_TSS + TSS_MAP, 0xff, 0x2001);
    *vmm_u32(m, L1_TSS + 4) = L1_FAULT_STACK;
    *vmm_u32(m, L1_TSS + 0x64) = TSS_MAP << 16;
}

static struct kvm_segment l1_segment(unsigned selector, unsigned type,
                                     unsigned dpl)
{
    return (struct kvm_segment){
        .limit = 0xffffffff, .selector = selector, .type = type, .present = 1,
        .dpl = dpl, .s = 1, .l = type == 0xb, .db = type != 0xb, .g = 1,
    };
}

static void l1_privilege(Vcpu *v, unsigned cpl)
{
    struct kvm_sregs s = vmm_sregs(v);

    s.cs = l1_segment(cpl ? SEL_USER_CODE : SEL_CODE, 0xb, cpl);
    s.ss = l1_segment(cpl ? SEL_USER_DATA : SEL_DATA, 3, cpl);
    s.ds = s.es = s.fs = s.gs = s.ss;
    s.tr = (struct kvm_segment){ .base = L1_TSS, .limit = TSS_SIZE - 1,
                                 .selector = SEL_TSS, .type = 0xb,
                                 .present = 1 };
    s.gdt = (struct kvm_dtable){ .base = L1_GDT, .limit = 0x37 };
    s.idt = (struct kvm_dtable){ .base = L1_IDT, .limit = 0xfff };
    s.cr0 = CR0;
    s.cr3 = L1_PML4;
    s.cr4 = CR4;
    s.efer = EFER;
    vmm_set_sregs(v, &s);
}

Vcpu *l1_add(Vmm *m)
{
    struct {
        struct kvm_msrs header;
        struct kvm_msr_entry entry;
    } msrs = { { .nmsrs = 1 }, { .index = MSR_HSAVE, .data = L1_HSAVE } };
    Vcpu *v = vmm_add_vcpu(m);

    if (m->n_vcpus == 1) {
        l1_tables(m, L1_PML4);
        l1_tables(m, L1_NPT);
        l1_descriptors(m);
        memset(m->ram + L1_IOPM, 0xff, IOPM_SIZE);
        memset(m->ram + L1_IOPM2, 0xff, IOPM_SIZE);
    }
    l1_privilege(v, 0);
    VMM_IOCTL(v->fd, KVM_SET_MSRS, &msrs);
    return v;
}

void l1_start(Vcpu *v, uint64_t rip, unsigned cpl)
{
    struct kvm_regs r = { .rip = rip, .rsp = L1_STACK, .rflags = 2 };

    l1_privilege(v, cpl);
    vmm_set_regs(v, &r);
}

void l1_permit(Vmm *m, unsigned port, unsigned size)
{
    for (unsigned i = port; i < port + size; i++) {
        m->ram[L1_TSS + TSS_MAP + i / 8] &= ~(1u << i % 8);
    }
}

void l1_run_done(Vcpu *v)
{
    vmm_run_to_io(v, KVM_EXIT_IO_OUT, L1_PORT_DONE, 1, 1);
}

unsigned l1_run_fault(Vmm *m, Vcpu *v)
{
    struct kvm_regs r;

    vmm_run_to_io(v, KVM_EXIT_IO_OUT, L1_PORT_FAULT, 1, 1);
    r = vmm_regs(v);
    tap_true("a stack in RAM", r.rsp < VMM_RAM);
    return *vmm_u64(m, r.rsp);
}

static void l1_vmcb_segment(Vmm *m, uint64_t at, unsigned selector,
                            unsigned attributes)
{
    *vmm_u32(m, at) = selector | attributes << 16;
    *vmm_u32(m, at + 4) = 0xffffffff;
    *vmm_u64(m, at + 8) = 0;
}

void l1_vmcb(Vmm *m, uint64_t vmcb, uint64_t iopm, bool npt)
{
    memset(m->ram + vmcb, 0, VMM_PAGE);
    *vmm_u32(m, vmcb + VMCB_INTERCEPT3) = INTERCEPT3_HLT | INTERCEPT3_IOIO |
                                          INTERCEPT3_INTR |
                                          INTERCEPT3_SHUTDOWN;
    *vmm_u32(m, vmcb + VMCB_INTERCEPT4) = INTERCEPT4_VMRUN |
                                          INTERCEPT4_VMMCALL;
    *vmm_u64(m, vmcb + VMCB_IOPM) = iopm;
    *vmm_u32(m, vmcb + VMCB_ASID) = 1;
    *vmm_u32(m, vmcb + VMCB_INT_CTL) = INT_CTL_V_INTR_MASKING;
    *vmm_u64(m, vmcb + VMCB_NESTED_CTL) = npt;
    *vmm_u64(m, vmcb + VMCB_NESTED_CR3) = npt ? L1_NPT : 0;

    *vmm_u64(m, vmcb + VMCB_FS_BASE) = L2_DATA;
    *vmm_u64(m, vmcb + VMCB_KERNEL_GS_BASE) = L2_DATA + 8;
    l1_vmcb_segment(m, vmcb + VMCB_SAVE, SEL_DATA, 0xc93);        /* ES */
    l1_vmcb_segment(m, vmcb + VMCB_SAVE + 0x10, SEL_CODE, 0xa9b); /* CS */
    l1_vmcb_segment(m, vmcb + VMCB_SAVE + 0x20, SEL_DATA, 0xc93); /* SS */
    l1_vmcb_segment(m, vmcb + VMCB_SAVE + 0x30, SEL_DATA, 0xc93); /* DS */
    *vmm_u64(m, vmcb + VMCB_EFER) = EFER;
    *vmm_u64(m, vmcb + VMCB_CR0) = CR0;
    *vmm_u64(m, vmcb + VMCB_CR3) = L1_PML4;
    *vmm_u64(m, vmcb + VMCB_CR4) = CR4;
    *vmm_u64(m, vmcb + VMCB_DR6) = 0xffff0ff0;
    *vmm_u64(m, vmcb + VMCB_DR7) = 0x400;
    *vmm_u64(m, vmcb + VMCB_RFLAGS) = 2;
    *vmm_u64(m, vmcb + VMCB_RIP) = L2_CODE;
    *vmm_u64(m, vmcb + VMCB_RSP) = L2_STACK;
}

void l1_start_l2(Vmm *m, Vcpu *v, uint64_t vmcb, const struct kvm_regs *l2)
{
    struct kvm_regs r = *l2;

    L1_COPY(m, L1_CODE, l1_vmrun);
    *vmm_u64(m, vmcb + VMCB_RAX) = l2->rax;
    l1_start(v, L1_CODE, 0);
    r.rax = vmcb;
    r.rip = L1_CODE;
    r.rsp = L1_STACK;
    r.rflags = 2;
    vmm_set_regs(v, &r);
}

void l1_run_l2(Vmm *m, Vcpu *v, uint64_t vmcb, uint64_t exit_code)
{
    l1_run_done(v);
    tap_equal("exit code of L2", *vmm_u64(m, vmcb + VMCB_EXIT_CODE),
              exit_code);
}

uint64_t l1_behind_vmrun(void)
{
    return L1_CODE + (l1_vmrun_behind - l1_vmrun);
}
