/*
 * Random page tables, walked by the code and by its rules put in other words
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow-walk-tables.h"

/*
 * Random tables: every entry is a function of its address and the seed.  What
 * fails most is rare, so that a walk often gets to the end.
 */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static bool random_read(void *opaque, uint64_t pa, uint64_t *entry)
{
    const uint64_t *seed = opaque;
    uint64_t x = mix(*seed ^ mix(pa)), rare = mix(x), often = mix(rare);

    if (x % 64 == 0) {
        return false;
    }
    *entry = x & ~(bits(13, 29) | bits(40, 51) | PS | ALL);
    *entry |= ALL & ~(rare & rare >> 8 & rare >> 16 & rare >> 24);
    *entry |= often % 4 == 0 ? PS : 0;
    *entry |= often >> 8 & 1 ? 0 : x & bits(21, 29);
    *entry |= often >> 9 & 1 ? 0 : x & bits(13, 20);
    *entry |= often >> 16 & 31 ? 0 : 1ull << (40 + (often >> 32) % 12);
    return true;
}

/* One entry, in the words of the manuals' figures; -1: it ends the walk. */
static int entry_kind(const ShadowWalk *w, int level, uint64_t e)
{
    bool ps = e & PS;
    int bit;

    if (!(e & P)) {
        return -1;
    }
    for (bit = w->phys_bits; bit < 52; bit++) {
        if (e >> bit & 1) {
            return -1;
        }
    }
    switch (level) {
    case 5:
    case 4:
        return ps ? -1 : 0;
    case 3:
        return !ps ? 0 : w->gbpages && !(e & 0x3fffe000) ? 1 : -1;
    case 2:
        return !ps ? 0 : !(e & 0x1fe000) ? 1 : -1;
    default:
        return 1;
    }
}

/* The same once more: collect the entries, then judge them all. */
static int reference(const ShadowWalk *w, uint64_t va, bool write,
                     uint64_t *pa, uint64_t *len)
{
    uint64_t top = va >> (w->la57 ? 56 : 47), at, e = 0;
    bool user = true, writable = true, key_read = true, key_write = true;
    int kind = 0, level;

    if (top != 0 && top != (w->la57 ? 0xff : 0x1ffff)) {
        return -EFAULT;
    }
    at = w->cr3;
    for (level = w->la57 ? 5 : 4; !kind; level--) {
        at = (at & 0xffffffffff000) + (va >> shift[level] << 55 >> 52);
        if (!w->read(w->opaque, at, &e)) {
            return -EFAULT;
        }
        kind = entry_kind(w, level, e);
        user = user && (e & US);
        writable = writable && (e & RW);
        at = e;
    }
    level++;
    if (kind < 0) {
        return -EFAULT;
    }
    if (user && w->pke) {
        uint32_t rights = w->pkru >> (e >> 58 & 30) & 3;

        key_read = rights == 0 || rights == 2;
        key_write = rights == 0 || (rights == 2 && !w->user && !w->wp);
    }
    if ((w->user && !user) || (!w->user && user && w->smap) || !key_read) {
        return -EFAULT;
    }
    if (write && !((writable || (!w->user && !w->wp)) && key_write &&
                   (e & A) && (e & D))) {
        return -EFAULT;
    }
    *pa = (e << 12 >> 12) / page_size[level] * page_size[level] +
          va % page_size[level];
    *len = page_size[level] - va % page_size[level];
    return 0;
}

static ShadowWalk random_walk(GRand *rnd, uint64_t *seed)
{
    static const unsigned phys_bits[] = { 40, 43, 48, 52 };
    uint32_t flags = g_rand_int(rnd);

    *seed = (uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd);
    return (ShadowWalk) {
        .cr3 = mix(*seed) & 0xfff000fffffff01f,
        .la57 = flags & 1,
        .user = flags & 2,
        .wp = flags & 4,
        .smap = (flags & 0x18) == 0x18,
        .pke = flags & 0x20,
        .pkru = g_rand_int(rnd) & g_rand_int(rnd) & g_rand_int(rnd),
        .gbpages = flags & 0xc0,
        .phys_bits = phys_bits[flags >> 8 & 3],
        .read = random_read,
        .opaque = seed,
    };
}

static void test_random(void)
{
    GRand *rnd = g_rand_new_with_seed(20251125);
    int found[2][4] = { 0 }, refused[2] = { 0 };
    int i, j;

    for (i = 0; i < 300000; i++) {
        uint64_t seed;
        ShadowWalk w = random_walk(rnd, &seed);
        bool write = g_rand_boolean(rnd);
        uint64_t va = mix(seed + 1), pa = UNSET, len = UNSET;
        uint64_t ref_pa = UNSET, ref_len = UNSET;
        int ret;

        /* Most are canonical: the bits above are those of the last one. */
        if (g_rand_int_range(rnd, 0, 32)) {
            va = (uint64_t)((int64_t)(va << (w.la57 ? 7 : 16)) >>
                            (w.la57 ? 7 : 16));
        }
        ret = shadow_walk(&w, va, write, &pa, &len);
        g_assert_cmpint(ret, ==, reference(&w, va, write, &ref_pa, &ref_len));
        g_assert_cmphex(pa, ==, ref_pa);
        g_assert_cmphex(len, ==, ref_len);
        refused[write] += ret != 0;
        for (j = 1; !ret && j <= 3; j++) {
            found[write][j] += len <= page_size[j] && len > page_size[j] / 2;
        }
    }
    for (i = 0; i < 2; i++) {
        g_test_message("%s: %d refused; pages of 4 KiB %d, 2 MiB %d, 1 GiB %d",
                       i ? "write" : "read", refused[i], found[i][1],
                       found[i][2], found[i][3]);
        g_assert_cmpint(refused[i], >, 10000);
        for (j = 1; j <= 3; j++) {
            g_assert_cmpint(found[i][j], >, 500);
        }
    }
    g_rand_free(rnd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow/walk/random", test_random);
    return g_test_run();
}
