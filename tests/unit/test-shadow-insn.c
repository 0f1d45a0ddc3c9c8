/*
 * Instructions of nested guests: how long they are, and what they say
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow/target/i386/shadow-insn.h"

#define M16 SHADOW_INSN_16
#define M32 SHADOW_INSN_32
#define M64 SHADOW_INSN_64

typedef struct Case {
    const char *bytes;          /* as numbers, with spaces */
    ShadowInsnMode mode;
    uint16_t opcode;
    uint8_t operand;            /* 0: not looked at */
} Case;

/* AMD APM vol. 3; what follows each of them is one byte more. */
static const Case cases[] = {
    /* what exits without operands */
    { "f4", M64, 0xf4 }, { "0f a2", M64, 0x0fa2 }, { "0f 30", M64, 0x0f30 },
    { "0f 32", M32, 0x0f32 }, { "0f 33", M16, 0x0f33 },
    { "0f 08", M64, 0x0f08 }, { "0f 09", M64, 0x0f09 },
    { "0f 06", M64, 0x0f06 }, { "f3 90", M64, 0x90 },
    { "0f 01 d9", M64, 0x0f01 },            /* VMMCALL */
    { "0f 01 f9", M64, 0x0f01 },            /* RDTSCP */
    { "0f 01 c8", M64, 0x0f01 },            /* MONITOR */
    { "0f 01 f0", M64, 0x0f01 },            /* LMSW AX */
    { "0f 01 30", M64, 0x0f01 },            /* LMSW (RAX) */
    { "0f 01 7c 24 10", M64, 0x0f01 },      /* INVLPG 16(RSP) */
    { "66 0f a2", M64, 0x0fa2 }, { "48 0f a2", M64, 0x0fa2 },
    { "f3 0f 09", M64, 0x0f09 },            /* WBNOINVD: as WBINVD */
    /* ports */
    { "ec", M64, 0xec }, { "ed", M64, 0xed }, { "66 ed", M64, 0xed },
    { "ee", M32, 0xee }, { "66 ef", M16, 0xef }, { "e4 60", M64, 0xe4 },
    { "e5 60", M64, 0xe5 }, { "66 e5 60", M64, 0xe5 }, { "e6 80", M64, 0xe6 },
    { "e7 80", M16, 0xe7 }, { "f3 6e", M64, 0x6e }, { "f3 48 6f", M64, 0x6f },
    { "f3 66 6d", M64, 0x6d }, { "6c", M16, 0x6c },
    /* control and debug registers: ModRM.mod means nothing */
    { "0f 22 c0", M64, 0x0f22 }, { "0f 20 d8", M64, 0x0f20 },
    { "0f 22 04", M64, 0x0f22 }, { "0f 22 80", M32, 0x0f22 },
    { "44 0f 22 c0", M64, 0x0f22 }, { "41 0f 22 e7", M64, 0x0f22 },
    { "f0 0f 22 c0", M64, 0x0f22 }, { "0f 21 f8", M64, 0x0f21 },
    { "0f 23 45", M64, 0x0f23 },
    /* moves: sizes of the operand */
    { "88 07", M64, 0x88 }, { "8a 07", M64, 0x8a }, { "89 07", M64, 0x89, 4 },
    { "66 89 07", M64, 0x89, 2 }, { "48 89 07", M64, 0x89, 8 },
    { "66 48 89 07", M64, 0x89, 8 }, { "8b 07", M32, 0x8b, 4 },
    { "66 8b 07", M32, 0x8b, 2 }, { "8b 07", M16, 0x8b, 2 },
    { "66 8b 07", M16, 0x8b, 4 }, { "40 8b 07", M64, 0x8b, 4 },
    { "0f b6 07", M64, 0x0fb6, 4 }, { "48 0f b7 07", M64, 0x0fb7, 8 },
    { "66 0f be 07", M64, 0x0fbe, 2 }, { "0f bf 07", M32, 0x0fbf, 4 },
    /* 64- and 32-bit addresses */
    { "8b 00", M64, 0x8b }, { "8b 40 7f", M64, 0x8b },
    { "8b 80 00 00 00 01", M64, 0x8b }, { "8b c0", M64, 0x8b },
    { "8b 05 10 00 00 00", M64, 0x8b }, { "8b 05 10 00 00 00", M32, 0x8b },
    { "41 8b 05 10 00 00 00", M64, 0x8b }, { "8b 45 10", M64, 0x8b },
    { "8b 04 24", M64, 0x8b }, { "8b 44 24 08", M64, 0x8b },
    { "8b 84 24 00 01 00 00", M64, 0x8b }, { "41 8b 04 24", M64, 0x8b },
    { "8b 04 25 00 00 e0 fe", M64, 0x8b },
    { "8b 04 85 00 00 e0 fe", M32, 0x8b },
    { "41 8b 04 25 00 00 e0 fe", M64, 0x8b }, { "8b 44 85 00", M64, 0x8b },
    { "67 8b 00", M64, 0x8b }, { "67 8b 05 10 00 00 00", M64, 0x8b },
    { "67 8b 04 24", M16, 0x8b }, { "67 8b 05 00 00 00 00", M16, 0x8b },
    /* 16-bit addresses */
    { "8b 00", M16, 0x8b }, { "8b 05", M16, 0x8b }, { "8b 04", M16, 0x8b },
    { "8b 06 34 12", M16, 0x8b }, { "8b 46 10", M16, 0x8b },
    { "8b 86 34 12", M16, 0x8b }, { "8b 44 10", M16, 0x8b },
    { "67 8b 06 34 12", M32, 0x8b }, { "67 8b 04", M32, 0x8b },
    { "67 8b 42 10", M32, 0x8b },
    /* numbers */
    { "c6 07 12", M64, 0xc6 }, { "c7 07 78 56 34 12", M64, 0xc7, 4 },
    { "66 c7 07 34 12", M64, 0xc7, 2 },
    { "48 c7 07 78 56 34 92", M64, 0xc7, 8 }, { "c7 07 34 12", M16, 0xc7, 2 },
    { "66 c7 07 78 56 34 12", M16, 0xc7, 4 },
    { "66 c7 07 34 12", M32, 0xc7, 2 },
    { "c6 84 88 00 00 00 01 12", M64, 0xc6 },
    { "c7 05 00 00 00 00 78 56 34 12", M64, 0xc7 },
    { "c7 84 88 00 00 00 01 78 56 34 12", M64, 0xc7 },
    /* prefixes in any order, and more than once; REX counts last only */
    { "66 66 66 8b 07", M64, 0x8b, 2 }, { "65 8b 07", M64, 0x8b },
    { "2e 36 3e 26 64 8b 07", M64, 0x8b }, { "48 66 8b 07", M64, 0x8b, 2 },
    { "48 41 8b 07", M64, 0x8b, 4 }, { "41 48 8b 07", M64, 0x8b, 8 },
    { "f2 f3 66 67 64 f0 48 8b 07", M64, 0x8b, 8 },
    { "2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 0f a2", M64, 0x0fa2 },
    { "2e 2e 2e 2e c7 84 88 00 00 00 01 78 56 34 12", M64, 0xc7 },
};

/* In a buffer of its own size, so that a look beyond it shows */
static uint8_t *parse(const char *text, size_t *len)
{
    uint8_t *bytes = g_malloc((strlen(text) + 1) / 3);

    for (*len = 0; *text; text += text[2] == ' ' ? 3 : 2) {
        unsigned n;

        g_assert_cmpint(sscanf(text, "%2x", &n), ==, 1);
        bytes[(*len)++] = n;
    }
    return bytes;
}

static void test_lengths(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const Case *c = &cases[i];
        g_autofree uint8_t *bytes = NULL;
        ShadowInsn insn;
        size_t len;

        g_test_message("%s", c->bytes);
        bytes = parse(c->bytes, &len);
        g_assert_true(shadow_insn_decode(bytes, len, c->mode, &insn));
        g_assert_cmpuint(insn.length, ==, len);
        g_assert_cmphex(insn.opcode, ==, c->opcode);
        if (c->operand) {
            g_assert_cmpuint(insn.operand_size, ==, c->operand);
        }
    }
}

/* Cut short anywhere it is none; with something after it, it is the same. */
static void test_short_and_long(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const Case *c = &cases[i];
        g_autofree uint8_t *bytes = NULL;
        uint8_t more[32];
        ShadowInsn insn;
        size_t len;

        g_test_message("%s", c->bytes);
        bytes = parse(c->bytes, &len);
        for (size_t n = 0; n < len; n++) {
            g_autofree uint8_t *part = g_memdup2(bytes, n);

            g_assert_false(shadow_insn_decode(part, n, c->mode, &insn));
        }
        memset(more, 0xff, sizeof(more));
        memcpy(more, bytes, len);
        g_assert_true(shadow_insn_decode(more, sizeof(more), c->mode, &insn));
        g_assert_cmpuint(insn.length, ==, len);
    }
}

/* All of them are too long when they begin with prefixes enough. */
static void test_limit(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const Case *c = &cases[i];
        g_autofree uint8_t *bytes = NULL;
        uint8_t more[32];
        ShadowInsn insn;
        size_t len;

        bytes = parse(c->bytes, &len);
        for (size_t n = 0; n <= 16; n++) {
            memset(more, 0x2e, n);
            memcpy(more + n, bytes, len);
            g_test_message("%zu and %s", n, c->bytes);
            g_assert_cmpint(shadow_insn_decode(more, n + len, c->mode, &insn),
                            ==, n + len <= SHADOW_INSN_MAX);
        }
    }
}

/* Not known here, whatever follows: nothing is guessed. */
static void test_others(void)
{
    static const char *const texts[] = {
        "01 07", "80 07 01", "83 07 01", "86 07", "8c 07", "8e 07", "8f 07",
        "a0 00 00 00 00 00 00 00 00", "a3 00 00 00 00 00 00 00 00", "aa",
        "c3", "cc", "cd 80", "cf", "e8 00 00 00 00", "f6 07 01", "ff 07",
        "0f 00 d8", "0f 05", "0f 0b", "0f 18 07", "0f 24 c0", "0f 38 f0 07",
        "0f 3a 0f 07 01", "0f ae 07", "0f b0 07", "0f c1 07", "c5 f8 77",
        "62 f1 7c 48 10 07", "63 07",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
        g_autofree uint8_t *bytes = NULL;
        ShadowInsn insn;
        size_t len;

        g_test_message("%s", texts[i]);
        bytes = parse(texts[i], &len);
        g_assert_false(shadow_insn_decode(bytes, len, M64, &insn));
    }
}

static void decode(const char *text, ShadowInsnMode mode, ShadowInsn *insn)
{
    g_autofree uint8_t *bytes = NULL;
    size_t len;

    g_test_message("%s", text);
    bytes = parse(text, &len);
    g_assert_true(shadow_insn_decode(bytes, len, mode, insn));
}

/* REX is a prefix in 64-bit mode; elsewhere INC and DEC. */
static void test_rex(void)
{
    uint8_t inc[] = { 0x48, 0x8b, 0x07 };
    ShadowInsn insn;

    decode("4c 8b 07", M64, &insn);
    g_assert_cmpuint(shadow_insn_reg(&insn), ==, 8);
    g_assert_cmpuint(shadow_insn_rm(&insn), ==, 7);
    decode("45 8b 07", M64, &insn);
    g_assert_cmpuint(shadow_insn_reg(&insn), ==, 8);
    g_assert_cmpuint(shadow_insn_rm(&insn), ==, 15);
    decode("45 66 8b 07", M64, &insn);
    g_assert_cmpuint(shadow_insn_reg(&insn), ==, 0);
    decode("44 0f 22 c7", M64, &insn);
    g_assert_cmpuint(shadow_insn_reg(&insn), ==, 8);
    g_assert_cmpuint(shadow_insn_rm(&insn), ==, 7);
    g_assert_false(insn.lock);
    decode("f0 0f 22 c7", M64, &insn);
    g_assert_true(insn.lock);
    g_assert_false(shadow_insn_decode(inc, sizeof(inc), M32, &insn));
    g_assert_false(shadow_insn_decode(inc, sizeof(inc), M16, &insn));
}

static void test_prefix(void)
{
    ShadowInsn insn;

    decode("90", M64, &insn);
    g_assert_cmphex(insn.prefix, ==, 0);
    decode("f2 f3 90", M64, &insn);
    g_assert_cmphex(insn.prefix, ==, 0xf3);
    decode("f3 f2 90", M64, &insn);
    g_assert_cmphex(insn.prefix, ==, 0xf2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow/insn/lengths", test_lengths);
    g_test_add_func("/shadow/insn/short-and-long", test_short_and_long);
    g_test_add_func("/shadow/insn/limit", test_limit);
    g_test_add_func("/shadow/insn/others", test_others);
    g_test_add_func("/shadow/insn/rex", test_rex);
    g_test_add_func("/shadow/insn/prefix", test_prefix);
    return g_test_run();
}
