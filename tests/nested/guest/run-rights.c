/*
 * What a program may do that shadow-run has started, in the cloud VM; prints
 * PASS and FAIL.
 *
 *     run-rights
 *     run-rights empty PROGRAM    execute it without any argument, not even 0
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"

static sigjmp_buf faulted;
static int failures;

static void check(bool ok, const char *what, unsigned port)
{
    printf("%s %s", ok ? "PASS" : "FAIL", what);
    if (port) {
        printf(" 0x%x", port);
    }
    printf("\n");
    failures += !ok;
}

static void on_fault(int sig)
{
    siglongjmp(faulted, 1);
}

static bool may_read(uint16_t port)
{
    if (sigsetjmp(faulted, 1)) {
        return false;
    }
    inb(port);
    return true;
}

static void check_capabilities(void)
{
    static const char *const sets[] = {
        "CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000000\n",
        "CapEff:\t0000000000000000\n", "CapAmb:\t0000000000000000\n",
    };
    char line[200];
    FILE *f = fopen("/proc/self/status", "r");
    unsigned found = 0;

    while (f && fgets(line, sizeof(line), f)) {
        for (unsigned i = 0; i < 4; i++) {
            if (!strncmp(line, sets[i], 6)) {
                check(!strcmp(line, sets[i]), "no capability", 0);
                found++;
            }
        }
    }
    check(found == 4, "all sets of capabilities looked at", 0);
    check(ioperm(0x80, 1, 1) < 0 && errno == EPERM, "no further ports", 0);
    check(iopl(3) < 0 && errno == EPERM, "nor all of them", 0);
}

static void check_ports(uint16_t first)
{
    const uint16_t others[] = { 0x20, 0x60, 0x70, 0x80, 0x3f8, 0xcf8, 0xcfc,
                                first - 1, first + ULTRACALL_BAR_SIZE };

    for (unsigned i = 0; i < ULTRACALL_BAR_SIZE; i++) {
        if (!may_read(first + i)) {
            check(false, "port of the ultracall device", first + i);
        }
    }
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        check(!may_read(others[i]), "not port", others[i]);
    }
}

int main(int argc, char **argv)
{
    struct ultracall_client client;

    if (argc == 3 && !strcmp(argv[1], "empty")) {
        char *none[] = { NULL };

        execve(argv[2], none, none);
        return 1;
    }
    sigaction(SIGSEGV, &(struct sigaction) { .sa_handler = on_fault }, NULL);
    check_capabilities();
    check(ultracall_open(&client) == 0, "PROBE", 0);
    if (client.port) {
        check_ports(client.port);
    }
    return failures != 0;
}
