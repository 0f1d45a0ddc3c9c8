/*
 * Tests of the walk of a caller's page tables: who may read and write there
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow-walk-tables.h"

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow/walk-rights/levels", test_rights);
    g_test_add_func("/shadow/walk-rights/dirty", test_dirty);
    g_test_add_func("/shadow/walk-rights/smap", test_smap);
    g_test_add_func("/shadow/walk-rights/keys", test_keys);
    return g_test_run();
}
