/*
 * What runs in the machine of vmm.h: a bare L1 in long mode, and what it needs
 * to run an L2.
 *
 * L1 thinks in user space: it does one thing and comes back with an access to
 * one of the ports below; whoever drives it reads and writes its memory and
 * registers and lets it go on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef L1_H
#define L1_H

#include "vmm.h"

/* Guest addresses; virtual ones are the same */
enum {
    L1_GDT = 0x1000,
    L1_IDT = 0x2000,
    L1_TSS = 0x3000, /* with its I/O permission map */
    L1_PML4 = 0x8000, /* seven pages, for L1 and L2 */
    L1_PT = 0xe000,   /* of the first 2 MiB, in pages of 4 KiB */
    L1_CODE = 0x10000,
    L1_VECTORS = 0x12000,
    L1_STACK = 0x18000,      /* down from here, as the others */
    L1_FAULT_STACK = 0x1a000,
    L1_VMCB = 0x20000,
    L1_VMCB2 = 0x21000,
    L1_HSAVE = 0x22000,
    L1_HOST = 0x23000, /* L1's own part of what VMLOAD loads */
    L1_IOPM = 0x24000,
    L1_IOPM2 = 0x28000,
    L1_DATA = 0x2c000,
    L2_CODE = 0x30000,
    L2_STACK = 0x38000,
    L2_DATA = 0x3a000,
    L1_NPT = 0x40000, /* as L1_PML4: seven pages */
    IOPM_SIZE = 0x3000,
    IOPM_COM1 = 0x7f, /* the byte of 0x3f8 to 0x3ff */
    NO_MEMORY = 0xfec00000, /* where the machine has no RAM */
};

enum {
    L1_PORT_DONE = 0xe1,  /* L1 has done it: L2 is out, the code at its end */
    L1_PORT_FAULT = 0xe2, /* an exception; its number is on the stack */
};

#define L1_VECTOR_IRQ 0x41 /* counted in L1_DATA, acknowledged */

enum {
    VMCB_INTERCEPT3 = 0x0c,
    VMCB_INTERCEPT4 = 0x10,
    VMCB_IOPM = 0x40,
    VMCB_MSRPM = 0x48,
    VMCB_ASID = 0x58,
    VMCB_INT_CTL = 0x60,
    VMCB_EXIT_CODE = 0x70,
    VMCB_EXIT_INFO1 = 0x78,
    VMCB_EXIT_INFO2 = 0x80,
    VMCB_NESTED_CTL = 0x90,
    VMCB_NESTED_CR3 = 0xb0,
    VMCB_SAVE = 0x400, /* what follows is from the start of the VMCB */
    VMCB_FS_BASE = 0x448,
    VMCB_EFER = 0x4d0,
    VMCB_CR4 = 0x548,
    VMCB_CR3 = 0x550,
    VMCB_CR0 = 0x558,
    VMCB_DR7 = 0x560,
    VMCB_DR6 = 0x568,
    VMCB_RFLAGS = 0x570,
    VMCB_RIP = 0x578,
    VMCB_RSP = 0x5d8,
    VMCB_RAX = 0x5f8,
    VMCB_KERNEL_GS_BASE = 0x620,
};

#define INTERCEPT3_INTR (1u << 0)
#define INTERCEPT3_HLT (1u << 24)
#define INTERCEPT3_IOIO (1u << 27)
#define INTERCEPT3_SHUTDOWN (1u << 31)
#define INTERCEPT4_VMRUN (1u << 0)
#define INTERCEPT4_VMMCALL (1u << 1)
#define INT_CTL_V_INTR_MASKING (1u << 24)

#define SVM_EXIT_INTR 0x60
#define SVM_EXIT_HLT 0x78
#define SVM_EXIT_IOIO 0x7b
#define SVM_EXIT_VMMCALL 0x81
#define IOIO_IN (1u << 0)
#define IOIO_STRING (1u << 2)
#define IOIO_REP (1u << 3)
#define IOIO_SIZE(bytes) ((bytes) << 4)
#define IOIO_PORT(port) ((uint32_t)(port) << 16)

/* Machine code, as bytes to be copied to where it runs */
#define SNIPPET(name, code)                                                    \
    extern const uint8_t name[], name##_end[];                                 \
    __asm__(".pushsection .rodata\n" #name ":\n" code "\n" #name "_end:\n"     \
            ".popsection")

#define DONE "out %al, $0xe1\n"

void l1_copy(Vmm *m, uint64_t at, const uint8_t *code, const uint8_t *end);
#define L1_COPY(m, at, snippet) l1_copy(m, at, snippet, snippet##_end)

/* A processor in long mode with SVM on and a handler for every exception */
Vcpu *l1_add(Vmm *m);
/* Make it start at @rip with all registers 0 but the stack's, at @cpl */
void l1_start(Vcpu *v, uint64_t rip, unsigned cpl);
/* The I/O ports that code at CPL 3 may use: one more */
void l1_permit(Vmm *m, unsigned port, unsigned size);
/* Run to L1_PORT_DONE */
void l1_run_done(Vcpu *v);
/* Run to L1_PORT_FAULT: the exception's number */
unsigned l1_run_fault(Vmm *m, Vcpu *v);

/* An L2 that starts at L2_CODE, with all I/O, HLT and VMMCALL intercepted */
void l1_vmcb(Vmm *m, uint64_t vmcb, uint64_t iopm, bool npt);
/* Make the next run of the processor a VMRUN; then each is the next VMRUN */
void l1_start_l2(Vmm *m, Vcpu *v, uint64_t vmcb, const struct kvm_regs *l2);
extern const uint8_t l1_vmrun_behind[];
/* Where L1 goes on after an L2 */
uint64_t l1_behind_vmrun(void);
/* Run L2 until L1 has it back with this exit code */
void l1_run_l2(Vmm *m, Vcpu *v, uint64_t vmcb, uint64_t exit_code);

#endif /* L1_H */
