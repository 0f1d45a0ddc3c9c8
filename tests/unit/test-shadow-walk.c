/*
 * Tests of the walk of a caller's page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow/target/i386/shadow-walk.h"

enum {
    P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80,
    ALL = P | RW | US | A | D,
};

#define NX              (1ull << 63)
#define UNSET           0xdeadull
#define PHYS_BITS       46

/* An index of its own in each table */
#define VA              (0x1ull << 48 | 0x12ull << 39 | 0x23ull << 30 | \
                         0x34ull << 21 | 0x44ull << 12)

/* The table of level n, from 1 on, is at n * 4096; there is no other RAM. */
typedef struct Guest {
    ShadowWalk w;
    uint64_t table[5][512];
    uint64_t *on_way[6];        /* entries by level */
    int reads;
} Guest;

static bool guest_read(void *opaque, uint64_t pa, uint64_t *entry)
{
    Guest *g = opaque;

    g_assert_cmpuint(pa % 8, ==, 0);
    g_assert_cmpint(++g->reads, <=, 5);
    if (pa < 0x1000 || pa >= 0x6000) {
        return false;
    }
    *entry = g->table[pa / 4096 - 1][pa % 4096 / 8];
    return true;
}

static const uint64_t page_size[] = { 0, 4096, 2 * 1024 * 1024, 1 << 30 };
static const uint64_t frame[] = { 0, 0x2f40203000, 0x2f40200000, 0x2f40000000 };
static const int shift[] = { 0, 12, 21, 30, 39, 48 };

static int guest_levels(const Guest *g)
{
    return g->w.la57 ? 5 : 4;
}

/* @va is on a page of level @page, which everyone may write to. */
static void guest_init(Guest *g, bool la57, int page, uint64_t va)
{
    int level;

    memset(g, 0, sizeof(*g));
    g->w = (ShadowWalk) {
        .la57 = la57, .user = true, .wp = true, .gbpages = true,
        .phys_bits = PHYS_BITS, .read = guest_read, .opaque = g,
    };
    g->w.cr3 = guest_levels(g) * 0x1000;
    for (level = guest_levels(g); level >= page; level--) {
        g->on_way[level] = &g->table[level - 1][va >> shift[level] & 0x1ff];
        *g->on_way[level] = ALL | (level - 1) * 0x1000;
    }
    *g->on_way[page] = ALL | frame[page] | (page > 1 ? PS : 0);
}

static uint64_t guest_va(const Guest *g)
{
    return g->w.la57 ? VA : VA & 0xffffffffffffull;
}

static int walk(Guest *g, uint64_t va, bool write, uint64_t *pa, uint64_t *len)
{
    int ret;

    *pa = *len = UNSET;
    g->reads = 0;
    ret = shadow_walk(&g->w, va, write, pa, len);
    if (ret) {
        g_assert_cmpint(ret, ==, -EFAULT);
        g_assert_cmpuint(*pa, ==, UNSET);
        g_assert_cmpuint(*len, ==, UNSET);
    }
    return ret;
}

/* Whether the caller, at @user's level, may read and write at @va. */
static void check_at(Guest *g, uint64_t va, bool user, bool r, bool w)
{
    uint64_t pa, len;

    g->w.user = user;
    g_assert_cmpint(walk(g, va, false, &pa, &len), ==, r ? 0 : -EFAULT);
    g_assert_cmpint(walk(g, va, true, &pa, &len), ==, w ? 0 : -EFAULT);
}

static void check(Guest *g, bool user, bool r, bool w)
{
    check_at(g, guest_va(g), user, r, w);
}

typedef void GuestFunc(Guest *g, int page);

/* Call @func for all sizes of pages, with 4 and 5 levels. */
static void each_page(GuestFunc *func)
{
    Guest *g = g_new(Guest, 1);
    int page, la57;

    for (la57 = 0; la57 < 2; la57++) {
        for (page = 1; page <= 3; page++) {
            guest_init(g, la57, page, la57 ? VA : VA & 0xffffffffffffull);
            func(g, page);
        }
    }
    g_free(g);
}

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
                g_assert_cmpint(walk(g, first + offsets[i], write, &pa, &len),
                                ==, 0);
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

static void page_rights(Guest *g, int page)
{
    int level;

    for (level = page; level <= guest_levels(g); level++) {
        *g->on_way[level] &= ~US;
        check(g, true, false, false);
        check(g, false, true, true);
        *g->on_way[level] |= US;

        *g->on_way[level] &= ~RW;
        check(g, true, true, false);
        check(g, false, true, false);
        g->w.wp = false;
        check(g, true, true, false);
        check(g, false, true, true);
        g->w.wp = true;

        *g->on_way[level] |= RW | NX;
        check(g, true, true, true);
        *g->on_way[level] &= ~NX;
    }
}

static void test_rights(void)
{
    each_page(page_rights);
}

/* Bits from @first to @last */
static uint64_t bits(int first, int last)
{
    return first > last ? 0 : UINT64_MAX >> (63 - last) & UINT64_MAX << first;
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
            walk(g, guest_va(g), false, &pa, &len);
            *g->on_way[level] = entry;
            walk(g, guest_va(g), false, &before, &len);
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
            g_assert_cmpint(walk(g, UINT64_MAX, true, &pa, &len), ==, 0);
            g_assert_cmphex(pa, ==, frame[page] + page_size[page] - 1);
            g_assert_cmpuint(len, ==, 1);
            g_assert_cmpint(walk(g, -page_size[page], true, &pa, &len), ==, 0);
            g_assert_cmphex(pa, ==, frame[page]);
            g_assert_cmpuint(len, ==, page_size[page]);
            check_at(g, 0, true, false, false);
        }
    }
    g_free(g);
}

static void page_dirty(Guest *g, int page)
{
    static const int clear[] = { A, D, A | D };
    int i, level;

    for (i = 0; i < ARRAY_SIZE(clear); i++) {
        *g->on_way[page] &= ~clear[i];
        check(g, true, true, false);
        check(g, false, true, false);
        g->w.wp = false;
        check(g, false, true, false);
        g->w.wp = true;
        *g->on_way[page] |= clear[i];
    }
    /* Entries that point to tables have no D, and their A is no matter. */
    for (level = page + 1; level <= guest_levels(g); level++) {
        *g->on_way[level] &= ~(A | D);
        check(g, true, true, true);
    }
}

static void test_dirty(void)
{
    each_page(page_dirty);
}

static void page_smap(Guest *g, int page)
{
    int level;

    g->w.smap = true;
    check(g, true, true, true);
    check(g, false, false, false);
    g->w.wp = false;
    check(g, false, false, false);
    g->w.wp = true;
    /* Any level makes it a page of the supervisor. */
    for (level = page; level <= guest_levels(g); level++) {
        *g->on_way[level] &= ~US;
        check(g, true, false, false);
        check(g, false, true, true);
        *g->on_way[level] |= US;
    }
}

static void test_smap(void)
{
    each_page(page_smap);
}

static void page_keys(Guest *g, int page)
{
    uint64_t entry = *g->on_way[page];
    uint32_t key;

    for (key = 0; key < 16; key++) {
        uint32_t ad = 1u << (2 * key), wd = 2u << (2 * key);

        *g->on_way[page] = entry | (uint64_t)key << 59;
        g->w.pke = true;
        g->w.pkru = ~(ad | wd);
        check(g, true, true, true);
        check(g, false, true, true);

        g->w.pkru = ad;
        check(g, true, false, false);
        check(g, false, false, false);

        g->w.pkru = wd;
        check(g, true, true, false);
        check(g, false, true, false);
        g->w.wp = false;
        check(g, true, true, false);
        check(g, false, true, true);
        g->w.pkru = ad;
        check(g, false, false, false);
        g->w.wp = true;

        /* Keys are for user pages only, and may be off. */
        g->w.pkru = UINT32_MAX;
        *g->on_way[4] &= ~US;
        check(g, false, true, true);
        *g->on_way[4] |= US;
        check(g, false, false, false);
        g->w.pke = false;
        check(g, true, true, true);
        check(g, false, true, true);
    }
}

static void test_keys(void)
{
    each_page(page_keys);
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
            g_assert_cmpint(walk(g, va[i] + 5, true, &pa, &len), ==, 0);
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
    g_test_add_func("/shadow/walk/rights", test_rights);
    g_test_add_func("/shadow/walk/reserved", test_reserved);
    g_test_add_func("/shadow/walk/gbpages", test_gbpages);
    g_test_add_func("/shadow/walk/canonical", test_canonical);
    g_test_add_func("/shadow/walk/top", test_top);
    g_test_add_func("/shadow/walk/dirty", test_dirty);
    g_test_add_func("/shadow/walk/smap", test_smap);
    g_test_add_func("/shadow/walk/keys", test_keys);
    g_test_add_func("/shadow/walk/cr3", test_cr3);
    g_test_add_func("/shadow/walk/no-ram", test_no_ram);
    g_test_add_func("/shadow/walk/loop", test_loop);
    return g_test_run();
}
