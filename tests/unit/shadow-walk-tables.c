/*
 * Page tables for the tests of the walk of a caller's page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow-walk-tables.h"

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

int guest_levels(const Guest *g)
{
    return g->w.la57 ? 5 : 4;
}

void guest_init(Guest *g, bool la57, int page, uint64_t va)
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

uint64_t guest_va(const Guest *g)
{
    return g->w.la57 ? VA : VA & 0xffffffffffffull;
}

int guest_walk(Guest *g, uint64_t va, bool write, uint64_t *pa, uint64_t *len)
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

void check_at(Guest *g, uint64_t va, bool user, bool r, bool w)
{
    uint64_t pa, len;

    g->w.user = user;
    g_assert_cmpint(guest_walk(g, va, false, &pa, &len), ==, r ? 0 : -EFAULT);
    g_assert_cmpint(guest_walk(g, va, true, &pa, &len), ==, w ? 0 : -EFAULT);
}

void check(Guest *g, bool user, bool r, bool w)
{
    check_at(g, guest_va(g), user, r, w);
}

void each_page(GuestFunc *func)
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
