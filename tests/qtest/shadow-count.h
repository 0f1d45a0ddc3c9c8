/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program asks of the C library, counted by shadow-count.so in a file
 * that SHADOW_COUNT_FILE names.
 */
#ifndef SHADOW_COUNT_H
#define SHADOW_COUNT_H

#include <stdint.h>

typedef struct ShadowCount {
    uint64_t allocations;   /* malloc() and its like */
    uint64_t allocated;     /* bytes of these */
    uint64_t copied;        /* bytes, by memcpy() and memmove() */
} ShadowCount;

#endif /* SHADOW_COUNT_H */
