/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two guests of fuzz-ultracall: vm1, which runs, and vm2, which waits for
 * its state and has a bind-secret; what happens to them, and what must hold
 * meanwhile.
 */
#ifndef SHADOW_FUZZ_GUESTS_H
#define SHADOW_FUZZ_GUESTS_H

#include "shadow/tests/fuzz/fuzz-machine.h"

#define FUZZ_GUESTS 2

/* What a refused call may not change */
typedef struct FuzzGuest {
    ShadowGuestState state;
    uint64_t epoch, saves, restores;
    bool by_process, by_tag, claimed, found;
    FuzzPositions pos;
} FuzzGuest;

void fuzz_guests_start(void);

/* As they were at first */
void fuzz_guests_renew(void);

/* Which guest a tag names; 0 if none. */
unsigned fuzz_guest_named(uint64_t tag, uint64_t len);

/* NULL while it is removed */
ShadowGuest *fuzz_guest_object(unsigned which);
const FuzzGuest *fuzz_guest(unsigned which);

/* An envelope of the guest's present state, or of history, or NULL */
uint8_t *fuzz_guest_seal(unsigned which, bool history, uint64_t epoch,
                         const uint8_t *host, size_t *len);

/* Half @half of the answer to vm2's challenge; false without the guest. */
bool fuzz_guest_prove(uint8_t answer[16], unsigned half);

void fuzz_guests_note(FuzzGuest *was);
void fuzz_guests_check_same(const FuzzGuest *was);

/* A call went well; something else has changed a console. */
void fuzz_guests_called(uint32_t nr, unsigned which);
void fuzz_guests_touched(void);

/* Time passes; the operator, or a reset of the cloud VM. */
void fuzz_guests_later(uint8_t ms);
void fuzz_guests_operator(unsigned what);

/* Between operations: epochs and positions never go back. */
void fuzz_guests_check(void);

#endif /* SHADOW_FUZZ_GUESTS_H */
