/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks that a process may make ultracalls, or none at all. */
#ifndef ATTACK_RIGHTS_H
#define ATTACK_RIGHTS_H

#include "attack.h"
#include <sys/wait.h>

#define KVM_ENOSYS 1000
#define USER       1000

static inline Outcome probe(Transport t)
{
    struct ultracall_probe reply;

    return attack_tagged(t, ULTRACALL_PROBE, NULL, (uintptr_t)&reply,
                         sizeof(reply), 0);
}

/* Whether L0 has KVM, that says no more than that in this leaf */
static inline bool under_kvm(void)
{
    uint32_t eax = 0x40000000, ebx, ecx = 0, edx;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return ebx == 0x4b4d564b && ecx == 0x564b4d56 && edx == 0x4d;
}

/* KVM writes the processor's own instruction over another vendor's. */
static inline bool applies(Transport t)
{
    if (t == VMCALL && under_kvm()) {
        printf("# under KVM vmcall is not this processor's\n");
        return false;
    }
    return true;
}

static inline void check_may(const char *who)
{
    for (Transport t = VMMCALL; t <= DOORBELL; t++) {
        Outcome o;

        if (!applies(t)) {
            continue;
        }
        o = probe(t);
        check(returned(&o, 0), &o, "%s may call by %s", who,
              transport_names[t]);
    }
}

/* The latter to who has the page tables of an admitted process that has ended */
static inline bool refused(const Outcome *o)
{
    return returned(o, -EPERM) || (returned(o, -EFAULT) && !o->value);
}

static inline void check_may_not(const char *who)
{
    static const uint64_t wild[] = { 0, 0xdead000000000000, 0xffffffff81000000,
                                     -1ul };

    for (Transport t = VMMCALL; t <= VMCALL; t++) {
        Outcome o;
        bool ok = true;

        if (!applies(t)) {
            continue;
        }
        for (uint32_t nr = 0; ok && nr < 0x100 * 4; nr++) {
            uint64_t a = wild[nr & 3];

            if (nr >> 2 == ULTRACALL_ADMIT) {
                continue; /* anyone may try: attack-tokens does */
            }
            o = attack_call(t, nr >> 2, a, 8, a, 1 << 20, 0);
            ok = refused(&o);
        }
        check(ok, &o, "%s may make no call by %s", who, transport_names[t]);
        o = attack_raw(t, 0x1234, wild);
        check(under_kvm() ? returned(&o, -KVM_ENOSYS) : o.signal == SIGILL, &o,
              "%s: other %s is no call", who, transport_names[t]);
    }
    check(probe(DOORBELL).signal == SIGSEGV, NULL,
          "%s may not ring the doorbell", who);
}

/* In a process of its own, whose checks count here */
static inline void in_child(void (*function)(void))
{
    int status;

    fflush(stdout);
    if (fork() == 0) {
        passed = failed = 0;
        function();
        _exit(failed ? 100 : passed);
    }
    wait(&status);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 100) {
        failed++;
    } else {
        passed += WEXITSTATUS(status);
    }
}

#endif /* ATTACK_RIGHTS_H */
