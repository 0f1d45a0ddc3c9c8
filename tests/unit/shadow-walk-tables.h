/*
 * Page tables for the tests of the walk of a caller's page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SHADOW_WALK_TABLES_H
#define SHADOW_WALK_TABLES_H

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

static const uint64_t page_size[] = { 0, 4096, 2 * 1024 * 1024, 1 << 30 };
static const uint64_t frame[] = { 0, 0x2f40203000, 0x2f40200000, 0x2f40000000 };
static const int shift[] = { 0, 12, 21, 30, 39, 48 };

/* Bits from @first to @last */
static inline uint64_t bits(int first, int last)
{
    return first > last ? 0 : UINT64_MAX >> (63 - last) & UINT64_MAX << first;
}

int guest_levels(const Guest *g);
/* @va is on a page of level @page, which everyone may write to. */
void guest_init(Guest *g, bool la57, int page, uint64_t va);
/* An address on the page that each_page() makes */
uint64_t guest_va(const Guest *g);

/* shadow_walk(), which when it fails must leave @pa and @len alone */
int guest_walk(Guest *g, uint64_t va, bool write, uint64_t *pa,
               uint64_t *len);
/* Whether the caller, at @user's level, may read and write at @va. */
void check_at(Guest *g, uint64_t va, bool user, bool r, bool w);
/* The same at guest_va() */
void check(Guest *g, bool user, bool r, bool w);

/* Call @func for all sizes of pages, with 4 and 5 levels. */
typedef void GuestFunc(Guest *g, int page);
void each_page(GuestFunc *func);

#endif /* SHADOW_WALK_TABLES_H */
