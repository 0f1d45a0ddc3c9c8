/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What random guests are made of
 */
#ifndef RANDOM_H
#define RANDOM_H

#include "hv.h"

/* From 0 to @n - 1 */
uint64_t below(uint64_t n);

/* Programs at @to, of a page at most: what any program does with memory, */
void random_accesses(uint8_t *to);
/* and what systems do, or any bytes */
void random_instructions(uint8_t *to);

#endif /* RANDOM_H */
