/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * work: always the same work of a nested guest, so that what the outer QEMU
 * does for it can be counted.
 *
 * The guest is entered entries=N times, computes steps=N each time and then
 * accesses a port that is nobody's, which L1 gets to see.  With bind=1 it has
 * a shadow console, which it does not use.
 */
#include "hv.h"

void scenario_work(void)
{
    static Vm vm;
    uint64_t entries = option("entries", 0);

    vm_create(&vm, ROOT_A, nested_work, option("steps", 100), 0);
    vm.quiet = true;
    if (option("bind", 0) && !bind("vm1", ROOT_A)) {
        return;
    }
    for (uint64_t n = 0; n < entries; n++) {
        if (vm_step(&vm) != VM_ACCESS || vm.last.port != NESTED_WORK_PORT) {
            check("the guest works", false, true);
            return;
        }
    }
    check("entries", vm.seen, entries);
}
