/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private-race: while one CPU enters a guest in private memory and leaves it,
 * another one writes to its VMCB, word by word, and causes SMIs and NMIs.
 */
#include "private.h"

#define APM_CONTROL 0xb2
#define SMI_NOTHING 0x55        /* a command that no firmware knows */
#define SMI_EVERY 4000
#define EXIT_SMI 0x62

#define SAVE_AREA_END 0x700

/* As it is before an entry; what is written is put back by it. */
static struct vmcb before;
/* volatile: what one CPU tells the other */
static volatile bool race_on, race_pauses, race_over;

/* Of what L1 needs to know of the exit nothing is written, */
static bool is_raced(unsigned offset)
{
    return offset != offsetof(struct vmcb, rip) &&
           offset != offsetof(struct vmcb, rflags) &&
           offset != offsetof(struct vmcb, rax);
}

/* nor what would have the guest go on without an exit. */
static const struct {
    unsigned offset;
    uint64_t val;
} inputs[] = {
    { offsetof(struct vmcb, tsc_offset), ~0ul },
    { offsetof(struct vmcb, asid), 0 },
    { offsetof(struct vmcb, nested_ctl), 0 },
    { offsetof(struct vmcb, nested_ctl), 7 },
    { offsetof(struct vmcb, event_inj), 0x80000b0e },
    { offsetof(struct vmcb, event_inj), 0x80000080 },
    { offsetof(struct vmcb, nested_cr3), PRIVATE_WINDOW + VICTIM_TABLE },
    { offsetof(struct vmcb, virt_ext), ~0ul },
    { offsetof(struct vmcb, clean), ~0ul },
};

static void race_word(unsigned offset, uint64_t val)
{
    /* volatile: the other CPU reads it meanwhile */
    volatile uint64_t *at = (uint64_t *)((uint8_t *)private_vm.vmcb + offset);

    *at = val;
    *at = *(uint64_t *)((uint8_t *)&before + offset);
}

static void race(void)
{
    static unsigned turn;

    for (unsigned at = SAVE_AREA; race_on && at < SAVE_AREA_END; at += 8) {
        if (is_raced(at)) {
            race_word(at, at % 3 ? ~0ul : at);
        }
    }
    for (size_t i = 0; race_on && i < ARRAY_SIZE(inputs); i++) {
        race_word(inputs[i].offset, inputs[i].val);
    }
    turn++;
    if (turn % SMI_EVERY == 0) {
        outb(SMI_NOTHING, APM_CONTROL);
    } else if (turn % SMI_EVERY == SMI_EVERY / 2) {
        smp_send_nmi();
    }
}

/* Of L1's own: they come to it when the guest has been left. */
static void __attribute__((interrupt)) own_nmi(void *frame)
{
}

static void second_cpu(void)
{
    while (!race_over) {
        race_pauses = !race_on;
        if (race_on) {
            race();
        }
    }
    race_pauses = true;
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static uint64_t enter_in_race(void)
{
    uint64_t code;

    before = *private_vm.vmcb;
    __asm__ volatile("" : : : "memory");
    race_on = true;
    while (race_pauses) {
        relax(1);
    }
    code = vm_enter_once(&private_vm);
    race_on = false;
    while (!race_pauses) {
        relax(1);
    }
    must("secrets in the VMCB", private_secrets_in(&private_vm), 0);
    must("secrets in registers", private_secrets_here(), 0);
    return code;
}

/* Until it is not refused.  Returns how often it was. */
static unsigned enter(void)
{
    uint64_t regs[REGS];
    unsigned refused = 0;

    for (int i = 0; i < REGS; i++) {
        regs[i] = private_vm.regs[i];
    }
    while (enter_in_race() == EXIT_INVALID) {
        *private_vm.vmcb = before;
        for (int i = 0; i < REGS; i++) {
            private_vm.regs[i] = regs[i];
        }
        refused++;
    }
    return refused;
}

/* What the other CPU has left, other than what the exit has. */
static void put_inputs_back(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        unsigned offset = inputs[i].offset;

        if (offset != offsetof(struct vmcb, event_inj)) {
            *(uint64_t *)((uint8_t *)private_vm.vmcb + offset) =
                *(uint64_t *)((uint8_t *)&before + offset);
        }
    }
}

#define ROUNDS_MAX 2000

void scenario_private_race(void)
{
    unsigned refused = 0, smis = 0, nmis = 0;

    if (!private_launch() || !smp_start(second_cpu)) {
        return;
    }
    memory_set_gate(VECTOR_NMI, own_nmi);
    vm_set_intercept(&private_vm, EXIT_NMI, false);
    /* on a busy machine the two may have hardly met until then */
    while (private_rounds < option("rounds", 20) ||
           ((!refused || !smis || !nmis) && !private_nmis &&
            private_rounds < ROUNDS_MAX)) {
        PrivateExit exit = private_answer(private_vm.vmcb->exit_code);

        if (exit.spins) {
            private_vm.vmcb->event_inj = INJECT_VALID | VICTIM_VECTOR;
        }
        refused += enter();
        smis += private_vm.vmcb->exit_code == EXIT_SMI;
        nmis += private_vm.vmcb->exit_code == EXIT_NMI;
        put_inputs_back();
    }
    race_over = true;
    check("entries that were refused", refused > 0, true);
    check("SMIs", smis > 0, true);
    check("NMIs", nmis > 0, true);
    check("NMIs that the guest got", private_nmis, 0);
    say("COUNT rounds %u", (uint64_t)private_rounds);
    say("COUNT refused %u", (uint64_t)refused);
    say("COUNT smis %u", (uint64_t)smis);
    say("COUNT nmis %u", (uint64_t)nmis);
}
