/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * import-others: while a guest comes to be private, another one that L1 runs
 * as the bound one says all the time, on another CPU, that memory is sealed.
 * Until the first one is private that is its port, too.
 */
#include "import.h"

#define ROUNDS 24
#define TIMES 100

static Vm other;
/* In memory that the guests share */
static Word times, port;

static void nested_says(uint64_t unused, uint64_t unused2)
{
    for (;;) {
        outb('S', SEAL);
        times++;
    }
}

static void wait_for_other(void)
{
    uint64_t until = times + TIMES;

    while (times < until) {
        relax(1);
    }
}

static void nested_locks(uint64_t unused, uint64_t unused2)
{
    rdmsr(MSR_SEV_STATUS);
    /* what was on its way then has come */
    wait_for_other();
    port = inb(SEAL);
    __asm__ volatile("vmmcall" : : "a"(0) : "memory");
}

static void second_cpu(void)
{
    vm_init_second();
    while (vm_run(&other) == EXIT_IOIO) {
        other.vmcb->rip = other.vmcb->next_rip;
    }
    check("the other one's exit", other.vmcb->exit_code, EXIT_IOIO);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

void scenario_import_others(void)
{
    static Vm vm;

    import_create(&other, nested_says);
    if (!smp_start(second_cpu)) {
        return;
    }
    for (unsigned n = 0; n < ROUNDS; n++) {
        wait_for_other();
        import_create(&vm, nested_locks);
        check("it comes to be private", vm_run(&vm), EXIT_VMMCALL);
        check("what its port says", port, 'L');
        check("RESET", call(ULTRACALL_RESET, "vm1", NULL, 0), 0);
    }
    say("COUNT rounds %u", (uint64_t)ROUNDS);
}
