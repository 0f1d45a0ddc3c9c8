/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine with shadow guests, for the fuzz targets that need one. */
#ifndef SHADOW_FUZZ_MACHINE_H
#define SHADOW_FUZZ_MACHINE_H

#include "shadow/hw/core/shadow-guest.h"
#include "shadow/tests/fuzz/fuzz.h"

/* Sizes of the queues: small, so that an input takes little time. */
#define FUZZ_QUEUE 64
/* A reset gives back to the queue what the receiver had: a FIFO's worth. */
#define FUZZ_RECEIVER 16
#define FUZZ_QUEUE_ARGS "input-size=64,output-size=64"

#define FUZZ_SECRET "0123456789abcdef0123456789abcdef"

/*
 * In place of QEMU's own (see the link): what it says of a refused state would
 * be most of the work.
 */
void __wrap_error_report(const char *fmt, ...);

/* Start QEMU with the "secret" object key0, an ultracall device, and @args. */
void fuzz_machine_start(const char *const *args, size_t n);

/* Do what is due: bottom halves, timers of the machine at @now. */
void fuzz_machine_run(int64_t now);

/* Once in a while: free what waits for RCU. */
void fuzz_machine_tidy(void);

/* As much input as there is room for, from the chardev with this id */
void fuzz_type(const char *chardev, const uint8_t *buf, size_t len);

/*
 * The saved state, but for the count of interrupts, which may grow at any
 * time.  Saving has to succeed.
 */
uint8_t *fuzz_state(ShadowGuest *g);

/* Two states that have to be equal */
void fuzz_same(const uint8_t *a, const uint8_t *b, size_t len);

/* How far the consoles of a guest have come */
typedef struct FuzzPositions {
    unsigned n;
    struct {
        uint64_t accepted, taken, produced, sent, start;
    } dev[16];
} FuzzPositions;

void fuzz_positions(ShadowGuest *g, FuzzPositions *pos);

/* Never back, never more than there is room for; @pos is brought up to now. */
void fuzz_check_positions(ShadowGuest *g, FuzzPositions *pos);

#endif /* SHADOW_FUZZ_MACHINE_H */
