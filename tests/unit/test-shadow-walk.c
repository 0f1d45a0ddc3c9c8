/*
 * Tests of the walk of a caller's page tables: where an address leads.  Who may
 * read and write there is in test-shadow-walk-rights.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow-walk-tables.h"

static void page_found(Guest *g, int page)
{
    uint64_t size = page_size[page];
    uint64_t first = guest_va(g) & ~(size - 1);
    const uint64_t offsets[] = { 0, 1, 0x800, size / 2, size - 8, size - 1 };
    uint64_t pa, len;
    int i, write, user;

    for (i = 0; i < ARRAY_SIZE(offsets); i++) {
        for (write = 0; write < 2; write++) {
            for (user = 0; user < 2; user++) {
                g->w.user = user;
                g_assert_cmpint(guest_walk(g, first + offsets[i], write, &pa,
                                           &len), ==, 0);
                g_assert_cmphex(pa, ==, frame[page] + offsets[i]);
                g_assert_cmpuint(len, ==, size - offsets[i]);
                g_assert_cmpint(g->reads, ==, guest_levels(g) - page + 1);
            }
        }
    }
    /* The neighbours are not there. */
    check_at(g, first - 1, true, false, false);
    check_at(g, first + size, true, false, false);
}

static void test_found(void)
{
    each_page(page_found);
}

static void page_present(Guest *g, int page)
{
    int level;

    for (level = page; level <= guest_levels(g); level++) {
        *g->on_way[level] &= ~P;
        check(g, true, false, false);
        check(g, false, false, false);
        g_assert_cmpint(g->reads, ==, guest_levels(g) - level + 1);
        *g->on_way[level] |= P;
    }
    check(g, true, true, true);
}

static void test_present(void)
{
    each_page(page_present);
}

/* The upper tables are there for as long as the process: not so the others. */
static void page_has_tables(Guest *g, int page)
{
    int level;

    g->reads = 0;
    g_assert_true(shadow_walk_has_tables(&g->w, guest_va(g)));
    for (level = page; level <= guest_levels(g); level++) {
        *g->on_way[level] &= ~P;
        g->reads = 0;
        g_assert_cmpint(shadow_walk_has_tables(&g->w, guest_va(g)), ==,
                        level < 3);
        *g->on_way[level] |= P;
    }
}

static void test_has_tables(void)
{
    each_page(page_has_tables);
}

/* Set each bit that is clear, and see whether that is noticed. */
static void level_reserved(Guest *g, int level, uint64_t reserved,
                           uint64_t ignored)
{
    uint64_t entry = *g->on_way[level];
    uint64_t pa, len;
    int bit;

    for (bit = 0; bit < 64; bit++) {
        uint64_t one = 1ull << bit;

        *g->on_way[level] = entry | one;
        if (reserved & one) {
            check(g, true, false, false);
            check(g, false, false, false);
        } else if (ignored & one) {
            uint64_t before;

            check(g, true, true, true);
            check(g, false, true, true);
            guest_walk(g, guest_va(g), false, &pa, &len);
            *g->on_way[level] = entry;
            guest_walk(g, guest_va(g), false, &before, &len);
            g_assert_cmphex(pa, ==, before);
        }
    }
    *g->on_way[level] = entry;
}

static void page_reserved(Guest *g, int page)
{
    static const unsigned phys_bits[] = { 40, PHYS_BITS, 51, 52 };
    int i, level;

    for (i = 0; i < ARRAY_SIZE(phys_bits); i++) {
        g->w.phys_bits = phys_bits[i];
        for (level = page; level <= guest_levels(g); level++) {
            bool large = level == page && level > 1;
            uint64_t reserved = bits(phys_bits[i], 51) |
                                (level > 3 ? PS : 0) |
                                (large ? bits(13, shift[level] - 1) : 0);

            level_reserved(g, level, reserved,
                           bits(3, 6) | bits(8, 11) | bits(52, 63) |
                           (level == 1 ? PS : 0) | (large ? 1 << 12 : 0));
        }
    }
}

static void test_reserved(void)
{
    each_page(page_reserved);
}

/* PS in an entry of level 3, on a processor without such pages */
static void page_gbpages(Guest *g, int page)
{
    g->w.gbpages = false;
    check(g, true, page != 3, page != 3);
    check(g, false, page != 3, page != 3);
}

static void test_gbpages(void)
{
    each_page(page_gbpages);
}

/* The last byte of a half, and the first one beyond it */
static void test_canonical(void)
{
    Guest *g = g_new(Guest, 1);
    int la57;

    for (la57 = 0; la57 < 2; la57++) {
        uint64_t last = (1ull << (la57 ? 56 : 47)) - 1;
        uint64_t first = -last - 1;
        int bit;

        guest_init(g, la57, 1, last);
        check_at(g, last, true, true, true);
        g_assert_cmpint(g->reads, ==, guest_levels(g));
        for (bit = la57 ? 56 : 47; bit < 64; bit++) {
            check_at(g, last | 1ull << bit, false, false, false);
            g_assert_cmpint(g->reads, ==, 0);
        }

        guest_init(g, la57, 1, first);
        check_at(g, first, true, true, true);
        g_assert_cmpint(g->reads, ==, guest_levels(g));
        for (bit = la57 ? 56 : 47; bit < 64; bit++) {
            check_at(g, first & ~(1ull << bit), false, false, false);
            g_assert_cmpint(g->reads, ==, 0);
        }
        check_at(g, first - 1, true, false, false);
    }

    /* An address for 5 levels is none for 4. */
    guest_init(g, false, 1, VA);
    check_at(g, VA, true, false, false);
    g_assert_cmpint(g->reads, ==, 0);
    g_free(g);
}

/* What begins on the last page of all ends there: no length wraps around. */
static void test_top(void)
{
    Guest *g = g_new(Guest, 1);
    uint64_t pa, len;
    int la57, page;

    for (la57 = 0; la57 < 2; la57++) {
        for (page = 1; page <= 3; page++) {
            guest_init(g, la57, page, UINT64_MAX);
            g_assert_cmpint(guest_walk(g, UINT64_MAX, true, &pa, &len), ==, 0);
            g_assert_cmphex(pa, ==, frame[page] + page_size[page] - 1);
            g_assert_cmpuint(len, ==, 1);
            g_assert_cmpint(guest_walk(g, -page_size[page], true, &pa, &len),
                            ==, 0);
            g_assert_cmphex(pa, ==, frame[page]);
            g_assert_cmpuint(len, ==, page_size[page]);
            check_at(g, 0, true, false, false);
        }
    }
    g_free(g);
}

/* PCID, and the bits that Linux or the processor use above the address */
static void page_cr3(Guest *g, int page)
{
    uint64_t cr3 = g->w.cr3;

    g->w.cr3 = cr3 | 0xfff | bits(52, 63);
    check(g, true, true, true);
    g->w.cr3 = cr3 + 0x1000 * 5;
    check(g, true, false, false);
}

static void test_cr3(void)
{
    each_page(page_cr3);
}

static void page_no_ram(Guest *g, int page)
{
    static const uint64_t nowhere[] = { 0, 0x6000, 1ull << (PHYS_BITS - 1) };
    int i, level;

    for (i = 0; i < ARRAY_SIZE(nowhere); i++) {
        for (level = page + 1; level <= guest_levels(g); level++) {
            uint64_t entry = *g->on_way[level];

            *g->on_way[level] = ALL | nowhere[i];
            check(g, true, false, false);
            check(g, false, false, false);
            g_assert_cmpint(g->reads, ==, guest_levels(g) - level + 2);
            *g->on_way[level] = entry;
        }
        g->w.cr3 = nowhere[i];
        check(g, true, false, false);
        g_assert_cmpint(g->reads, ==, 1);
        g->w.cr3 = guest_levels(g) * 0x1000;
    }
}

static void test_no_ram(void)
{
    each_page(page_no_ram);
}

/* A table that points to itself is a page in the end. */
static void test_loop(void)
{
    Guest *g = g_new(Guest, 1);
    uint64_t va[] = { 0, 0xfffffffffffff000, 0xffff800000000000 }, pa, len;
    int la57, i;

    for (la57 = 0; la57 < 2; la57++) {
        guest_init(g, la57, 1, 0);
        for (i = 0; i < 512; i++) {
            g->table[guest_levels(g) - 1][i] = g->w.cr3 | ALL;
        }
        for (i = 0; i < ARRAY_SIZE(va); i++) {
            g_assert_cmpint(guest_walk(g, va[i] + 5, true, &pa, &len), ==, 0);
            g_assert_cmpint(g->reads, ==, guest_levels(g));
            g_assert_cmphex(pa, ==, g->w.cr3 + 5);
            g_assert_cmpuint(len, ==, 4096 - 5);
        }
        for (i = 0; i < 512; i++) {
            g->table[guest_levels(g) - 1][i] |= PS;
        }
        check_at(g, 0, true, false, false);
        g_assert_cmpint(g->reads, ==, 1);
    }
    g_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow/walk/found", test_found);
    g_test_add_func("/shadow/walk/present", test_present);
    g_test_add_func("/shadow/walk/has-tables", test_has_tables);
    g_test_add_func("/shadow/walk/reserved", test_reserved);
    g_test_add_func("/shadow/walk/gbpages", test_gbpages);
    g_test_add_func("/shadow/walk/canonical", test_canonical);
    g_test_add_func("/shadow/walk/top", test_top);
    g_test_add_func("/shadow/walk/cr3", test_cr3);
    g_test_add_func("/shadow/walk/no-ram", test_no_ram);
    g_test_add_func("/shadow/walk/loop", test_loop);
    return g_test_run();
}
