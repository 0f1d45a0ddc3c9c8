/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attack-dom0 GUEST: what a program in Xen's PV control domain must not get by
 * ultracalls, and what it must.  Prints PASS and FAIL.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"

/* Xen's own, as xen/include/asm-x86/config.h lays out its address space */
#define XEN_TEXT        0xffff82d040200000u
#define XEN_DIRECT_MAP  0xffff83000007e000u

static sigjmp_buf out;
static int failures;

static void on_signal(int number)
{
    siglongjmp(out, number);
}

static void check(const char *what, int64_t got, int64_t want)
{
    printf("%s %s: %lld\n", got == want ? "PASS" : "FAIL", what,
           (long long)got);
    failures += got != want;
}

/* The call's result, or the signal's number as 1000 and more */
static int64_t call(bool doorbell, uint16_t port, uint32_t nr,
                    const uint64_t *a)
{
    uint64_t value;
    int number = sigsetjmp(out, 1);

    if (number) {
        return 1000 + number;
    }
    return doorbell ? ultracall_by_doorbell(port, nr, a, &value)
                    : ultracall_by_instruction(nr, a, &value);
}

int main(int argc, char **argv)
{
    static uint64_t buf[512] __attribute__((aligned(4096)));
    const char *tag = argc > 1 ? argv[1] : "vm1";
    uint64_t probe[ULTRACALL_ARGS] = { (uintptr_t)buf,
                                       sizeof(struct ultracall_probe) };
    uint64_t bind[ULTRACALL_ARGS] = { (uintptr_t)tag, strlen(tag),
                                      (uintptr_t)buf, 8 };
    uint64_t wild[ULTRACALL_ARGS] = { XEN_DIRECT_MAP,
                                      sizeof(struct ultracall_probe) };
    struct sigaction action = { .sa_handler = on_signal };
    struct ultracall_client c;

    sigaction(SIGSEGV, &action, NULL);
    memset(buf, 0, sizeof(buf));
    mlockall(MCL_CURRENT);
    check("open", ultracall_open(&c), 0);
    check("by instruction", call(0, c.port, ULTRACALL_PROBE, probe), -EPERM);
    check("by doorbell", call(1, c.port, ULTRACALL_PROBE, probe), 0);
    check("into Xen's map of all memory",
          call(1, c.port, ULTRACALL_PROBE, wild), -EFAULT);
    wild[0] = XEN_TEXT;
    check("into Xen's program", call(1, c.port, ULTRACALL_PROBE, wild),
          -EFAULT);
    wild[0] = bind[0];
    wild[1] = bind[1];
    wild[2] = XEN_DIRECT_MAP;
    wild[3] = 1 << 20;
    check("an envelope into Xen's memory",
          call(1, c.port, ULTRACALL_SAVE, wild), -EFAULT);
    check("bind this process", call(1, c.port, ULTRACALL_BIND, bind),
          -EOPNOTSUPP);
    ioperm(c.port, ULTRACALL_BAR_SIZE, 0);
    check("without the ports, by instruction",
          call(0, c.port, ULTRACALL_PROBE, probe), -EPERM);
    check("without the ports, by doorbell",
          call(1, c.port, ULTRACALL_PROBE, probe), 1000 + SIGSEGV);
    return failures ? 1 : 0;
}
