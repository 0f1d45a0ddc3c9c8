/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What L1 tries between the exits of a guest in private memory, rounds=N:
 *
 *   then=nothing    but that it looks everywhere
 *   then=save       each word of the VMCB's save area is changed, and
 *   then=control    what there is in its control area: see
 *                   attack-private-table.c
 *   then=inject     each event that it may not inject, and some that it may
 *   then=nmi        NMIs in NMIs
 *   then=unpaged    L1 is in 32-bit mode, without paging, when it enters it
 *   then=steps      interrupts, wherever they may come
 *   then=rip        it goes on elsewhere
 *   then=intercept  it asks for each exit that there is
 *   then=paging     other nested tables, or none
 */
#include "private.h"

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

static bool is_port(const PrivateExit *exit, unsigned port)
{
    return exit->code == EXIT_IOIO &&
           private_vm.vmcb->exit_info1 >> IOIO_PORT == port;
}

static uint64_t attack_inject(PrivateExit *exit)
{
    static unsigned nmis, turn, event;
    struct vmcb *vmcb = private_vm.vmcb;
    uint64_t next = vmcb->rip;

    if (is_port(exit, VICTIM_ROUND_PORT)) {
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
    /* an NMI exits itself, and what is mapped for one exit is gone then */
    if (turn % 3 == 0 && !is_port(exit, VICTIM_NMI_PORT) &&
        (exit->completes || exit->code != EXIT_NPF)) {
        nmis++;
        return inject_then(2, turn % 256);
    }
    vmcb->event_inj = 0;
    return go_on(exit);
}

/* After each instruction, whether it is one of those that are single steps */
static uint64_t attack_steps(PrivateExit *exit)
{
    static unsigned given;

    if (is_port(exit, VICTIM_ROUND_PORT)) {
        check("interrupts that have come", private_interrupts, given & 0xffff);
    }
    given += exit->interrupts;
    /* the same vector twice, while the first one waits, comes once */
    return !exit->interrupts ? private_enter() :
           inject_then(0, exit->spins ? VICTIM_VECTOR2 : VICTIM_VECTOR);
}

/*
 * In most NMIs once more, before the guest has returned from it: that comes
 * after it has, and once.
 */
static uint64_t attack_nmi(PrivateExit *exit)
{
    static unsigned given, got, turn;
    static bool waits;
    bool within = is_port(exit, VICTIM_NMI_PORT);

    got += within;
    if (is_port(exit, VICTIM_ROUND_PORT)) {
        check("NMIs that have come", given - got <= 1, true);
    }
    if (within ? turn++ % 4 : exit->completes && !waits) {
        given++;
        waits = within;
        return inject_then(2, 2);
    }
    waits &= within;
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

/*
 * Tables that do not have the guest's memory; and that memory itself, where it
 * is for L0, as tables.
 */
static uint64_t other_root(unsigned turn)
{
    switch (turn % 5) {
    case 0:
        return memory_root(ROOT_B);
    case 1:
        return PRIVATE_WINDOW + VICTIM_TABLE;
    case 2:
        return PRIVATE_WINDOW + PRIVATE_C_BIT + VICTIM_TABLE;
    case 3:
        return PRIVATE_C_BIT + VICTIM_TABLE;
    default:
        return memory_root(ROOT_NESTED);
    }
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
    vm_set_root(&private_vm, other_root(turn++));
    return go_on(exit);
}

static bool rounds_left(void)
{
    return private_rounds < option("rounds", 3);
}

static void say_refused(void)
{
    say("COUNT refused %u", (uint64_t)refused);
}

typedef struct PrivateAttack {
    const char *name;
    uint64_t (*run)(PrivateExit *exit);
    bool (*goes_on)(void);
    void (*result)(void);
} PrivateAttack;

static const PrivateAttack attacks[] = {
    { "nothing", attack_nothing, rounds_left, say_refused },
    { "save", attack_save, private_table_left, private_table_say },
    { "control", attack_control, private_table_left, private_table_say },
    { "inject", attack_inject, rounds_left, say_refused },
    { "nmi", attack_nmi, rounds_left, say_refused },
    { "steps", attack_steps, rounds_left, say_refused },
    { "unpaged", attack_unpaged, rounds_left, say_refused },
    { "rip", attack_rip, rounds_left, say_refused },
    { "intercept", attack_intercept, rounds_left, say_refused },
    { "paging", attack_paging, rounds_left, say_refused },
};

static void run_attack(const PrivateAttack *attack)
{
    uint64_t code = private_vm.vmcb->exit_code, exits = 0;
    unsigned seen[0x90] = { }, kinds = 0;

    while (attack->goes_on()) {
        PrivateExit exit = private_answer(code);

        if (code < ARRAY_SIZE(seen)) {
            kinds += !seen[code]++;
        }
        if (exits++ > 2000000 ||
            (code != EXIT_INTR && code != EXIT_IRET && code != EXIT_VINTR &&
             code != EXIT_NPF && !exit.completes)) {
            check("an exit that is known", code, 0);
            return;
        }
        code = attack->run(&exit);
    }
    say("COUNT exits %u", exits);
    say("COUNT kinds %u", (uint64_t)kinds);
    say("COUNT rounds %u", (uint64_t)private_rounds);
    attack->result();
    check("as many kinds as there are", kinds >= 12, true);
}

static void nested_writes(uint64_t unused, uint64_t unused2)
{
    outb('!', COM1);
    __asm__ volatile("vmmcall" : : "a"(0) : "memory");
}

static void nested_reads(uint64_t at, uint64_t unused)
{
    /* volatile: it is not there */
    (void)*(volatile uint64_t *)at;
    __asm__ volatile("vmmcall" : : "a"(0) : "memory");
}

/*
 * Another one, with the tables by which the private one is known, too; and one
 * that has the C-bit in its own, where the private one has memory.
 */
static void run_another(void)
{
    const uint64_t marked = PRIVATE_C_BIT + VICTIM_TABLE;
    static Vm other, reader;

    vm_create(&other, ROOT_A, nested_writes, 0, 0);
    other.vmcb->msrpm = (uintptr_t)maps[1];
    check("another one's port", vm_run(&other), EXIT_VMMCALL);
    memory_map_small(0, marked | PTE_P | PTE_W | PTE_U);
    vm_create(&reader, ROOT_A, nested_reads, SMALL_BASE, 0);
    check("another one's C-bit", vm_run(&reader), EXIT_NPF);
    check("its address", reader.vmcb->exit_info2, marked);
    memory_map_small(0, 0);
}

void scenario_private(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
        if (option_is("then", attacks[i].name)) {
            if (private_launch()) {
                run_attack(&attacks[i]);
                run_another();
            }
            return;
        }
    }
    check("there is such an attack", false, true);
}
