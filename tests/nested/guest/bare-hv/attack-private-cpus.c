/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private-cpus: a guest in private memory that has two CPUs, which L1 enters by
 * turns; the second one when the guest has asked for it, and no third.  With
 * then=kept L1 does not let it out when the guest starts that CPU anew.
 */
#include "private.h"

/* Where L1's own code is, at least */
#define LOADED 0x200000

#define ICR_MODE 0x700
#define ICR_STARTUP 0x600

static Vm second, third;
static unsigned refused;
/* The guest has asked for the second one. */
static bool asked;

static void nested_program(uint64_t unused, uint64_t unused2)
{
    for (;;) {
        __asm__ volatile("vmmcall" : : "a"(0) : "memory");
    }
}

/* One that is not the guest's runs what L1 has put there. */
static void must_be_other(Vm *vm, const char *what)
{
    must(what, vm_enter_once(vm), EXIT_VMMCALL);
    must("its RIP", vm->vmcb->rip >= LOADED, true);
    vm->vmcb->rip += 3;
}

static uint64_t enter_second(void)
{
    Vm first = private_vm;
    uint64_t code;

    private_vm = second;
    code = private_enter();
    second = private_vm;
    private_vm = first;
    return code;
}

/* Its only exit: a byte to a port */
static void answer_second(void)
{
    struct vmcb *vmcb = second.vmcb;

    must("exit", vmcb->exit_code, EXIT_IOIO);
    must("port", vmcb->exit_info1 >> IOIO_PORT, VICTIM_AP_PORT);
    must("byte", vmcb->rax, VICTIM_AP_WRITES);
    for (int i = 0; i < REGS; i++) {
        second.regs[i] = 0x0101010101010101 * i;
    }
    vmcb->rax = vmcb->rsp = 0x6a6b6c6d6e6f6061;
    vmcb->rip = vmcb->next_rip;
}

static void begin_second(void)
{
    for (int i = 0; i < REGS; i++) {
        second.regs[i] = 0x0101010101010101 * (i + 1);
    }
    second.vmcb->rax = second.vmcb->rsp = 0x6a6b6c6d6e6f6061;
    second.vmcb->event_inj = INJECT_VALID | 2u << INJECT_TYPE;
    check("its first entry, with an event", enter_second(), EXIT_INVALID);
    refused++;
    second.vmcb->event_inj = 0;
    enter_second();
    answer_second();
}

/* Each is what is at its address, whatever that holds. */
static void swap_contents(void)
{
    struct vmcb *a = private_vm.vmcb, *b = second.vmcb;
    static struct vmcb old_a, old_b;

    old_a = *a;
    old_b = *b;
    *b = old_a;
    *a = old_b;
    if (enter_second() == EXIT_INVALID) {
        refused++;
        *b = old_b;
    } else {
        answer_second();
    }
    *a = old_a;
}

static void step_second(void)
{
    static unsigned turn;

    if (!asked) {
        must_be_other(&second, "before it was asked for");
        return;
    }
    if (!turn++) {
        begin_second();
    }
    if (turn % 5 == 0) {
        swap_contents();
    }
    enter_second();
    answer_second();
    must_be_other(&third, "a third CPU");
}

/*
 * The startup interrupt again and again, by one instruction of the guest's;
 * also after the CPU has been started.
 */
static void replay(void)
{
    uint64_t code = private_vm.vmcb->exit_code;

    if (code != EXIT_MSR || private_vm.regs[RCX] != MSR_X2APIC_ICR) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        must("the same again", private_enter(), EXIT_MSR);
        must("register", private_vm.regs[RCX], MSR_X2APIC_ICR);
    }
    if ((private_vm.vmcb->rax & ICR_MODE) == ICR_STARTUP) {
        asked = true;
        step_second();
        must("once more", private_enter(), EXIT_MSR);
        must_be_other(&third, "a CPU for each time");
    }
}

/* then=kept */

#define WHILE_INSIDE 5000000

/* volatile: set by the other CPU */
static volatile bool enters;

static void stay_inside(void)
{
    vm_init_second();
    private_cpu_init();
    vm_set_intercept(&second, EXIT_IOIO, false);
    enters = true;
    vm_enter_once(&second);
    say("FAIL it has left: 0x%x", second.vmcb->exit_code);
}

static void do_nothing(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static bool is_startup(void)
{
    return private_vm.vmcb->exit_code == EXIT_MSR &&
           private_vm.regs[RCX] == MSR_X2APIC_ICR &&
           (private_vm.vmcb->rax & ICR_MODE) == ICR_STARTUP;
}

/* It is one CPU, whatever L1 does: its successor begins when it has ended. */
static void keep(void)
{
    static unsigned startups;

    if (!is_startup()) {
        return;
    }
    if (!startups++) {
        smp_start(stay_inside);
        relax(WHILE_INSIDE);
        check("it enters the second CPU", enters, true);
        return;
    }
    must_be_other(&third, "its successor beside it");
    smp_start(do_nothing);
    relax(WHILE_INSIDE);
    check("its successor", vm_enter_once(&third), EXIT_IOIO);
    check("its port", third.vmcb->exit_info1 >> IOIO_PORT, VICTIM_AP_PORT);
}

void scenario_private_cpus(void)
{
    bool kept = option_is("then", "kept");

    private_cpus = kept ? 2 : 1;
    if (!private_launch()) {
        return;
    }
    vm_create(&second, ROOT_A, nested_program, 0, 0);
    vm_create(&third, ROOT_A, nested_program, 0, 0);
    while (kept && private_rounds < option("rounds", 5)) {
        PrivateExit exit;

        keep();
        exit = private_answer(private_vm.vmcb->exit_code);
        if (exit.spins) {
            private_vm.vmcb->event_inj = INJECT_VALID | VICTIM_VECTOR;
        }
        private_enter();
    }
    while (private_rounds < option("rounds", 5)) {
        PrivateExit exit;

        replay();
        exit = private_answer(private_vm.vmcb->exit_code);
        step_second();
        if (exit.spins) {
            private_vm.vmcb->event_inj = INJECT_VALID | VICTIM_VECTOR;
        }
        private_enter();
    }
    say("COUNT rounds %u", (uint64_t)private_rounds);
    say("COUNT refused %u", (uint64_t)refused);
}
