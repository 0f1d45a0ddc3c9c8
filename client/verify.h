/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings as they are read and checked.
 */
#ifndef CONSOLE_VERIFY_H
#define CONSOLE_VERIFY_H

#include "state.h"

/* Where a recording begins and ends */
typedef struct CastEnds {
    char first_life[CONSOLE_LIFE_LEN + 1], last_life[CONSOLE_LIFE_LEN + 1];
    uint64_t first, last;       /* positions */
    bool typed;                 /* in the last life something was: */
    uint64_t typed_first, typed_last;
} CastEnds;

/* Without a check of its marks: false if it has none. */
bool verify_ends(const char *path, CastEnds *ends);

#endif /* CONSOLE_VERIFY_H */
