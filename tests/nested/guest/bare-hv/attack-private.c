/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What L1 tries between the exits of a guest in private memory, rounds=N:
 *
 *   then=nothing    but that it looks everywhere
 *   then=edit       each word of the VMCB's save area is changed once
 *   then=inject     each event that it may not inject, and some that it may
 *   then=rip        it goes on elsewhere
 *   then=intercept  it asks for each exit that there is
 *   then=paging     other nested tables, or none
 */
#include "private.h"

#define SAVE_AREA 0x400
#define SAVE_AREA_END 0x670
#define SAVE_RAX 0x5f8
#define SAVE_RIP 0x578

/* Of what there is a lot of, at each exit */
#define AT_ONCE 97

static unsigned refused;

static void must_refuse(const char *what)
{
    if (!private_refused()) {
        check(what, private_vm.vmcb->exit_code, EXIT_INVALID);
        say("INFO exit 0x%x, event 0x%x", private_vm.vmcb->exit_code,
            private_vm.vmcb->exit_int_info);
    }
    refused++;
}

static void inject(unsigned type, unsigned vector)
{
    private_vm.vmcb->event_inj = INJECT_VALID | type << INJECT_TYPE | vector;
}

static uint64_t inject_then(unsigned type, unsigned vector)
{
    inject(type, vector);
    return private_enter();
}

/* As a hypervisor does: what has to be, and nothing else */
static uint64_t go_on(const PrivateExit *exit)
{
    return exit->spins ? inject_then(0, VICTIM_VECTOR) : private_enter();
}

static uint64_t attack_nothing(PrivateExit *exit)
{
    return go_on(exit);
}

/* RAX apart, which has something else each time anyway */
static uint64_t attack_edit(PrivateExit *exit)
{
    static unsigned next = SAVE_AREA;
    static unsigned bit;
    uint64_t *word, old;

    next += 8;
    if (next == SAVE_RAX || exit->spins) {
        return go_on(exit);
    }
    if (next >= SAVE_AREA_END) {
        next = SAVE_AREA;
        bit = (bit + 7) % 64;
    }
    word = (uint64_t *)((uint8_t *)private_vm.vmcb + next);
    old = *word;
    *word ^= bit ? 1ul << bit : ~0ul;
    if (next == SAVE_RIP) {
        must_refuse("another RIP");
    } else if (!private_refused()) {
        return private_vm.vmcb->exit_code;
    }
    refused++;
    *word = old;
    return go_on(exit);
}

/* Whether it may be injected, as the guest is now */
static bool may(const PrivateExit *exit, unsigned type, unsigned vector)
{
    switch (type) {
    case 0:
        return exit->interrupts && vector >= 32 && vector != 0x80;
    case 2:
        return true;
    default:
        return false;
    }
}

static uint64_t attack_inject(PrivateExit *exit)
{
    static unsigned nmis, turn, event;
    struct vmcb *vmcb = private_vm.vmcb;
    uint64_t next = vmcb->rip;

    if (exit->code == EXIT_IOIO && vmcb->exit_info1 >> IOIO_PORT == 0x98) {
        check("NMIs that the guest got", private_nmis, nmis);
    }
    for (unsigned i = 0; i < AT_ONCE; i++) {
        unsigned n = event++ % (8 * 256);

        if (!may(exit, n / 256, n % 256)) {
            inject(n / 256, n % 256);
            must_refuse("an event");
        }
    }
    if (exit->completes && (exit->may_gp || exit->may_ud) && turn++ % 3) {
        vmcb->rip = next & ~0xful;          /* it has not completed it */
        for (unsigned n = 0; n < 32; n++) {
            if (n != (exit->may_gp ? 13 : 6)) {
                inject(3, n);
                must_refuse("another exception");
            }
        }
        return inject_then(3, exit->may_gp ? 13 : 6);
    }
    if (exit->interrupts && turn++ % 2) {
        return inject_then(0, VICTIM_VECTOR);
    }
    if (turn % 3 == 0) {
        nmis++;
        return inject_then(2, turn % 256);
    }
    vmcb->event_inj = 0;
    return go_on(exit);
}

/* Anywhere in the page of RIP that it sees; and what was right the last time */
static uint64_t attack_rip(PrivateExit *exit)
{
    static uint64_t before;
    static unsigned at;
    struct vmcb *vmcb = private_vm.vmcb;
    uint64_t right = vmcb->rip, same = vmcb->rip & ~0xful;

    for (unsigned i = 0; i < AT_ONCE; i++) {
        uint64_t rip = 0xff0 + at++ % 0x130;

        if (rip != right && rip != same) {
            vmcb->rip = rip;
            must_refuse("another RIP");
        }
    }
    if (before && before != right && before != same) {
        vmcb->rip = before;
        must_refuse("the last RIP");
    }
    vmcb->rip = right;
    before = right;
    /* refused for another reason: that must not have completed it */
    inject(3, 14);
    must_refuse("a page fault");
    must_refuse("a page fault");
    vmcb->event_inj = 0;
    return go_on(exit);
}

/* IRET only each second time, or the guest would not go on. */
static uint64_t attack_intercept(PrivateExit *exit)
{
    struct vmcb *vmcb = private_vm.vmcb;

    vmcb->intercept_cr = vmcb->intercept_dr = vmcb->intercept_exceptions = ~0u;
    vmcb->intercept1 = ~0u;
    vmcb->intercept2 = 0x3fff;
    vm_set_intercept(&private_vm, EXIT_IRET, exit->code != EXIT_IRET);
    return go_on(exit);
}

static uint64_t attack_paging(PrivateExit *exit)
{
    static unsigned turn;
    struct vmcb *vmcb = private_vm.vmcb;

    vmcb->nested_ctl = 0;
    must_refuse("no nested paging");
    vmcb->nested_ctl = 1;
    vmcb->asid = 1 + turn % 7;
    vmcb->tlb_control = turn % 2;
    vmcb->tsc_offset = turn * 0x123456789ul;
    /* the guest's memory is not in them */
    vm_set_root(&private_vm, turn++ % 2 ? memory_root(ROOT_NESTED)
                                        : memory_root(ROOT_B));
    return go_on(exit);
}

static const struct {
    const char *name;
    uint64_t (*run)(PrivateExit *exit);
} attacks[] = {
    { "nothing", attack_nothing },
    { "edit", attack_edit },
    { "inject", attack_inject },
    { "rip", attack_rip },
    { "intercept", attack_intercept },
    { "paging", attack_paging },
};

static void run_attack(uint64_t (*attack)(PrivateExit *exit))
{
    uint64_t code = private_vm.vmcb->exit_code, exits = 0;
    unsigned seen[0x90] = { }, kinds = 0;

    while (private_rounds < option("rounds", 3)) {
        PrivateExit exit = private_answer(code);

        if (code < ARRAY_SIZE(seen)) {
            kinds += !seen[code]++;
        }
        if (exits++ > 2000000 ||
            (code != EXIT_INTR && code != EXIT_IRET && !exit.completes &&
             code != EXIT_NPF)) {
            check("an exit that is known", code, 0);
            return;
        }
        code = attack(&exit);
    }
    say("COUNT exits %u", exits);
    say("COUNT kinds %u", (uint64_t)kinds);
    say("COUNT refused %u", (uint64_t)refused);
    check("as many kinds as there are", kinds >= 12, true);
}

void scenario_private(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
        if (option_is("then", attacks[i].name)) {
            if (private_launch()) {
                run_attack(attacks[i].run);
            }
            return;
        }
    }
    check("there is such an attack", false, true);
}
