/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lengths of a few instructions (AMD APM vol. 3, 1 and appendix A).
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "shadow/target/i386/shadow-insn.h"

#define REX_W 0x08
#define REX_R 0x04
#define REX_X 0x02
#define REX_B 0x01

#define MODRM_MOD(m) ((m) >> 6)
#define MODRM_REG(m) ((m) >> 3 & 7)
#define MODRM_RM(m) ((m) & 7)

/* What follows an opcode */
enum {
    HAS_MODRM = 1,          /* and what that says */
    HAS_MODRM_REG = 2,      /* whose operands are registers, whatever it says */
    HAS_BYTE = 4,
    HAS_WORD = 8,           /* as large as the operand, at most 4 bytes */
};

typedef struct Reader {
    const uint8_t *bytes;
    size_t len, at;
    bool short_of;
} Reader;

static uint8_t read_byte(Reader *r)
{
    if (r->at >= MIN(r->len, SHADOW_INSN_MAX)) {
        r->short_of = true;
        return 0;
    }
    return r->bytes[r->at++];
}

static int64_t read_number(Reader *r, unsigned size)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < size; i++) {
        val |= (uint64_t)read_byte(r) << (8 * i);
    }
    return size ? sextract64(val, 0, 8 * size) : 0;
}

/* -1: none that is known here */
static int opcode_has(uint16_t opcode)
{
    switch (opcode) {
    case 0x6c ... 0x6f:     /* INS, OUTS */
    case 0x90:              /* PAUSE, by its prefix */
    case 0xa4: case 0xa5:   /* MOVS */
    case 0xec ... 0xef:     /* IN, OUT by DX */
    case 0xf4:              /* HLT */
    case 0x0f06:            /* CLTS */
    case 0x0f08: case 0x0f09:               /* INVD, WBINVD */
    case 0x0f30 ... 0x0f33:                 /* WRMSR, RDTSC, RDMSR, RDPMC */
    case 0x0fa2:            /* CPUID */
        return 0;
    case 0xe4 ... 0xe7:     /* IN, OUT by a number */
        return HAS_BYTE;
    case 0x88 ... 0x8b:     /* MOV */
    case 0x0fb6: case 0x0fb7: case 0x0fbe: case 0x0fbf:     /* MOVZX, MOVSX */
        return HAS_MODRM;
    case 0xc6:
        return HAS_MODRM | HAS_BYTE;
    case 0xc7:
        return HAS_MODRM | HAS_WORD;
    case 0x0f01:            /* LMSW; VMMCALL, RDTSCP and the like */
        return HAS_MODRM;
    case 0x0f20 ... 0x0f23: /* MOV of control and debug registers */
        return HAS_MODRM_REG;
    default:
        return -1;
    }
}

/* Segments, as they are numbered in instructions */
enum { ES, CS, SS, DS, FS, GS, NO_SEGMENT };

typedef struct Prefixes {
    bool operand, address;
    uint8_t segment;
} Prefixes;

/* Returns false if it is none. */
static bool take_prefix(uint8_t byte, Prefixes *p, ShadowInsn *insn)
{
    switch (byte) {
    case 0x66:
        p->operand = true;
        break;
    case 0x67:
        p->address = true;
        break;
    case 0xf2: case 0xf3:
        insn->prefix = byte;
        break;
    case 0xf0:
        insn->lock = true;
        break;
    case 0x26: case 0x2e: case 0x36: case 0x3e:
        p->segment = byte >> 3 & 3;
        break;
    case 0x64: case 0x65:
        p->segment = byte & 1 ? GS : FS;
        break;
    default:
        return false;
    }
    return true;
}

/* Returns the opcode's first byte.  REX counts right before it only. */
static uint8_t read_prefixes(Reader *r, ShadowInsnMode mode, Prefixes *p,
                             ShadowInsn *insn)
{
    for (;;) {
        uint8_t byte = read_byte(r);

        if (take_prefix(byte, p, insn)) {
            insn->rex = 0;
        } else if (mode == SHADOW_INSN_64 && (byte & 0xf0) == 0x40) {
            insn->rex = byte;
        } else {
            return byte;
        }
    }
}

static unsigned operand_size(const ShadowInsn *insn, const Prefixes *p,
                             ShadowInsnMode mode)
{
    unsigned size = mode == SHADOW_INSN_16 ? 2 : 4;

    return insn->rex & REX_W ? 8 : p->operand ? 6 - size : size;
}

static unsigned address_size(const Prefixes *p, ShadowInsnMode mode)
{
    switch (mode) {
    case SHADOW_INSN_16:
        return p->address ? 4 : 2;
    case SHADOW_INSN_32:
        return p->address ? 2 : 4;
    default:
        return p->address ? 4 : 8;
    }
}

/* AMD APM vol. 3, table A-33: 16-bit addressing */
static void read_memory_16(Reader *r, unsigned mod, unsigned rm,
                           ShadowInsnMemory *memory)
{
    enum { BX = 3, BP = 5, SI = 6, DI = 7 };
    static const int8_t base[] = { BX, BX, BP, BP, -1, -1, BP, BX };
    static const int8_t index[] = { SI, DI, SI, DI, SI, DI, -1, -1 };
    bool number = mod == 0 && rm == 6;

    memory->base = number ? -1 : base[rm];
    memory->index = index[rm];
    memory->segment = memory->base == BP ? SS : DS;
    memory->offset = read_number(r, mod == 1 ? 1 : mod == 2 || number ? 2 : 0);
}

/* Tables: ModRM and SIB */
static void read_memory_32(Reader *r, unsigned mod, unsigned rm, bool code64,
                           uint8_t rex, ShadowInsnMemory *memory)
{
    enum { SP = 4, BP = 5 };
    unsigned base = rm;
    bool sib = rm == SP, number;

    if (sib) {
        uint8_t byte = read_byte(r);
        unsigned index = (byte >> 3 & 7) | (rex & REX_X ? 8 : 0);

        base = byte & 7;
        memory->index = index == SP ? -1 : index;
        memory->shift = byte >> 6;
    }
    number = mod == 0 && base == BP;
    base |= rex & REX_B ? 8 : 0;
    memory->base = number ? -1 : base;
    memory->rip = number && !sib && code64;
    memory->segment = memory->base == SP || memory->base == BP ? SS : DS;
    memory->offset = read_number(r, mod == 1 ? 1 : mod == 2 || number ? 4 : 0);
}

/* ModRM is read; what it has besides, is not. */
static void read_memory(Reader *r, ShadowInsnMode mode, const Prefixes *p,
                        ShadowInsn *insn)
{
    ShadowInsnMemory *memory = &insn->memory;
    unsigned mod = MODRM_MOD(insn->modrm), rm = MODRM_RM(insn->modrm);

    *memory = (ShadowInsnMemory) { .base = -1, .index = -1 };
    if (mod == 3) {
        return;
    }
    memory->size = address_size(p, mode);
    if (memory->size == 2) {
        read_memory_16(r, mod, rm, memory);
    } else {
        read_memory_32(r, mod, rm, mode == SHADOW_INSN_64, insn->rex, memory);
    }
    if (p->segment != NO_SEGMENT) {
        memory->segment = p->segment;
    }
}

bool shadow_insn_decode(const uint8_t *bytes, size_t len, ShadowInsnMode mode,
                        ShadowInsn *insn)
{
    Reader r = { .bytes = bytes, .len = len };
    Prefixes p = { .segment = NO_SEGMENT };
    uint8_t opcode;
    int has;

    *insn = (ShadowInsn) { };
    opcode = read_prefixes(&r, mode, &p, insn);
    insn->operand_size = operand_size(insn, &p, mode);
    insn->opcode = opcode == 0x0f ? 0x0f00 | read_byte(&r) : opcode;
    has = opcode_has(insn->opcode);
    if (has < 0) {
        return false;
    }
    if (has & (HAS_MODRM | HAS_MODRM_REG)) {
        insn->modrm = read_byte(&r);
    }
    if (has & HAS_MODRM) {
        read_memory(&r, mode, &p, insn);
    }
    if (has & (HAS_BYTE | HAS_WORD)) {
        insn->immediate = read_number(&r, has & HAS_BYTE ? 1 :
                                          MIN(insn->operand_size, 4));
    }
    insn->length = r.at;
    return !r.short_of;
}

uint64_t shadow_insn_offset(const ShadowInsn *insn, const uint64_t *regs,
                            uint64_t rip)
{
    const ShadowInsnMemory *memory = &insn->memory;
    uint64_t offset = memory->offset;

    if (memory->rip) {
        offset += rip + insn->length;
    }
    if (memory->base >= 0) {
        offset += regs[memory->base];
    }
    if (memory->index >= 0) {
        offset += regs[memory->index] << memory->shift;
    }
    return memory->size ? extract64(offset, 0, 8 * memory->size) : 0;
}

unsigned shadow_insn_reg(const ShadowInsn *insn)
{
    return MODRM_REG(insn->modrm) | (insn->rex & REX_R ? 8 : 0);
}

unsigned shadow_insn_rm(const ShadowInsn *insn)
{
    return MODRM_RM(insn->modrm) | (insn->rex & REX_B ? 8 : 0);
}

static void move_byte_register(const ShadowInsn *insn, ShadowMove *move)
{
    move->size = 1;
    if (!insn->rex && move->reg >= 4) {
        move->high = true;
        move->reg -= 4;
    }
}

bool shadow_insn_move(const ShadowInsn *insn, ShadowMove *move)
{
    uint16_t opcode = insn->opcode;

    *move = (ShadowMove) {
        .reg = shadow_insn_reg(insn),
        .size = insn->operand_size,
        .to = insn->operand_size,
    };
    switch (opcode) {
    case 0x88: case 0x89:
        move->store = true;
        break;
    case 0x8a: case 0x8b:
        break;
    case 0xc6: case 0xc7:
        if (MODRM_REG(insn->modrm)) {
            return false;
        }
        move->store = move->number = true;
        move->immediate = insn->immediate;
        break;
    case 0x0fb6: case 0x0fb7: case 0x0fbe: case 0x0fbf:
        move->size = opcode & 1 ? 2 : 1;
        move->extend = opcode & 8 ? SHADOW_EXTEND_SIGN : SHADOW_EXTEND_ZERO;
        break;
    default:
        return false;
    }
    if (opcode == 0xc6) {
        move->size = 1;
    } else if (opcode == 0x88 || opcode == 0x8a) {
        move_byte_register(insn, move);
    }
    if (!move->extend) {
        move->to = move->size;
    }
    return MODRM_MOD(insn->modrm) != 3;
}

uint64_t shadow_move_stored(const ShadowMove *move, uint64_t reg)
{
    uint64_t val = move->number ? move->immediate : reg >> (move->high ? 8 : 0);

    return extract64(val, 0, 8 * move->size);
}

uint64_t shadow_move_loaded(const ShadowMove *move, uint64_t reg, uint64_t val)
{
    val = move->extend == SHADOW_EXTEND_SIGN ?
          sextract64(val, 0, 8 * move->size) :
          extract64(val, 0, 8 * move->size);
    return move->to == 4 ? (uint32_t)val :
           deposit64(reg, move->high ? 8 : 0, 8 * move->to, val);
}
