/*
 * Tests that say what they expected and what they saw, as TAP.
 *
 * Each runs in a process of its own, so that one that fails, dies or hangs
 * leaves nothing behind and stops no other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdint.h>

#define TAP_SECONDS 120

typedef struct TapTest {
    const char *name;
    void (*run)(void);
} TapTest;

/* Those whose name has @filter in it, or all; the exit status */
int tap_run(const TapTest *tests, unsigned n, const char *filter);

void __attribute__((noreturn, format(printf, 1, 2)))
tap_fail(const char *format, ...);

/* What was seen, in a comment line */
void __attribute__((format(printf, 1, 2))) tap_note(const char *format, ...);

static inline void tap_equal(const char *what, uint64_t seen, uint64_t wanted)
{
    if (seen != wanted) {
        tap_fail("%s: expected 0x%lx, saw 0x%lx", what, wanted, seen);
    }
}

static inline void tap_true(const char *what, bool seen)
{
    if (!seen) {
        tap_fail("expected %s, saw that it is not so", what);
    }
}

#endif /* TAP_H */
