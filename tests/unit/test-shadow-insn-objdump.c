/*
 * The lengths of random instructions of nested guests, as binutils has them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow/target/i386/shadow-insn.h"

/* One instruction each, and NOPs */
#define SLOT 32
#define SLOTS 4096
#define NOP 0x90

static const char *const machines[] = {
    [SHADOW_INSN_16] = "i8086",
    [SHADOW_INSN_32] = "i386",
    [SHADOW_INSN_64] = "i386:x86-64",
};

static const uint16_t opcodes[] = {
    0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0xe4, 0xe5, 0xe6, 0xe7, 0xec, 0xed,
    0xee, 0xef, 0xf4, 0x0f01, 0x0f06, 0x0f09, 0x0f20, 0x0f22, 0x0f30, 0x0f32,
    0x0fa2, 0x0fb6, 0x0fb7, 0x0fbe, 0x0fbf,
};

/*
 * Each prefix once at most: what is said twice, and what means nothing here,
 * binutils shows as instructions of their own.
 */
static void put_random(uint8_t *p, ShadowInsnMode mode, GRand *rand)
{
    static const uint8_t prefixes[] = { 0x66, 0x67 };
    uint16_t opcode = opcodes[g_rand_int(rand) % ARRAY_SIZE(opcodes)];
    bool memory = opcode >= 0x88 && opcode <= 0xc7;

    for (unsigned i = 0; memory && i < ARRAY_SIZE(prefixes); i++) {
        if (g_rand_int(rand) % 3 == 0) {
            *p++ = prefixes[i];
        }
    }
    if (mode == SHADOW_INSN_64 && g_rand_int(rand) % 2) {
        *p++ = 0x40 | g_rand_int_range(rand, 0, 16);
    }
    if (opcode >> 8) {
        *p++ = opcode >> 8;
    }
    *p++ = opcode;
    for (unsigned i = 0; i < 12; i++) {
        p[i] = g_rand_int(rand);
    }
    if (opcode == 0xc6 || opcode == 0xc7) {
        *p &= ~0x38;
    }
}

/* By the number of the slot: the length that objdump shows, or 0 */
static void read_listing(char *listing, uint8_t *lengths)
{
    for (char *line = listing, *next; line; line = next) {
        g_auto(GStrv) parts = NULL;
        uint64_t at;
        char *end;

        next = strchr(line, '\n');
        if (next) {
            *next++ = 0;
        }
        at = g_ascii_strtoull(line, &end, 16);
        if (*end != ':' || at % SLOT || at / SLOT >= SLOTS) {
            continue;
        }
        parts = g_strsplit(line, "\t", 3);
        if (g_strv_length(parts) == 3 && !strstr(parts[2], "(bad)")) {
            lengths[at / SLOT] = (strlen(g_strchomp(parts[1])) + 1) / 3;
        }
    }
}

static bool list(const uint8_t *bytes, ShadowInsnMode mode, uint8_t *lengths)
{
    g_autofree char *name = NULL, *listing = NULL;
    int fd = g_file_open_tmp("shadow-insn-XXXXXX", &name, NULL);
    const char *command[] = {
        "objdump", "-D", "-z", "-b", "binary", "--insn-width=16",
        "-m", machines[mode], name, NULL,
    };
    bool good;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(name, (const char *)bytes, SLOT * SLOTS,
                                      NULL));
    good = g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_SEARCH_PATH, NULL,
                        NULL, &listing, NULL, NULL, NULL);
    unlink(name);
    if (good) {
        read_listing(listing, lengths);
    }
    return good;
}

static void test_lengths(const void *opaque)
{
    ShadowInsnMode mode = GPOINTER_TO_UINT(opaque);
    g_autoptr(GRand) rand = g_rand_new_with_seed(14 + mode);
    g_autofree uint8_t *bytes = g_malloc(SLOT * SLOTS);
    g_autofree uint8_t *lengths = g_malloc0(SLOTS);
    unsigned compared = 0;

    memset(bytes, NOP, SLOT * SLOTS);
    for (unsigned i = 0; i < SLOTS; i++) {
        put_random(bytes + i * SLOT, mode, rand);
    }
    if (!list(bytes, mode, lengths)) {
        g_test_skip("objdump is not there");
        return;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        const uint8_t *p = bytes + i * SLOT;
        ShadowInsn insn;

        if (!lengths[i]) {
            continue;
        }
        g_test_message("%u: %02x %02x %02x %02x %02x %02x %02x %02x", i, p[0],
                       p[1], p[2], p[3], p[4], p[5], p[6], p[7]);
        g_assert_true(shadow_insn_decode(p, SLOT, mode, &insn));
        g_assert_cmpuint(insn.length, ==, lengths[i]);
        compared++;
    }
    g_assert_cmpuint(compared, >, SLOTS / 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/shadow/insn/objdump/16",
                         GUINT_TO_POINTER(SHADOW_INSN_16), test_lengths);
    g_test_add_data_func("/shadow/insn/objdump/32",
                         GUINT_TO_POINTER(SHADOW_INSN_32), test_lengths);
    g_test_add_data_func("/shadow/insn/objdump/64",
                         GUINT_TO_POINTER(SHADOW_INSN_64), test_lengths);
    return g_test_run();
}
