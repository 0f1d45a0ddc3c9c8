/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this cloud VM does with its nested guests; the command line says which:
 *
 *   scenario=NAME  see the list at the end
 *   lines=N     how much the nested guest writes
 *   input=1     it also reads a line
 *   string=1    it also writes by a string instruction
 *   clean=1     the processor is told what has not changed, as Linux does
 *   every=N, for=M  race: of N entries M are attacks
 *   map=1       move: each move is an attack, too
 *   count=N     unshadowed: accesses
 *   other=1     rebind: there is another guest
 *   back=1      absent: not for long
 *   cycles=N, bind=1, exits=1, claim=1  callers, removed: see attack-binding.c
 *   then=ATTACK claim: see attack-claim.c
 *   entries=N, steps=N, bind=1  work: see work.c
 *   in=N, out=N, guests=N, busy=1  transfer, idle: see costs.c
 *   then=ATTACK, rounds=N  private: see attack-private.c
 *   rounds=N, then=stay  private-machine, private-race: see there
 *   then=reset, then=kept  private-over, private-cpus: see there
 *   nested=0    doorbell: L0 takes no calls from a nested control domain
 */
#include "hv.h"

/* Offsets in the loaded file, which the machine keeps for its firmware */
#define LOAD_ADDRESS 0x200000
#define FW_CFG_DMA 0x514
#define FW_CFG_KERNEL_DATA 0x11
#define FW_CFG_READ 2
#define FW_CFG_SKIP 4
#define FW_CFG_SELECT 8

static const uint8_t all_ones = 0xff;

void create_session(Vm *vm, Root process, uint64_t lines)
{
    uint64_t with = (option("input", 0) ? SESSION_INPUT : 0) |
                    (option("string", 0) ? SESSION_STRING : 0);

    vm_create(vm, process, nested_session, option("lines", lines), with);
    vm->clean = option("clean", 0);
}

void run_session(Vm *vm, Attack attack)
{
    VmEvent event;
    unsigned entry = 0;

    do {
        if (attack) {
            attack(vm, entry);
        }
        event = vm_step(vm);
        entry++;
    } while (event != VM_DONE && event != VM_BROKEN);
    say("COUNT entries %u", (uint64_t)entry);
    say("COUNT seen %u", (uint64_t)vm->seen);
    say("COUNT bytes %u", (uint64_t)vm->bytes);
}

static void scenario_session(Attack attack)
{
    static Vm vm;

    create_session(&vm, ROOT_A, 4);
    if (bind("vm1", ROOT_A)) {
        run_session(&vm, attack);
    }
}

/* restore: the byte for the port becomes all ones again, in several ways. */
static void attack_restore(Vm *vm, unsigned entry)
{
    uint8_t *byte = &MAP_BYTE(0);
    uint8_t *to = byte - 15;
    uint64_t n = 16;

    switch (entry % 4) {
    case 0:
        poke(byte, 0xff);
        break;
    case 1:
        __asm__ volatile("rep stosb"
                         : "+D"(to), "+c"(n)
                         : "a"(0xff)
                         : "memory");
        break;
    case 2:
        __asm__ volatile("lock orb $0xff, %0" : "+m"(*byte));
        break;
    default:
        __asm__ volatile("lock orq $-1, %0"
                         : "+m"(*(uint64_t *)(byte - 7)));
    }
    if (entry < 8) {
        say("READ %x", (uint64_t)peek(byte));
    }
}

static void attack_swap(Vm *vm, unsigned entry)
{
    if (entry == 16) {
        say("INFO swap");
        vm_set_map(vm, 1);
    }
}

static void attack_race(Vm *vm, unsigned entry)
{
    vm_set_map(vm, entry % option("every", 8) < option("for", 2));
}

/* move: the same guest goes on with another VMCB and ASID. */
static void attack_move(Vm *vm, unsigned entry)
{
    if (entry && entry % 16 == 0) {
        vm_move(vm);
        vm_set_asid(vm, 1 + entry / 16 % 4);
        vm_set_map(vm, option("map", 0));
    }
}

/* dma: the machine itself writes all ones to the map. */
static void attack_dma(Vm *vm, unsigned entry)
{
    static struct {
        uint32_t control, length;
        uint64_t address;
    } request __attribute__((aligned(16)));
    if (entry % 4) {
        return;
    }
    poke(&MAP_BYTE(0), 0);
    for (unsigned step = 0; step < 2; step++) {
        uint32_t flags = step ? FW_CFG_READ
                              : FW_CFG_KERNEL_DATA << 16 | FW_CFG_SELECT |
                                FW_CFG_SKIP;
        uint64_t length = step ? 1 : (uintptr_t)&all_ones - LOAD_ADDRESS;

        request.control = __builtin_bswap32(flags);
        request.length = __builtin_bswap32(length);
        request.address = __builtin_bswap64((uintptr_t)&MAP_BYTE(0));
        __asm__ volatile("" : : "m"(request));
        outl(0, FW_CFG_DMA);
        outl(__builtin_bswap32((uintptr_t)&request), FW_CFG_DMA + 4);
        /* it is done when the write is */
        __asm__ volatile("" : "=m"(request.control));
        if (request.control) {
            check("DMA", request.control, 0);
        }
    }
    if (entry < 16) {
        say("READ %x", (uint64_t)peek(&MAP_BYTE(0)));
    }
}

/* open: L1 asks for no port accesses; those of an unbound guest are its own */
static void scenario_open(void)
{
    static Vm bound, other;

    create_session(&bound, ROOT_A, 2);
    create_session(&other, ROOT_B, 2);
    bound.own_exits = other.own_exits = false;
    if (bind("vm1", ROOT_A)) {
        say("INFO bound");
        run_session(&bound, NULL);
        say("INFO not bound");
        run_session(&other, NULL);
    }
}

/*
 * rebind: bound, not bound, bound again; meanwhile the same map may serve
 * another guest that stays bound, which gives L0 more to do.
 */
static void scenario_rebind(void)
{
    static Vm vm;

    create_session(&vm, ROOT_A, 1);
    if (option("other", 0) && !bind("vm2", ROOT_B)) {
        return;
    }
    for (unsigned turn = 0; turn < 3; turn++) {
        if (turn == 1) {
            check("UNBIND", call(ULTRACALL_UNBIND, "vm1", NULL, 0), 0);
        } else if (!bind("vm1", ROOT_A)) {
            return;
        }
        run_session(&vm, NULL);
    }
}

/* Whether the access that L1 has got is the one that was made */
static bool expected(const Vm *vm, unsigned n)
{
    Access want = nested_access(n);

    return vm->last.in == want.in && vm->last.port == want.port &&
           vm->last.size == want.size &&
           (want.in || vm->last.value == want.value);
}

/* unshadowed: in turn with one that is bound */
static void scenario_unshadowed(void)
{
    static Vm bound, other;
    static uint64_t given[NESTED_ACCESSES_MAX];
    const unsigned count = option("count", 240);
    unsigned n, good = 0, received = 0;
    VmEvent session = VM_YIELD;

    create_session(&bound, ROOT_A, 4);
    vm_create(&other, ROOT_B, nested_accesses, 0, count);
    if (!bind("vm1", ROOT_A)) {
        return;
    }
    for (n = 0; n < count && vm_step(&other) == VM_ACCESS; n++) {
        good += expected(&other, n);
        given[n] = other.last.value;
        vm_answer = n * 37;
        if (n % 3 == 0 && session == VM_YIELD) {
            session = vm_step(&bound);
        }
    }
    check("it came to its end", vm_step(&other), VM_DONE);
    check("accesses", other.seen, count);
    check("as they were made, and in their order", good, count);
    for (n = 0; n < count; n++) {
        received += !nested_access(n).in || nested_got[n] == given[n];
    }
    check("reads got what L1 gave", received, count);
    while (session == VM_YIELD) {
        session = vm_step(&bound);
    }
    check("the bound one came to its end", session, VM_DONE);
    check("its accesses that L1 saw", bound.seen, 0);
}

static const struct {
    const char *name;
    void (*run)(void);
    Attack attack;
} scenarios[] = {
    { "plain" },
    { "restore", .attack = attack_restore },
    { "swap", .attack = attack_swap },
    { "race", .attack = attack_race },
    { "move", .attack = attack_move },
    { "dma", .attack = attack_dma },
    { "open", scenario_open },
    { "rebind", scenario_rebind },
    { "unshadowed", scenario_unshadowed },
    { "absent", scenario_absent },
    { "changed", scenario_changed },
    { "taken", scenario_taken },
    { "twin", scenario_twin },
    { "callers", scenario_callers },
    { "removed", scenario_removed },
    { "work", scenario_work },
    { "transfer", scenario_transfer },
    { "idle", scenario_idle },
    { "calls", scenario_calls },
    { "buffers", scenario_buffers },
    { "doorbell", scenario_doorbell },
    { "claim", scenario_claim },
    { "claims", scenario_claims },
    { "private", scenario_private },
    { "private-over", scenario_private_over },
    { "private-machine", scenario_private_machine },
    { "private-race", scenario_private_race },
    { "private-cpus", scenario_private_cpus },
    { "private-two", scenario_private_two },
    { "import", scenario_import },
    { "import-race", scenario_import_race },
    { "import-tasks", scenario_import_tasks },
    { "import-others", scenario_import_others },
    { "lazy", scenario_lazy },
    { "flags", scenario_flags },
    { "events", scenario_events },
    { "priorities", scenario_priorities },
    { "task", scenario_task },
    { "step", scenario_step },
    { "devices", scenario_devices },
    { "breakpoint", scenario_breakpoint },
    { "straddle", scenario_straddle },
    { "halfway", scenario_halfway },
    { "random", scenario_random },
    { "intercepts", scenario_intercepts },
    { "assists", scenario_assists },
};

void hv_main(uint32_t multiboot_info)
{
    memory_init();
    options_init(multiboot_info);
    vm_init();
    if (!calls_init()) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
        if (option_is("scenario", scenarios[i].name)) {
            if (scenarios[i].run) {
                scenarios[i].run();
            } else {
                scenario_session(scenarios[i].attack);
            }
            return;
        }
    }
    check("there is such a scenario", false, true);
}
