/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A binding, and what L1 does to it while its guest runs.
 */
#include "hv.h"

#define EBUSY 16

/* A cookie in a page of its own */
#define COOKIE_PAGE 0
#define COOKIE ((uint64_t *)SMALL_BASE)
#define COOKIE_ENTRY (32 * MIB | PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

/* The entries between which the binding is attacked */
#define ATTACK_FROM 16
#define ATTACK_TO 32

#define FOREIGN 0x5a            /* what L1 has in its own scratch register */
#define PAUSE_ROUNDS 200

static void run_attacked(Attack attack)
{
    static Vm vm;

    create_session(&vm, ROOT_A, 4);
    memory_map_small(COOKIE_PAGE, COOKIE_ENTRY);
    if (bind("vm1", ROOT_A)) {
        check("BIND at a page of its own", bind_at("vm1", ROOT_A, COOKIE), 0);
        run_session(&vm, attack);
    }
}

/* As L1's kernel may need a few interrupts to finish what it does */
static void put_back(void)
{
    static unsigned interrupts;

    if (++interrupts % 8 == 0) {
        memory_map_small(COOKIE_PAGE, COOKIE_ENTRY);
    }
}

/*
 * absent: the cookie's page is away for a while, as when L1 moves it; with
 * back=1 L1 puts it back as soon as it gets to that.
 */
static void attack_absent(Vm *vm, unsigned entry)
{
    if (entry == ATTACK_FROM) {
        memory_map_small(COOKIE_PAGE, 0);
        vm->interrupted = option("back", 0) ? put_back : NULL;
    } else if (entry == ATTACK_TO) {
        memory_map_small(COOKIE_PAGE, COOKIE_ENTRY);
    }
}

void scenario_absent(void)
{
    run_attacked(attack_absent);
}

/* changed: something else is where the cookie was, as after a process's end. */
static void attack_changed(Vm *vm, unsigned entry)
{
    if (entry == ATTACK_FROM) {
        ++*COOKIE;
    }
}

void scenario_changed(void)
{
    run_attacked(attack_changed);
}

/* taken: another process wants the guest, and the same one binds it again. */
static void attack_taken(Vm *vm, unsigned entry)
{
    static uint64_t other;

    if (entry == ATTACK_FROM) {
        check("BIND by another process", bind_at("vm1", ROOT_B, &other),
              -EBUSY);
        check("BIND by a twin", bind_at("vm1", ROOT_TWIN, &other), -EBUSY);
    } else if (entry == ATTACK_TO) {
        check("BIND by the same", bind_at("vm1", ROOT_A, COOKIE), 0);
    }
}

void scenario_taken(void)
{
    run_attacked(attack_taken);
}

/* twin: a process whose CR3 differs in bit 12, and which sees the cookie */
void scenario_twin(void)
{
    static Vm bound, twin;

    create_session(&bound, ROOT_A, 2);
    create_session(&twin, ROOT_TWIN, 2);
    if (bind("vm1", ROOT_A)) {
        run_session(&bound, NULL);
        run_session(&twin, NULL);
        run_session(&bound, NULL);
    }
}

/* volatile: set by the other CPU */
static volatile bool callers_done;

/*
 * callers: the guest writes on one CPU while the other binds and unbinds it
 * (with bind=1: binds it only; with claim=1: by a cookie that it gets while it
 * runs), cycles=N times.  With exits=1 L1 asks for port
 * accesses, else they are let at its own port.  What an entry that began bound
 * has written must not come to either, whatever becomes of the binding.
 */
static void change_state(uint32_t nr)
{
    int64_t status;

    bool claims = option("claim", 0);

    nested_calls++;
    status = nr != ULTRACALL_BIND ? call(nr, "vm1", NULL, 0) :
             claims ? claim_at("vm1", 0) : bind_at("vm1", ROOT_A, COOKIE);
    if (status) {
        check("call", status, 0);
    }
    while (nr == ULTRACALL_BIND && claims && !claim_is_bound("vm1")) {
        relax(PAUSE_ROUNDS);
    }
    while (nr == ULTRACALL_BIND && unprotected("vm1")) {
        relax(PAUSE_ROUNDS);
    }
    nested_calls++;
}

/* Until the guest has been entered a few times, as it now is */
static void wait_entries(void)
{
    /* volatile: the other CPU counts */
    const volatile uint64_t *entries = nested_calls & 2
                                       ? &nested_bound_entries
                                       : &nested_unbound_entries;
    uint64_t until = *entries + 3;

    while (*entries < until) {
        relax(PAUSE_ROUNDS);
    }
}

static void call_callers(void)
{
    uint64_t cycles = option("cycles", 1000);
    bool only_bind = option("bind", 0);

    for (uint64_t n = 0; n < cycles; n++) {
        if (only_bind && n) {
            bind_at("vm1", ROOT_A, COOKIE);
        } else {
            change_state(ULTRACALL_BIND);
        }
        wait_entries();
        relax(n * 7 % 61);
        if (!only_bind) {
            change_state(ULTRACALL_UNBIND);
            wait_entries();
        }
    }
    callers_done = true;
}

static void create_letters(Vm *vm, VmProgram program)
{
    vm_create(vm, ROOT_A, program, 0, 0);
    vm->own_exits = option("exits", 0);
    vm->quiet = true;
    if (option("claim", 0)) {
        vm_set_root(vm, memory_own_root(0));
    }
    vm_answer = FOREIGN;
    outb(FOREIGN, COM1 + 7);
    memory_map_small(COOKIE_PAGE, COOKIE_ENTRY);
}

static bool is_stolen(const Vm *vm, VmEvent event)
{
    return event == VM_ACCESS && !vm->last.in &&
           (uint8_t)vm->last.value == NESTED_BOUND;
}

static void check_letters(uint64_t stolen)
{
    check("writes of a bound guest that L1 saw", stolen, 0);
    check("reads of a bound guest that L1 answered", nested_foreign, 0);
    check("L1's own scratch register", inb(COM1 + 7), FOREIGN);
}

void scenario_callers(void)
{
    static Vm vm;
    uint64_t stolen = 0;
    VmEvent event = VM_YIELD;

    create_letters(&vm, nested_letters);
    if (!smp_start(call_callers)) {
        return;
    }
    while (!callers_done && event != VM_BROKEN) {
        nested_entered = nested_calls;
        event = vm_step(&vm);
        stolen += is_stolen(&vm, event);
    }
    say("COUNT bound %u", nested_bound_entries);
    say("COUNT unbound %u", nested_unbound_entries);
    check_letters(stolen);
}

/*
 * removed: L0's operator takes the guest's device away, or all of it, while
 * the guest is in one entry that began bound.
 */
static void stop_when_removed(void)
{
    struct ultracall_guest guest[8] = { };
    uint64_t until;

    while (!call(ULTRACALL_QUERY, "vm1", guest, sizeof(guest)) &&
           guest->devices) {
        relax(PAUSE_ROUNDS);
    }
    until = nested_turns + 100;
    while (nested_turns < until) {
        relax(PAUSE_ROUNDS);
    }
    nested_stop = true;
}

void scenario_removed(void)
{
    static Vm vm;
    uint64_t stolen = 0;
    VmEvent event;

    create_letters(&vm, nested_one_entry);
    if (!bind("vm1", ROOT_A) || !smp_start(stop_when_removed)) {
        return;
    }
    do {
        event = vm_step(&vm);
        stolen += is_stolen(&vm, event);
    } while (event == VM_ACCESS);
    check_letters(stolen);
}
