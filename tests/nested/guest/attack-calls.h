/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The calls that have a buffer, for programs that pass what they should not.
 * They take a shadow guest of the outer QEMU, active and not in use.  Each
 * check is one line, PASS or FAIL; the exit status is non-zero after a FAIL.
 */
#ifndef ATTACK_CALLS_H
#define ATTACK_CALLS_H

#include "attack.h"

typedef struct Call {
    const char *name;
    uint32_t nr;
    bool tagged;
    bool reads; /* L0 reads the buffer; else it writes there */
    size_t len;
    int64_t ok; /* the status when the buffer is good */
} Call;

static Call calls[] = {
    { "probe", ULTRACALL_PROBE, false, false, sizeof(struct ultracall_probe),
      0 },
    { "bind", ULTRACALL_BIND, true, false, 8, 0 },
    { "save", ULTRACALL_SAVE, true, false, 0, 0 },
    { "restore", ULTRACALL_RESTORE, true, true, 0, -EBUSY },
    { "irq-poll", ULTRACALL_IRQ_POLL, true, false, 128, 0 },
    { "query", ULTRACALL_QUERY, true, false, 144, 0 },
    { "layout", ULTRACALL_LAYOUT, true, false,
      3 * sizeof(struct ultracall_resource), 0 },
};
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

static const char *guest;

/* A call, and for SAVE again until the input has settled; then undone */
static Outcome call_on(Transport t, const Call *c, const void *buf,
                       uint64_t len)
{
    const char *tag = c->tagged ? guest : NULL;
    Outcome o;

    do {
        o = attack_tagged(t, c->nr, tag, (uintptr_t)buf, len, 0);
    } while (c->nr == ULTRACALL_SAVE && returned(&o, -EAGAIN) &&
             !usleep(1000));
    if (returned(&o, 0) &&
        (c->nr == ULTRACALL_SAVE || c->nr == ULTRACALL_BIND)) {
        attack_tagged(VMMCALL,
                      c->nr == ULTRACALL_SAVE ? ULTRACALL_ABORT
                                              : ULTRACALL_UNBIND,
                      guest, 0, 0, 0);
    }
    return o;
}

/* The guest is the only argument of the program */
static inline void attack_calls_open(int argc, char **argv)
{
    size_t envelope;

    if (argc != 2) {
        fprintf(stderr, "usage: %s GUEST\n", argv[0]);
        exit(2);
    }
    guest = argv[1];
    attack_open();
    envelope = attack_envelope_size(guest);
    for (Call *c = calls; c < calls + N_CALLS; c++) {
        c->len = c->len ? c->len : envelope;
    }
}

#endif /* ATTACK_CALLS_H */
