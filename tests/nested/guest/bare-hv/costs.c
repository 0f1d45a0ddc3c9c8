/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nobody attacks: L0 counts what it has to do for it.
 */
#include "hv.h"

#define BUSY_ROUNDS (1ul << 62)

/* transfer: the nested guest reads in=N bytes and writes out=N. */
void scenario_transfer(void)
{
    static Vm vm;

    vm_create(&vm, ROOT_A, nested_transfer, option("out", 0), option("in", 0));
    if (bind("vm1", ROOT_A)) {
        vm_step(&vm);
        check("accesses that L1 saw", vm.seen, 0);
    }
}

/*
 * idle: guests=N of them are bound, and have been run; then the CPU halts for
 * good, or with busy=1 another guest of the last one's process keeps it.
 */
void scenario_idle(void)
{
    static Vm busy;
    uint64_t guests = option("guests", 1);
    char tag[] = "v00";

    for (uint64_t n = 1; n <= guests; n++) {
        tag[1] = '0' + n / 10;
        tag[2] = '0' + n % 10;
        if (!bind(tag, ROOT_MORE + n - 1)) {
            return;
        }
    }
    say("INFO idle");
    if (option("busy", 0)) {
        vm_create(&busy, ROOT_MORE + guests - 1, nested_spin, BUSY_ROUNDS, 0);
        vm_step(&busy);
    }
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
