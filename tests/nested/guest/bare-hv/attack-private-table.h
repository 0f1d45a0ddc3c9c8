/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What there is to change in a VMCB, and what must come of it.
 */
#ifndef ATTACK_PRIVATE_TABLE_H
#define ATTACK_PRIVATE_TABLE_H

#include "hv.h"

typedef struct Cell {
    const char *name;
    unsigned offset, size;      /* in bytes */
    bool set;                   /* to @val; else @val is what is flipped */
    uint64_t val;
    bool refused;               /* or else nothing comes of it */
    uint64_t unless;            /* the guest exits for this next; or 0 */
} Cell;

typedef struct CellTable {
    unsigned n_cells;
    /* False if there is nothing to be tried */
    bool (*cell)(unsigned n, Cell *cell);
} CellTable;

extern const CellTable save_table, control_table;

#endif /* ATTACK_PRIVATE_TABLE_H */
