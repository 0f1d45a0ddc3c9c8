/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest of fuzz-pages, vm1, and its private memory that arrives and leaves.
 */
#ifndef SHADOW_FUZZ_PAGES_H
#define SHADOW_FUZZ_PAGES_H

#include "shadow/hw/misc/ultracall.h"
#include "shadow/migration/shadow-stream.h"
#include "shadow/tests/fuzz/fuzz-machine.h"
#include "shadow/tests/shadow-image.h"

#define FUZZ_VM_SIZE (1 * MiB)
#define FUZZ_VM_PAGES (FUZZ_VM_SIZE / SHADOW_PAGE)

/* The cloud VM's address space: a buffer, besides the guest's id */
#define FUZZ_BUF_VA 0x100000
#define FUZZ_BUF_SIZE (ULTRACALL_RECORD_MAX + 1)

typedef struct FuzzVm {
    ShadowGuest *guest;
    uint8_t *buffer;
    uint8_t *memory;            /* what it has, once it is here */
    bool launched;              /* it should be */
} FuzzVm;

extern FuzzVm fuzz_vm;

void fuzz_vm_start(void);
void fuzz_vm_renew(void);
void fuzz_vm_later(uint8_t ms);
bool fuzz_vm_is_launched(void);

/*
 * A call: it answers nothing else than what is documented, and after a failure
 * no other state is there.
 */
UltracallRegs fuzz_vm_call(uint32_t nr, uint64_t va, uint64_t len,
                           uint64_t flags);

/* What an envelope of a session has */
typedef struct FuzzSessionKey {
    uint64_t size;
    uint8_t id[SHADOW_STREAM_ID_LEN];
    uint8_t key[SHADOW_STREAM_KEY_LEN];
} FuzzSessionKey;

/* What we know of a session that there should be */
typedef struct FuzzSession {
    ShadowStream *stream;       /* NULL: there should be none */
    uint64_t changes;           /* of the guest, when it began */
    uint8_t *image;
} FuzzSession;

void fuzz_session_begin(FuzzSession *s, const FuzzSessionKey *key);
void fuzz_session_forget(FuzzSession *s);
/* One that is over is not known any more. */
bool fuzz_session_lives(FuzzSession *s);

/* What arrives (fuzz-pages-arrive.c); @how: what the envelope is like */
void fuzz_arrive_start(void);
void fuzz_arrive_renew(void);
void fuzz_arrive_session(uint8_t how, FuzzInput *in);
void fuzz_arrive_record(uint8_t how, FuzzInput *in);
void fuzz_arrive_state(uint8_t how, FuzzInput *in);
void fuzz_arrive_ended(void);

/* What leaves (fuzz-pages-leave.c) */
void fuzz_leave_start(void);
void fuzz_leave_begin(void);
void fuzz_leave_export(FuzzInput *in);
void fuzz_leave_save(uint64_t flags);
void fuzz_leave_ended(void);

#endif /* SHADOW_FUZZ_PAGES_H */
