/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the victim runs, one after the other, and what has to come of it.
 */
#ifndef INSN_H
#define INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "victim.h"

/* Where it runs, is far from where it is linked to be: no table of addresses */
#pragma GCC visibility push(hidden)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14,
       R15, REGS };

#define FLAG_IF 0x200ul
#define FLAG_TF 0x100ul

/* May raise these, at L1's choice; or has to */
#define MAY_GP 1
#define MAY_UD 2
#define HAS_UD 4
#define HAS_PF 8
/* Has traps of its own */
#define TRAPS 16
#define IF_ON 32
/* All that the registers hold then is not looked at. */
#define ANY_RESULT 64
/* A single step over its 2 bytes, and to there */
#define STEPS 128
#define HAS_GP 256

#define VALUES 5

typedef struct Value {
    int8_t reg;                 /* or -1: no more of them */
    uint64_t mask, value;
} Value;

typedef struct Insn {
    const char *name;
    void (*code)(void);
    unsigned flags;
    Value before[VALUES], after[VALUES];
} Insn;

extern const Insn insns[];
extern const unsigned n_insns;

/* start.S */
extern uint64_t before[REGS], after[REGS], before_flags, after_flags;
extern uint64_t before_xmm[32], after_xmm[32];
void run(void (*code)(void));
void run_done(void), insn_spin(void);
extern const uint8_t vectors[], ap_start[], ap_end[];

/* A value that is secret, another one for each @n */
uint64_t secret(unsigned n);
/* And a canonical address, for a page where there is nothing */
#define SECRET_ADDRESS(n) (VICTIM_BASE - 0x100000 + (n) * 0x1000ul)

#pragma GCC visibility pop

#endif /* INSN_H */
