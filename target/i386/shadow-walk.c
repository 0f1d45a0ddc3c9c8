/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A caller's page tables in long mode, walked in software.
 *
 * The rules are those of the AMD64 manual, volume 2, chapter 5 ("Page
 * Translation and Protection"), and of Intel's, volume 3A, chapter 4
 * ("Paging").  Where they differ the walk takes what either takes: bit 8 of
 * entries that point to tables is not looked at.
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "shadow/target/i386/shadow-walk.h"

#define WALK_P          BIT_ULL(0)
#define WALK_RW         BIT_ULL(1)
#define WALK_US         BIT_ULL(2)
#define WALK_A          BIT_ULL(5)
#define WALK_D          BIT_ULL(6)
#define WALK_PS         BIT_ULL(7)
#define WALK_ADDR       MAKE_64BIT_MASK(12, 40)
#define WALK_PAT        BIT_ULL(12)     /* of a large page */
#define WALK_KEY_SHIFT  59
#define WALK_KEY_LEN    4

/* Level 1 is the one whose entries are all pages, of 4 KiB. */
static unsigned walk_shift(int level)
{
    return 12 + 9 * (level - 1);
}

/*
 * AMD 5.3.1, Intel volume 1, 3.3.7.1: the bits above the translated ones equal
 * the last of these.
 */
static bool walk_canonical(const ShadowWalk *w, uint64_t va)
{
    return sextract64(va, 0, w->la57 ? 57 : 48) == (int64_t)va;
}

/*
 * AMD 5.3.3 to 5.3.5, Intel 4.5: bits that have to be zero at their level.
 * Bit 63 is not among them: NX does not matter to reads and writes.
 */
static uint64_t walk_reserved(const ShadowWalk *w, int level, bool leaf)
{
    uint64_t bits = WALK_ADDR >> w->phys_bits << w->phys_bits;

    if (level > 3 || (level == 3 && !w->gbpages)) {
        bits |= WALK_PS;
    }
    if (leaf && level > 1) {
        bits |= MAKE_64BIT_MASK(12, walk_shift(level) - 12) & ~WALK_PAT;
    }
    return bits;
}

/*
 * Intel 4.6.2: a key's bits in PKRU forbid all access, or writes; the latter
 * bind a supervisor only with CR0.WP.
 */
static bool walk_key_allows(const ShadowWalk *w, uint64_t leaf, bool write)
{
    unsigned key = extract64(leaf, WALK_KEY_SHIFT, WALK_KEY_LEN);
    bool access_disable = w->pkru >> (key * 2) & 1;
    bool write_disable = w->pkru >> (key * 2 + 1) & 1;

    return !access_disable &&
           !(write && write_disable && (w->user || w->wp));
}

/*
 * AMD 5.6, Intel 4.6.1: @rights are the bits that all entries on the way have.
 * They make a page the user's or the supervisor's, and writable or not.
 */
static bool walk_allows(const ShadowWalk *w, uint64_t rights, uint64_t leaf,
                        bool write)
{
    bool user_page = rights & WALK_US;

    if (w->user ? !user_page : user_page && w->smap) {
        return false;
    }
    if (write && !(rights & WALK_RW) && (w->user || w->wp)) {
        return false;
    }
    if (write && (leaf & (WALK_A | WALK_D)) != (WALK_A | WALK_D)) {
        return false;           /* Intel 4.8, AMD 5.4.2; see the header */
    }
    return !(user_page && w->pke) || walk_key_allows(w, leaf, write);
}

int shadow_walk(const ShadowWalk *w, uint64_t va, bool write,
                uint64_t *pa, uint64_t *len)
{
    uint64_t rights = WALK_RW | WALK_US;
    uint64_t table = w->cr3 & WALK_ADDR;
    int level = w->la57 ? 5 : 4;
    uint64_t entry, in_page;
    bool leaf;

    if (!walk_canonical(w, va)) {
        return -EFAULT;
    }
    /* Each turn goes down a level, wherever the entries point. */
    for (;; level--) {
        uint64_t index = extract64(va, walk_shift(level), 9);

        if (!w->read(w->opaque, table + index * 8, &entry) ||
            !(entry & WALK_P)) {
            return -EFAULT;
        }
        leaf = level == 1 || (level <= 3 && entry & WALK_PS);
        if (entry & walk_reserved(w, level, leaf)) {
            return -EFAULT;
        }
        rights &= entry;
        if (leaf) {
            break;
        }
        table = entry & WALK_ADDR;
    }
    if (!walk_allows(w, rights, entry, write)) {
        return -EFAULT;
    }
    in_page = MAKE_64BIT_MASK(0, walk_shift(level));
    *pa = (entry & WALK_ADDR & ~in_page) | (va & in_page);
    *len = in_page - (va & in_page) + 1;
    return 0;
}

bool shadow_walk_has_tables(const ShadowWalk *w, uint64_t va)
{
    uint64_t table = w->cr3 & WALK_ADDR;
    uint64_t entry;

    for (int level = w->la57 ? 5 : 4; level > 2; level--) {
        uint64_t index = extract64(va, walk_shift(level), 9);

        if (!w->read(w->opaque, table + index * 8, &entry) ||
            !(entry & WALK_P)) {
            return false;
        }
        table = entry & WALK_ADDR;
    }
    return true;
}
