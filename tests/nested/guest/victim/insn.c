/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The victim's instructions: each that exits, and some that must not.
 */
#include "insn.h"

#define MASK(bytes) (~0ul >> (64 - 8 * (bytes)))
#define LOW(x, bytes) ((x) & MASK(bytes))
#define END { -1 }

#define MMIO (VICTIM_BASE + VICTIM_RAM)
#define ALL (~0ul)
/* Bits that are not secret: all of the lower half, or of one byte, and so on */
#define HALF MASK(4)

#define TO_MMIO { RDI, ALL, MMIO }
#define PORT { RDX, ALL & MASK(2), VICTIM_PORT }

#pragma GCC visibility push(hidden)
void insn_cpuid(void), insn_rdmsr(void), insn_wrmsr(void), insn_rdpmc(void),
     insn_inb(void), insn_inw(void), insn_inl(void), insn_outb(void),
     insn_outw(void), insn_outl(void), insn_hlt(void), insn_pause(void),
     insn_vmmcall(void), insn_cr0(void), insn_cr4(void), insn_cr8(void),
     insn_lockcr0(void), insn_clts(void), insn_wbinvd(void), insn_load1(void),
     insn_loadh(void), insn_load2(void), insn_load4(void), insn_load8(void),
     insn_zero1(void), insn_zero2(void), insn_sign1(void), insn_sign2(void),
     insn_store1(void), insn_storeh(void), insn_store2(void),
     insn_store4(void), insn_store8(void), insn_number1(void),
     insn_number4(void), insn_number8(void), insn_rdtsc(void),
     insn_rdtscp(void), insn_xgetbv(void), insn_invlpg(void),
     insn_xsetbv(void),
     insn_readcr(void), insn_readdr(void), insn_writedr(void),
     insn_int3(void), insn_int(void), insn_ud2(void), insn_touch(void),
     insn_vmrun(void), insn_vmload(void), insn_vmsave(void), insn_stgi(void),
     insn_clgi(void), insn_invlpga(void), insn_skinit(void), insn_spin(void),
     insn_stihlt(void), insn_straddle(void), insn_insb(void),
     insn_repinsw(void), insn_outsl(void), insn_repoutsb(void);
#pragma GCC visibility pop

#define INSN(name, ...) { #name, insn_ ## name, __VA_ARGS__ }
#define SVM(name) INSN(name, HAS_UD, { { RAX, ALL, 0x2000000 }, END }, { END })

const Insn insns[] = {
    INSN(cpuid, 0,
      { { RAX, HALF, PUBLIC_LEAF }, { RCX, HALF, 7 }, END },
      { { RAX, ALL, LOW(ANSWER, 4) }, { RBX, ALL, LOW(ANSWER, 4) },
        { RCX, ALL, LOW(ANSWER, 4) }, { RDX, ALL, LOW(ANSWER, 4) }, END }),
    INSN(rdmsr, MAY_GP, { { RCX, HALF, PUBLIC_MSR }, END },
      { { RAX, ALL, LOW(ANSWER, 4) }, { RDX, ALL, LOW(ANSWER, 4) }, END }),
    INSN(wrmsr, MAY_GP,
      { { RCX, HALF, PUBLIC_MSR }, { RAX, HALF, LOW(PUBLIC, 4) },
        { RDX, HALF, LOW(PUBLIC, 4) }, END }, { END }),
    INSN(rdpmc, MAY_GP, { { RCX, HALF, 1 }, END },
      { { RAX, ALL, LOW(ANSWER, 4) }, { RDX, ALL, LOW(ANSWER, 4) }, END }),
    INSN(inb, 0, { END }, { { RAX, MASK(1), LOW(ANSWER, 1) }, END }),
    INSN(inw, IF_ON, { PORT, END },
      { { RAX, MASK(2), LOW(ANSWER, 2) }, END }),
    INSN(inl, 0, { PORT, END }, { { RAX, ALL, LOW(ANSWER, 4) }, END }),
    INSN(outb, 0, { PORT, { RAX, MASK(1), LOW(PUBLIC, 1) }, END },
      { END }),
    INSN(outw, IF_ON, { { RAX, MASK(2), LOW(PUBLIC, 2) }, END }, { END }),
    INSN(outl, 0, { PORT, { RAX, HALF, LOW(PUBLIC, 4) }, END }, { END }),
    INSN(hlt, IF_ON | MAY_UD, { END }, { END }),
    INSN(stihlt, MAY_UD, { END }, { END }),
    INSN(pause, IF_ON | MAY_UD, { END }, { END }),
    INSN(wbinvd, MAY_UD, { END }, { END }),
    INSN(vmmcall, MAY_UD,
      { { RAX, ALL, PUBLIC }, { RBX, ALL, PUBLIC }, { RCX, ALL, PUBLIC },
        { RDX, ALL, PUBLIC }, { RSI, ALL, PUBLIC } },
      { { RAX, ALL, ANSWER }, END }),
    INSN(cr0, MAY_GP, { { R9, ALL, 0x80000033 }, END }, { END }),
    INSN(clts, MAY_GP, { END }, { END }),
    INSN(cr4, MAY_GP, { { RAX, ALL, 0x40628 }, END }, { END }),
    INSN(cr8, MAY_GP, { { R15, ALL, VICTIM_CR8 }, END }, { END }),
    INSN(lockcr0, MAY_GP, { { RAX, ALL, VICTIM_CR8 }, END }, { END }),
    INSN(load1, IF_ON, { TO_MMIO, END },
      { { RBX, MASK(1), LOW(ANSWER, 1) }, END }),
    INSN(loadh, 0, { TO_MMIO, END },
      { { RCX, 0xff00, LOW(ANSWER, 1) << 8 }, END }),
    INSN(load2, 0,
      { { R12, ALL, MMIO - 0x4000 }, { RBP, ALL, 0x1000 }, END },
      { { R11, MASK(2), LOW(ANSWER, 2) }, END }),
    INSN(load4, 0, { { RSP, ALL, MMIO + 0x108 }, END },
      { { RSI, ALL, LOW(ANSWER, 4) }, END }),
    INSN(load8, 0, { TO_MMIO, END }, { { RSP, ALL, ANSWER }, END }),
    INSN(zero1, 0, { TO_MMIO, END },
      { { R10, ALL, LOW(ANSWER, 1) }, END }),
    INSN(zero2, 0, { TO_MMIO, END },
      { { RDX, ALL, LOW(ANSWER, 2) }, END }),
    INSN(sign1, 0, { TO_MMIO, END },
      { { R8, ALL, (int8_t)LOW(ANSWER, 1) }, END }),
    INSN(sign2, 0, { TO_MMIO, END },
      { { RBP, ALL, (uint32_t)(int16_t)LOW(ANSWER, 2) }, END }),
    INSN(store1, IF_ON, { TO_MMIO, { R13, MASK(1), LOW(PUBLIC, 1) }, END },
      { END }),
    INSN(storeh, 0,
      { TO_MMIO, { RBX, 0xff00, LOW(PUBLIC, 1) << 8 }, END }, { END }),
    INSN(store2, 0, { TO_MMIO, { RAX, MASK(2), LOW(PUBLIC, 2) }, END },
      { END }),
    INSN(store4, 0, { TO_MMIO, { RBP, HALF, LOW(PUBLIC, 4) }, END },
      { END }),
    INSN(store8, 0, { TO_MMIO, { RSP, ALL, PUBLIC }, END }, { END }),
    INSN(number1, 0, { TO_MMIO, END }, { END }),
    INSN(number4, 0, { TO_MMIO, END }, { END }),
    INSN(number8, 0, { TO_MMIO, END }, { END }),
    INSN(straddle, 0, { { RDI, ALL, MMIO - 4 }, END },
      { { RAX, ALL, LOW(ANSWER, 4) << 32 | VICTIM_LAST }, END }),
    INSN(spin, IF_ON | TRAPS, { END }, { END }),
    /* strings: where the other operand is, is not L1's to see */
    INSN(insb, HAS_GP, { PORT, END }, { END }),
    INSN(repinsw, HAS_GP, { PORT, { RCX, ALL, 2 }, END }, { END }),
    INSN(outsl, HAS_GP, { PORT, END }, { END }),
    INSN(repoutsb, HAS_GP | IF_ON, { PORT, { RCX, ALL, 3 }, END }, { END }),
    /* single steps, also where L0 answers */
    INSN(cpuid, STEPS, { { RAX, HALF, PUBLIC_LEAF }, { RCX, HALF, 7 }, END },
      { { RAX, ALL, LOW(ANSWER, 4) }, { RBX, ALL, LOW(ANSWER, 4) },
        { RCX, ALL, LOW(ANSWER, 4) }, { RDX, ALL, LOW(ANSWER, 4) }, END }),
    INSN(inb, STEPS | IF_ON, { END },
      { { RAX, MASK(1), LOW(ANSWER, 1) }, END }),
    INSN(rdmsr, STEPS, { { RCX, HALF, 0xc0010131 }, END },
      { { RAX, ALL, 1 }, { RDX, ALL, 0 }, END }),
    /* of which L1 hears nothing */
    INSN(rdtsc, ANY_RESULT, { END }, { END }),
    INSN(rdtscp, ANY_RESULT, { END }, { END }),
    INSN(xgetbv, 0, { { RCX, ALL, 0 }, END },
      { { RAX, ALL, 3 }, { RDX, ALL, 0 }, END }),
    INSN(xsetbv, MAY_GP,
      { { RCX, HALF, 0 }, { RAX, HALF, 3 }, { RDX, HALF, 0 }, END }, { END }),
    INSN(invlpg, 0, { TO_MMIO, END }, { END }),
    INSN(readcr, ANY_RESULT, { END }, { END }),
    INSN(readdr, ANY_RESULT, { END }, { END }),
    INSN(writedr, 0, { { RDX, ALL, SECRET_ADDRESS(0xd0) }, END },
      { END }),
    INSN(int3, TRAPS, { END }, { END }),
    INSN(int, TRAPS, { END }, { END }),
    INSN(ud2, HAS_UD, { END }, { END }),
    INSN(touch, HAS_PF, { { RDI, ALL, VICTIM_BASE - 8 }, END }, { END }),
    SVM(vmrun), SVM(vmload), SVM(vmsave), SVM(stgi), SVM(clgi), SVM(invlpga),
    SVM(skinit),
};

const unsigned n_insns = ARRAY_SIZE(insns);
