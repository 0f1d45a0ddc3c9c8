/*
 * Ultracalls that may end in a signal, and checks that print what came of
 * them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACK_H
#define ATTACK_H

#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"

#define PAGE 4096ul

typedef enum Transport { VMMCALL, VMCALL, DOORBELL } Transport;

static const char *const transport_names[] = { "vmmcall", "vmcall",
                                               "doorbell" };

/* What came of a call: a signal, or else the two results */
typedef struct Outcome {
    int signal;
    uint64_t address; /* si_addr */
    int64_t status;
    uint64_t value;
} Outcome;

static uint16_t doorbell;
static __thread sigjmp_buf attack_jump;
static __thread Outcome attack_outcome;
static unsigned passed, failed;

static void attack_signal(int signal, siginfo_t *info, void *context)
{
    attack_outcome =
        (Outcome){ .signal = signal, .address = (uintptr_t)info->si_addr };
    siglongjmp(attack_jump, 1);
}

static inline void attack_catch_signals(void)
{
    struct sigaction action = { .sa_sigaction = attack_signal,
                                .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGILL, &action, NULL);
}

/* The instruction with any RAX */
static inline void attack_instruction(Transport t, uint64_t *rax,
                                      uint64_t *rdx, const uint64_t *a)
{
    register uint64_t r8 __asm__("r8") = a[2];
    register uint64_t r9 __asm__("r9") = a[3];
    register uint64_t r10 __asm__("r10") = a[4];

    switch (t) {
    case VMMCALL:
        __asm__ volatile(".byte 0x0f, 0x01, 0xd9"
                         : "+a"(*rax), "+d"(*rdx)
                         : "D"(a[0]), "S"(a[1]), "r"(r8), "r"(r9), "r"(r10)
                         : "memory", "cc");
        break;
    case VMCALL:
        __asm__ volatile(".byte 0x0f, 0x01, 0xc1"
                         : "+a"(*rax), "+d"(*rdx)
                         : "D"(a[0]), "S"(a[1]), "r"(r8), "r"(r9), "r"(r10)
                         : "memory", "cc");
        break;
    case DOORBELL:
        __asm__ volatile("outl %%eax, %%dx"
                         : "+a"(*rax), "+d"(*rdx)
                         : "D"(a[0]), "S"(a[1]), "r"(r8), "r"(r9), "r"(r10)
                         : "memory", "cc");
        break;
    }
}

static inline Outcome attack_raw(Transport t, uint64_t rax, const uint64_t *a)
{
    uint64_t rdx = t == DOORBELL ? doorbell : 0;

    if (sigsetjmp(attack_jump, 1)) {
        return attack_outcome;
    }
    attack_instruction(t, &rax, &rdx, a);
    return (Outcome){ .status = rax, .value = rdx };
}

static inline Outcome attack_call(Transport t, uint32_t nr, uint64_t a0,
                                  uint64_t a1, uint64_t a2, uint64_t a3,
                                  uint64_t a4)
{
    const uint64_t a[ULTRACALL_ARGS] = { a0, a1, a2, a3, a4 };

    return attack_raw(t, ULTRACALL_MAGIC | nr, a);
}

/* With a tag, or without one (NULL) */
static inline Outcome attack_tagged(Transport t, uint32_t nr, const char *tag,
                                    uint64_t va, uint64_t len, uint64_t flags)
{
    return tag ? attack_call(t, nr, (uintptr_t)tag, strlen(tag), va, len,
                             flags)
               : attack_call(t, nr, va, len, flags, 0, 0);
}

/* One line per check: the name is a format */
static void __attribute__((format(printf, 3, 4)))
check(bool ok, const Outcome *o, const char *format, ...)
{
    va_list args;

    printf(ok ? "PASS " : "FAIL ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    if (!ok && o) {
        printf(": signal %d at 0x%lx, status %ld, value 0x%lx", o->signal,
               (long)o->address, (long)o->status, (long)o->value);
    }
    putchar('\n');
    fflush(stdout);
    if (ok) {
        passed++;
    } else {
        failed++;
    }
}

static inline bool returned(const Outcome *o, int64_t status)
{
    return !o->signal && o->status == status;
}

/*
 * The buffer from @va on is not for the caller: by instruction that is a fault
 * of the caller's (for some addresses without one), by doorbell an error.
 */
static inline bool faulted(Transport t, const Outcome *o, uint64_t va,
                           uint64_t len)
{
    uint64_t at = t == DOORBELL ? o->value : o->address;
    bool inside = at - va < len || (t != DOORBELL && at == 0);

    return inside &&
           (t == DOORBELL ? returned(o, -EFAULT) : o->signal == SIGSEGV);
}

/* New memory of whole pages, never touched */
static inline uint8_t *area(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return p;
}

/* Find the doorbell, get the permission, and stay with signals */
static inline void attack_open(void)
{
    struct ultracall_client client;
    int ret = ultracall_open(&client);

    if (ret) {
        fprintf(stderr, "no ultracalls: %s\n", strerror(-ret));
        exit(2);
    }
    doorbell = client.port;
    attack_catch_signals();
}

static inline size_t attack_envelope_size(const char *guest)
{
    Outcome o = attack_tagged(VMMCALL, ULTRACALL_STATE_SIZE, guest, 0, 0, 0);

    if (!returned(&o, 0)) {
        fprintf(stderr, "no state of guest %s: %ld\n", guest, (long)o.status);
        exit(2);
    }
    return o.value;
}

static inline int attack_summary(void)
{
    printf("attack: %u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}

static inline bool filled_with(const uint8_t *p, size_t len, uint8_t byte)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] != byte) {
            return false;
        }
    }
    return true;
}

#endif /* ATTACK_H */
