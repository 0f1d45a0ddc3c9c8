/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private-over: a guest in private memory that a second CPU never leaves, while
 * the first one ends it, and has it launched anew; with then=call, by RESET;
 * with then=stay, while others do what they will; with then=reset, and then
 * resets that CPU.
 */
#include "private.h"

#define EBUSY 16
#define EINVAL 22
#define ENOSPC 28
#define EALREADY 114

#define STILL 50
#define ROUNDS 200000

/* volatile: set by the other CPU */
static volatile uint64_t entries, after_init;

/* Without a timer, until the guest waits for an interrupt in a loop. */
static void second_cpu(void)
{
    vm_init_second();
    private_cpu_init();
    while (private_answer(private_vm.vmcb->exit_code).completes ||
           private_vm.vmcb->exit_code == EXIT_NPF) {
        entries++;
        private_enter();
    }
    check("the guest goes on", private_vm.vmcb->exit_code, 0);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static void second_cpu_again(void)
{
    after_init = 1 + private_secrets_here();
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static void wait_until_inside(void)
{
    for (unsigned still = 0; still < STILL;) {
        uint64_t was = entries;

        relax(ROUNDS);
        still = was && was == entries ? still + 1 : 0;
    }
}

/* Nothing of it is told to a guest of L1's own with the same, or a copy. */
static void enter_beside(void)
{
    static struct vmcb copy __attribute__((aligned(4096)));
    Vm other = private_vm;

    copy = *private_vm.vmcb;
    other.vmcb = &copy;
    vm_enter_once(&other);
    check("secrets in a copy", private_secrets_in(&other), 0);
    other.vmcb = private_vm.vmcb;
    vm_enter_once(&other);
    check("secrets in the same VMCB", private_secrets_in(&other), 0);
}

static void reset_second(void)
{
    smp_start(second_cpu_again);
    for (unsigned n = 0; !after_init && n < ROUNDS; n++) {
        relax(ROUNDS);
    }
    check("secrets in registers after INIT", after_init, 1);
}

/* On this CPU, until it has made some rounds */
static void go_on(const char *what)
{
    unsigned until = private_rounds + 3;

    for (unsigned n = 0; private_rounds < until && n < 10000; n++) {
        PrivateExit exit = private_answer(private_vm.vmcb->exit_code);

        if (exit.spins) {
            private_vm.vmcb->event_inj = INJECT_VALID | VICTIM_VECTOR;
        }
        private_enter();
    }
    check(what, private_rounds, until);
}

/* Lists of memory in which there is no place for a kernel, or that are none */
static void launch_wildly(Vm *vm)
{
    static uint8_t lists[5][128 * 20];
    static const uint64_t lengths[] = { 20, 40, 2560, 2560, 39, 0, 2561 };

    for (unsigned i = 0; i < sizeof(lists[1]); i++) {
        lists[1][i] = 0xff;
        lists[2][i] = i * 37;
        lists[3][i] = i % 20 == 16 ? 1 : i % 20 < 8 ? 0xff : i;
    }
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        check("a wild list", private_try_launch(vm, lists[i % 4], lengths[i]),
              lengths[i] < 20 ? -ENOSPC : -EINVAL);
    }
}

void scenario_private_over(void)
{
    static Vm second;
    static uint64_t cookie;

    check("BIND", bind_at("vm1", ROOT_A, &cookie), 0);
    launch_wildly(&second);
    if (!private_launch() || !smp_start(second_cpu)) {
        return;
    }
    wait_until_inside();
    if (option_is("then", "stay")) {
        say("INFO inside");
        for (;;) {
            __asm__ volatile("cli; hlt");
        }
    }
    if (option_is("then", "reset")) {
        reset_second();
        go_on("rounds of what was reset");
        return;
    }
    enter_beside();
    check("LAUNCH beside it", private_launch_again(&second), -EALREADY);
    if (option_is("then", "call")) {
        check("RESET", call(ULTRACALL_RESET, "vm1", NULL, 0), 0);
    } else {
        check("UNBIND", call(ULTRACALL_UNBIND, "vm1", NULL, 0), 0);
        check("BIND", bind_at("vm1", ROOT_A, &cookie), 0);
    }
    check("LAUNCH while a CPU is inside", private_launch_again(&second),
          -EBUSY);
    reset_second();
    if (!check("LAUNCH", private_launch_again(&second), 1)) {
        return;
    }
    private_vm = second;
    private_rounds = 0;
    go_on("rounds of the new one");
}
