/*
 * Moves between memory and registers of nested guests: what they move, and
 * where the memory is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow/target/i386/shadow-insn.h"

#define M16 SHADOW_INSN_16
#define M32 SHADOW_INSN_32
#define M64 SHADOW_INSN_64

enum { ES, CS, SS, DS, FS, GS };

/* A register and a memory that differ in each byte */
#define REG 0x1122334455667788
#define VAL 0x99aabbccddeeff80

static void decode(const uint8_t *bytes, size_t len, ShadowInsnMode mode,
                   ShadowInsn *insn)
{
    g_assert_true(shadow_insn_decode(bytes, len, mode, insn));
    g_assert_cmpuint(insn->length, ==, len);
}

typedef struct Load {
    uint8_t bytes[8], len;
    ShadowInsnMode mode;
    uint8_t size, reg;
    uint64_t loaded;            /* into REG, where memory has VAL */
} Load;

static const Load loads[] = {
    { { 0x8a, 0x07 }, 2, M64, 1, 0, 0x1122334455667780 },
    { { 0x8a, 0x27 }, 2, M64, 1, 0, 0x1122334455668088 },       /* AH */
    { { 0x8a, 0x3f }, 2, M64, 1, 3, 0x1122334455668088 },       /* BH */
    { { 0x8a, 0x2f }, 2, M32, 1, 1, 0x1122334455668088 },       /* CH */
    { { 0x40, 0x8a, 0x27 }, 3, M64, 1, 4, 0x1122334455667780 }, /* SPL */
    { { 0x44, 0x8a, 0x27 }, 3, M64, 1, 12, 0x1122334455667780 },
    { { 0x66, 0x8b, 0x07 }, 3, M64, 2, 0, 0x112233445566ff80 },
    { { 0x8b, 0x0f }, 2, M16, 2, 1, 0x112233445566ff80 },
    { { 0x8b, 0x07 }, 2, M64, 4, 0, 0xddeeff80 },
    { { 0x44, 0x8b, 0x3f }, 3, M64, 4, 15, 0xddeeff80 },
    { { 0x48, 0x8b, 0x27 }, 3, M64, 8, 4, VAL },
    { { 0x0f, 0xb6, 0x07 }, 3, M64, 1, 0, 0x80 },
    { { 0x0f, 0xb6, 0x27 }, 3, M64, 1, 4, 0x80 },               /* ESP */
    { { 0x66, 0x0f, 0xb6, 0x07 }, 4, M64, 1, 0, 0x1122334455660080 },
    { { 0x48, 0x0f, 0xb6, 0x07 }, 4, M64, 1, 0, 0x80 },
    { { 0x0f, 0xb7, 0x07 }, 3, M64, 2, 0, 0xff80 },
    { { 0x48, 0x0f, 0xb7, 0x07 }, 4, M64, 2, 0, 0xff80 },
    { { 0x66, 0x0f, 0xb7, 0x07 }, 4, M64, 2, 0, 0x112233445566ff80 },
    { { 0x0f, 0xbe, 0x07 }, 3, M64, 1, 0, 0xffffff80 },
    { { 0x48, 0x0f, 0xbe, 0x07 }, 4, M64, 1, 0, -0x80ull },
    { { 0x66, 0x0f, 0xbe, 0x07 }, 4, M64, 1, 0, 0x112233445566ff80 },
    { { 0x0f, 0xbf, 0x07 }, 3, M64, 2, 0, 0xffffff80 },
    { { 0x4c, 0x0f, 0xbf, 0x07 }, 4, M64, 2, 8, -0x80ull },
};

static void test_loads(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(loads); i++) {
        const Load *l = &loads[i];
        ShadowInsn insn;
        ShadowMove move;

        g_test_message("%u", i);
        decode(l->bytes, l->len, l->mode, &insn);
        g_assert_true(shadow_insn_move(&insn, &move));
        g_assert_false(move.store);
        g_assert_cmpuint(move.size, ==, l->size);
        g_assert_cmpuint(move.reg, ==, l->reg);
        g_assert_cmphex(shadow_move_loaded(&move, REG, VAL), ==, l->loaded);
    }
}

typedef struct Store {
    uint8_t bytes[12], len;
    ShadowInsnMode mode;
    uint8_t size, reg;
    uint64_t stored;            /* from REG */
} Store;

static const Store stores[] = {
    { { 0x88, 0x07 }, 2, M64, 1, 0, 0x88 },
    { { 0x88, 0x27 }, 2, M64, 1, 0, 0x77 },                     /* AH */
    { { 0x88, 0x37 }, 2, M16, 1, 2, 0x77 },                     /* DH */
    { { 0x40, 0x88, 0x27 }, 3, M64, 1, 4, 0x88 },               /* SPL */
    { { 0x66, 0x89, 0x07 }, 3, M64, 2, 0, 0x7788 },
    { { 0x89, 0x07 }, 2, M64, 4, 0, 0x55667788 },
    { { 0x89, 0x1f }, 2, M32, 4, 3, 0x55667788 },
    { { 0x48, 0x89, 0x07 }, 3, M64, 8, 0, REG },
    { { 0x4d, 0x89, 0x0f }, 3, M64, 8, 9, REG },
    { { 0xc6, 0x07, 0x9a }, 3, M64, 1, 0, 0x9a },
    { { 0x66, 0xc7, 0x07, 0x34, 0x92 }, 5, M64, 2, 0, 0x9234 },
    { { 0xc7, 0x07, 0x78, 0x56, 0x34, 0x92 }, 6, M64, 4, 0, 0x92345678 },
    { { 0x48, 0xc7, 0x07, 0x78, 0x56, 0x34, 0x92 }, 7, M64, 8, 0,
      0xffffffff92345678 },
    { { 0xc7, 0x07, 0x34, 0x92 }, 4, M16, 2, 0, 0x9234 },
};

static void test_stores(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(stores); i++) {
        const Store *s = &stores[i];
        ShadowInsn insn;
        ShadowMove move;

        g_test_message("%u", i);
        decode(s->bytes, s->len, s->mode, &insn);
        g_assert_true(shadow_insn_move(&insn, &move));
        g_assert_true(move.store);
        g_assert_cmpuint(move.size, ==, s->size);
        if (!move.number) {
            g_assert_cmpuint(move.reg, ==, s->reg);
        }
        g_assert_cmphex(shadow_move_stored(&move, REG), ==, s->stored);
    }
}

/* With a register for the other operand, and what is encoded like a move */
static void test_no_moves(void)
{
    static const struct {
        uint8_t bytes[8], len;
    } others[] = {
        { { 0x8b, 0xc7 }, 2 }, { { 0x88, 0xe0 }, 2 }, { { 0xc6, 0xc0, 1 }, 3 },
        { { 0xc6, 0x0f, 0x01 }, 3 }, { { 0xc7, 0x3f, 1, 0, 0, 0 }, 6 },
        { { 0x0f, 0xb6, 0xc7 }, 3 }, { { 0x0f, 0x22, 0x07 }, 3 },
        { { 0x0f, 0x01, 0x07 }, 3 }, { { 0xa4 }, 1 }, { { 0x6e }, 1 },
        { { 0xee }, 1 }, { { 0xf4 }, 1 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        ShadowInsn insn;
        ShadowMove move;

        g_test_message("%u", i);
        decode(others[i].bytes, others[i].len, M64, &insn);
        g_assert_false(shadow_insn_move(&insn, &move));
    }
}

/* Register n holds this; the instruction is at RIP. */
#define R(n) (0x100000001ull << 4 * (n) << 4)
#define RIP 0xffffffff81000000
#define LOW(x) ((uint32_t)(x))

typedef struct Address {
    uint8_t bytes[12], len;
    ShadowInsnMode mode;
    uint8_t segment;
    uint64_t offset;
} Address;

static const Address addresses[] = {
    { { 0x8b, 0x00 }, 2, M64, DS, R(0) },
    { { 0x8b, 0x07 }, 2, M64, DS, R(7) },
    { { 0x41, 0x8b, 0x07 }, 3, M64, DS, R(15) },
    { { 0x8b, 0x47, 0x7f }, 3, M64, DS, R(7) + 0x7f },
    { { 0x8b, 0x47, 0x80 }, 3, M64, DS, R(7) - 0x80 },
    { { 0x8b, 0x87, 0, 0, 0, 0x80 }, 6, M64, DS, R(7) - 0x80000000 },
    { { 0x8b, 0x45, 0 }, 3, M64, SS, R(5) },
    { { 0x41, 0x8b, 0x45, 0 }, 4, M64, DS, R(13) },
    { { 0x8b, 0x05, 4, 0, 0, 0 }, 6, M64, DS, RIP + 6 + 4 },
    { { 0x41, 0x8b, 0x05, 0xfc, 0xff, 0xff, 0xff }, 7, M64, DS, RIP + 7 - 4 },
    { { 0xc7, 0x05, 4, 0, 0, 0, 1, 0, 0, 0 }, 10, M64, DS, RIP + 10 + 4 },
    { { 0x8b, 0x05, 4, 0, 0, 0x80 }, 6, M32, DS, 0x80000004 },
    { { 0x8b, 0x04, 0x24 }, 3, M64, SS, R(4) },
    { { 0x41, 0x8b, 0x04, 0x24 }, 4, M64, DS, R(12) },
    { { 0x8b, 0x04, 0x88 }, 3, M64, DS, R(0) + 4 * R(1) },
    { { 0x42, 0x8b, 0x04, 0x20 }, 4, M64, DS, R(0) + R(12) },
    { { 0x43, 0x8b, 0x44, 0xc1, 1 }, 5, M64, DS, R(9) + 8 * R(8) + 1 },
    { { 0x8b, 0x04, 0x25, 0, 0, 0xe0, 0xfe }, 7, M64, DS,
      0xfffffffffee00000 },
    { { 0x41, 0x8b, 0x04, 0x25, 0, 0, 0xe0, 0x7e }, 8, M64, DS, 0x7ee00000 },
    { { 0x8b, 0x04, 0x4d, 0, 0, 0xe0, 0xfe }, 7, M32, DS,
      LOW(0xfee00000 + 2 * R(1)) },
    { { 0x8b, 0x44, 0x4d, 0x01 }, 4, M64, SS, R(5) + 2 * R(1) + 1 },
    { { 0x67, 0x8b, 0x07 }, 3, M64, DS, LOW(R(7)) },
    { { 0x67, 0x8b, 0x05, 4, 0, 0, 0 }, 7, M64, DS, LOW(RIP + 7 + 4) },
    { { 0x8b, 0x07 }, 2, M32, DS, LOW(R(7)) },
    /* segments */
    { { 0x65, 0x8b, 0x07 }, 3, M64, GS, R(7) },
    { { 0x64, 0x8b, 0x45, 0 }, 4, M64, FS, R(5) },
    { { 0x26, 0x8b, 0x07 }, 3, M32, ES, LOW(R(7)) },
    { { 0x2e, 0x8b, 0x07 }, 3, M32, CS, LOW(R(7)) },
    { { 0x36, 0x8b, 0x07 }, 3, M32, SS, LOW(R(7)) },
    { { 0x3e, 0x8b, 0x04, 0x24 }, 4, M32, DS, LOW(R(4)) },
    { { 0x64, 0x65, 0x8b, 0x07 }, 4, M64, GS, R(7) },
    /* 16 bits; there are no registers above RDI */
    { { 0x8b, 0x00 }, 2, M16, DS, (uint16_t)(R(3) + R(6)) },
    { { 0x8b, 0x01 }, 2, M16, DS, (uint16_t)(R(3) + R(7)) },
    { { 0x8b, 0x02 }, 2, M16, SS, (uint16_t)(R(5) + R(6)) },
    { { 0x8b, 0x43, 0x7f }, 3, M16, SS, (uint16_t)(R(5) + R(7) + 0x7f) },
    { { 0x8b, 0x04 }, 2, M16, DS, (uint16_t)R(6) },
    { { 0x8b, 0x45, 0xff }, 3, M16, DS, (uint16_t)(R(7) - 1) },
    { { 0x8b, 0x06, 0x34, 0x92 }, 4, M16, DS, 0x9234 },
    { { 0x8b, 0x86, 0x34, 0x92 }, 4, M16, SS, (uint16_t)(R(5) + 0x9234) },
    { { 0x8b, 0x07 }, 2, M16, DS, (uint16_t)R(3) },
    { { 0x67, 0x8b, 0x07 }, 3, M32, DS, (uint16_t)R(3) },
    { { 0x67, 0x8b, 0x07 }, 3, M16, DS, LOW(R(7)) },
};

static void test_addresses(void)
{
    uint64_t regs[16];

    for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
        regs[i] = R(i);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
        const Address *a = &addresses[i];
        ShadowInsn insn;

        g_test_message("%u", i);
        decode(a->bytes, a->len, a->mode, &insn);
        g_assert_cmpuint(insn.memory.segment, ==, a->segment);
        g_assert_cmphex(shadow_insn_offset(&insn, regs, RIP), ==, a->offset);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow/insn/loads", test_loads);
    g_test_add_func("/shadow/insn/stores", test_stores);
    g_test_add_func("/shadow/insn/no-moves", test_no_moves);
    g_test_add_func("/shadow/insn/addresses", test_addresses);
    return g_test_run();
}
