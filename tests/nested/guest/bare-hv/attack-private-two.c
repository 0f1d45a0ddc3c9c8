/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private-two: two guests in private memory, each of which L1 enters as the
 * other, with its own VMCB and with a copy of the other's.
 */
#include "private.h"

static Vm vms[2];

/* As a guest of the other's process: that has no such CPU. */
static void enter_as_other(Vm *vm)
{
    static struct vmcb old;
    Vm as = *vm;

    old = *vm->vmcb;
    as.process = vm->process == ROOT_A ? ROOT_B : ROOT_A;
    vm->vmcb->rip = old.rip;
    must("it does not go on", vm_enter_once(&as) == old.exit_code, false);
    must("secrets of it", private_secrets_in(&as), 0);
    must("secrets in registers", private_secrets_here(), 0);
    *vm->vmcb = old;
}

/* What the other's VMCB holds means nothing: it goes on as itself, or not. */
static void enter_with_others(Vm *vm, const Vm *other)
{
    static struct vmcb old;

    old = *vm->vmcb;
    *vm->vmcb = *other->vmcb;
    vm->vmcb->rip = 0xff0;
    vm->vmcb->nested_cr3 = old.nested_cr3;
    must("another RIP", vm_enter_once(vm), EXIT_INVALID);
    *vm->vmcb = old;
}

static void step(unsigned n)
{
    PrivateExit exit;

    private_vm = vms[n];
    exit = private_answer(private_vm.vmcb->exit_code);
    if (exit.spins) {
        private_vm.vmcb->event_inj = INJECT_VALID | VICTIM_VECTOR;
    } else {
        enter_as_other(&private_vm);
        enter_with_others(&private_vm, &vms[!n]);
    }
    private_enter();
    vms[n] = private_vm;
}

void scenario_private_two(void)
{
    static uint64_t cookie;
    unsigned refused = 0;

    if (!private_launch()) {
        return;
    }
    vms[0] = private_vm;
    check("BIND", bind_at("vm2", ROOT_B, &cookie), 0);
    vm_create(&vms[1], ROOT_B, NULL, 0, 0);
    if (!check("LAUNCH", private_launch_again(&vms[1]), 1)) {
        return;
    }
    while (private_rounds < option("rounds", 6)) {
        step(0);
        step(1);
        refused++;
    }
    say("COUNT rounds 1");
    say("COUNT refused %u", (uint64_t)refused);
}
