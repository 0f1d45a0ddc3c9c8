/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: who is admitted.
 *
 * A process is known by its address space and a cookie in its memory, as for
 * BIND.  Whoever gets at that address space's tables later lacks the cookie,
 * and has one try: a wrong one ends the admission.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/misc/ultracall-admission.h"
#include "shadow/migration/shadow-secret.h"
#include "shadow/trace.h"

#define ADMISSION_PROCESSES 256
#define ADMISSION_TICKETS   64

typedef struct AdmissionKey {
    uint8_t bytes[ULTRACALL_TOKEN_LEN];
} AdmissionKey;

typedef struct AdmittedProcess {
    uint64_t process;
    uint64_t va;            /* of the cookie */
    uint64_t cookie;
    bool passes;            /* it may draw tickets: it had the token */
} AdmittedProcess;

static struct {
    QemuMutex lock;
    bool open;              /* there is a token */
    AdmissionKey token;
    AdmissionKey ticket[ADMISSION_TICKETS];
    unsigned tickets;
    AdmittedProcess process[ADMISSION_PROCESSES];
    unsigned processes;
} admission;

bool ultracall_admission_renew(uint8_t token[ULTRACALL_TOKEN_LEN])
{
    QEMU_LOCK_GUARD(&admission.lock);

    admission.processes = 0;
    admission.tickets = 0;
    admission.open = shadow_random(&admission.token, sizeof(admission.token));
    if (!admission.open) {
        admission.token = (AdmissionKey) { };
    }
    memcpy(token, &admission.token, ULTRACALL_TOKEN_LEN);
    return admission.open;
}

/* In a time that does not tell where they differ */
static bool admission_same(const AdmissionKey *a, const AdmissionKey *b)
{
    uint8_t differ = 0;

    for (unsigned i = 0; i < sizeof(a->bytes); i++) {
        differ |= a->bytes[i] ^ b->bytes[i];
    }
    return !differ;
}

/* The token or the ticket that @key is, or NULL */
static AdmissionKey *admission_find_key(const AdmissionKey *key)
{
    if (admission.open && admission_same(key, &admission.token)) {
        return &admission.token;
    }
    for (unsigned i = 0; i < admission.tickets; i++) {
        if (admission_same(key, &admission.ticket[i])) {
            return &admission.ticket[i];
        }
    }
    return NULL;
}

/* A ticket is good once. */
static void admission_use_key(AdmissionKey *key)
{
    if (key != &admission.token) {
        *key = admission.ticket[--admission.tickets];
    }
}

/* The oldest one makes room: who has not used it by then has forgotten it. */
static void admission_add_ticket(const AdmissionKey *key)
{
    if (admission.tickets == ADMISSION_TICKETS) {
        memmove(&admission.ticket[0], &admission.ticket[1],
                sizeof(admission.ticket[0]) * --admission.tickets);
    }
    admission.ticket[admission.tickets++] = *key;
}

static void admission_drop(AdmittedProcess *p)
{
    trace_ultracall_admission_over(p->process);
    *p = admission.process[--admission.processes];
}

static AdmittedProcess *admission_find(uint64_t process)
{
    for (unsigned i = 0; i < admission.processes; i++) {
        if (admission.process[i].process == process) {
            return &admission.process[i];
        }
    }
    return NULL;
}

/* Most of them have ended, and call no more. */
static void admission_tidy(void)
{
    for (unsigned i = admission.processes; i-- > 0; ) {
        AdmittedProcess *p = &admission.process[i];
        uint64_t seen;

        if (!shadow_accel()->peek(p->process, p->va, &seen) ||
            seen != p->cookie) {
            admission_drop(p);
        }
    }
}

/* Where the process' cookie can be, or NULL: there are too many */
static AdmittedProcess *admission_room(uint64_t process)
{
    AdmittedProcess *p = admission_find(process);

    if (p) {
        return p;
    }
    if (admission.processes == ADMISSION_PROCESSES) {
        admission_tidy();
    }
    return admission.processes < ADMISSION_PROCESSES ?
           &admission.process[admission.processes++] : NULL;
}

static bool admission_get(uint64_t process, AdmittedProcess *copy)
{
    QEMU_LOCK_GUARD(&admission.lock);
    AdmittedProcess *p = admission_find(process);

    if (p) {
        *copy = *p;
    }
    return p;
}

/* It may have been admitted anew meanwhile. */
static void admission_end(const AdmittedProcess *copy)
{
    QEMU_LOCK_GUARD(&admission.lock);
    AdmittedProcess *p = admission_find(copy->process);

    if (p && p->cookie == copy->cookie) {
        admission_drop(p);
    }
}

int ultracall_admission_check(UltracallCaller *c, bool on)
{
    AdmittedProcess p;
    ShadowEntry caller;
    uint64_t seen;

    c->entry(c, &caller);
    if (!admission_get(caller.process, &p)) {
        return -EPERM;
    }
    /* not with the lock held: what is there may be a device */
    if (!c->peek(c, p.va, &seen)) {
        return -EFAULT;
    }
    if (seen != p.cookie) {
        admission_end(&p);
        return -EPERM;
    }
    return !on || p.passes ? 0 : -EPERM;
}

/*
 * Not for who has a ticket himself, or I/O permission: he may face a guest, and
 * his right is to end with him.
 */
static int admission_new_ticket(UltracallCall *call)
{
    int ret = ultracall_admission_check(call->caller, true);
    AdmissionKey key;

    if (ret) {
        return ret;
    }
    if (!shadow_random(&key, sizeof(key))) {
        return -EIO;
    }
    WITH_QEMU_LOCK_GUARD(&admission.lock) {
        admission_add_ticket(&key);
    }
    ultracall_write(call, &key, sizeof(key));
    return 0;
}

int ultracall_admit(UltracallCall *call)
{
    uint64_t cookie[ULTRACALL_TOKEN_LEN / sizeof(uint64_t)] = { };
    AdmissionKey key, *known;
    ShadowEntry caller;
    AdmittedProcess *p;

    if (call->flags & ULTRACALL_ADMIT_TICKET) {
        return admission_new_ticket(call);
    }
    if (call->caller->no_process) {
        return -EOPNOTSUPP;
    }
    if (!shadow_random(&cookie[0], sizeof(cookie[0]))) {
        return -EIO;
    }
    iov_to_buf(call->buf.iov, call->buf.n, 0, &key, sizeof(key));
    call->caller->entry(call->caller, &caller);
    WITH_QEMU_LOCK_GUARD(&admission.lock) {
        known = admission_find_key(&key);
        if (!known) {
            return -EPERM;
        }
        p = admission_room(caller.process);
        if (!p) {
            return -EBUSY;
        }
        admission_use_key(known);
        *p = (AdmittedProcess) {
            caller.process, call->va, cookie[0], known == &admission.token
        };
    }
    /* what the token was written to shows it no more */
    ultracall_write(call, cookie, sizeof(cookie));
    trace_ultracall_admitted(caller.process);
    return 0;
}

static void __attribute__((constructor)) admission_init(void)
{
    qemu_mutex_init(&admission.lock);
}
