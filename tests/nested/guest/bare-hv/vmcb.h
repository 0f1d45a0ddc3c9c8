/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control block of a nested guest (AMD APM vol. 2, appendix B and C)
 */
#ifndef VMCB_H
#define VMCB_H

#include "hv.h"

#define EXIT_WRITE_CR0 0x10
#define EXIT_INTR 0x60
#define EXIT_NMI 0x61
#define EXIT_VINTR 0x64
#define EXIT_RDPMC 0x6f
#define EXIT_CPUID 0x72
#define EXIT_IRET 0x74
#define EXIT_PAUSE 0x77
#define EXIT_HLT 0x78
#define EXIT_IOIO 0x7b
#define EXIT_MSR 0x7c
#define EXIT_WBINVD 0x89
#define EXIT_XSETBV 0x8d
#define EXIT_NPF 0x400
#define EXIT_SHUTDOWN 0x7f
#define EXIT_INVALID (~0ul)

#define IOIO_IN (1u << 0)
#define IOIO_STRING (1u << 2)
#define IOIO_SIZE 4             /* shift; one bit for each of 1, 2, 4 */
#define IOIO_PORT 16            /* shift */

#define V_TPR 15u
#define V_IRQ (1u << 8)
#define V_INTR_PRIORITY 16      /* shift */
#define V_INTR_MASKING (1u << 24)

#define CR0_PE 1ul
#define CR0_PG (1ul << 31)
#define EFER_LME (1ul << 8)
#define EFER_LMA (1ul << 10)
#define EFER_SVME (1ul << 12)

#define INJECT_VALID (1u << 31)
#define INJECT_TYPE 8           /* shift */

#define SAVE_AREA 0x400

typedef struct Segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
} Segment;

struct vmcb {
    uint32_t intercept_cr, intercept_dr, intercept_exceptions;
    uint32_t intercept1, intercept2;
    uint8_t pad1[0x40 - 0x14];
    uint64_t iopm, msrpm, tsc_offset;
    uint32_t asid, tlb_control;
    uint32_t int_control, int_vector;
    uint64_t int_shadow, exit_code, exit_info1, exit_info2, exit_int_info;
    uint64_t nested_ctl;
    uint8_t pad2[0xa8 - 0x98];
    uint64_t event_inj;
    uint64_t nested_cr3, virt_ext;
    uint32_t clean, pad3;
    uint64_t next_rip;
    uint8_t insn_len, insn_bytes[15];
    uint8_t pad4[0x400 - 0xe0];
    Segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t pad5[0xcb - 0xa0];
    uint8_t cpl;
    uint32_t pad6;
    uint64_t efer;
    uint8_t pad7[0x148 - 0xd8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t pad8[0x1d8 - 0x180];
    uint64_t rsp;
    uint8_t pad9[0x1f8 - 0x1e0];
    uint64_t rax;
    uint8_t pad10[0x240 - 0x200];
    uint64_t cr2;
    uint8_t pad11[0x268 - 0x248];
    uint64_t pat;
    uint8_t pad12[PAGE - 0x400 - 0x270];
} __attribute__((packed));

_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "");
_Static_assert(offsetof(struct vmcb, next_rip) == 0xc8, "");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "");
_Static_assert(offsetof(struct vmcb, pat) == 0x668, "");
_Static_assert(sizeof(struct vmcb) == PAGE, "");

#endif /* VMCB_H */
