/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions of a nested guest that its hypervisor cannot fetch: how long
 * they are, and what a move to or from memory moves.  Pure code.
 */
#ifndef TARGET_I386_SHADOW_INSN_H
#define TARGET_I386_SHADOW_INSN_H

/* AMD APM vol. 3, 1.2 */
#define SHADOW_INSN_MAX 15

typedef enum ShadowInsnMode {
    SHADOW_INSN_16,
    SHADOW_INSN_32,
    SHADOW_INSN_64,
} ShadowInsnMode;

/* An operand in memory; registers are -1 if there is none. */
typedef struct ShadowInsnMemory {
    uint8_t size;           /* of addresses, in bytes; 0: it is a register */
    uint8_t segment;        /* ES, CS, SS, DS, FS, GS */
    int8_t base, index;
    uint8_t shift;          /* of the index */
    bool rip;               /* the base is where the next instruction is */
    int32_t offset;
} ShadowInsnMemory;

typedef struct ShadowInsn {
    uint8_t length;         /* of all of it, in bytes */
    uint16_t opcode;        /* 0xNN, or 0x0fNN */
    uint8_t prefix;         /* of 0xf2 and 0xf3 the last one, or 0 */
    bool lock;              /* has 0xf0 */
    uint8_t rex;            /* or 0 */
    uint8_t operand_size;   /* in bytes, of opcodes that have no other */
    uint8_t modrm;          /* if the opcode has one */
    ShadowInsnMemory memory;
    int64_t immediate;      /* sign-extended, if the opcode has one */
} ShadowInsn;

/*
 * Decode the instruction at @bytes, of which @len can be read.  Only those that
 * a hypervisor may be told of: of the others, and if @len is too short, false.
 */
bool shadow_insn_decode(const uint8_t *bytes, size_t len, ShadowInsnMode mode,
                        ShadowInsn *insn);

/* The general register that ModRM.reg names, and that ModRM.rm names */
unsigned shadow_insn_reg(const ShadowInsn *insn);
unsigned shadow_insn_rm(const ShadowInsn *insn);

/*
 * Where its operand in memory is, within its segment.  @regs are the general
 * registers, @rip is where the instruction itself is.
 */
uint64_t shadow_insn_offset(const ShadowInsn *insn, const uint64_t *regs,
                            uint64_t rip);

typedef enum ShadowExtend {
    SHADOW_EXTEND_NONE,     /* the rest of the register stays, see below */
    SHADOW_EXTEND_ZERO,
    SHADOW_EXTEND_SIGN,
} ShadowExtend;

/* A move between memory and a register, or of a number to memory */
typedef struct ShadowMove {
    bool store;
    bool number;            /* @immediate is stored, not a register */
    uint64_t immediate;
    uint8_t size;           /* of what memory has, in bytes */
    uint8_t reg;            /* a general register */
    bool high;              /* bits 8 to 15 of it: AH, CH, DH, BH */
    ShadowExtend extend;    /* of what is loaded, to @to bytes */
    uint8_t to;
} ShadowMove;

/* Whether @insn is one, with memory for its other operand */
bool shadow_insn_move(const ShadowInsn *insn, ShadowMove *move);

/* What it stores, where the register holds @reg; of @move->size bytes */
uint64_t shadow_move_stored(const ShadowMove *move, uint64_t reg);

/*
 * What its register, which holds @reg, holds after @val has been loaded.  With
 * 4 bytes the upper half is cleared (AMD APM vol. 3, 1.3).
 */
uint64_t shadow_move_loaded(const ShadowMove *move, uint64_t reg,
                            uint64_t val);

#endif /* TARGET_I386_SHADOW_INSN_H */
