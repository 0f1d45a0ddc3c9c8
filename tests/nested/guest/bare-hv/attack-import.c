/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * import: a guest of L1's own comes to be private, with what is in its memory,
 * and then seals that.  L1 gives each page once, and none when it is sealed.
 */
#include "import.h"

#define LEAF_ENCRYPTION 0x8000001f

#define PART(n) IMPORT_PART(n)
#define REPLAYED PART(0)
#define ABSENT PART(1)
#define CODE PART(2)
#define FRESH PART(3)
#define ELSEWHERE PART(4)       /* no memory of the guest's */

#define GIVEN 0x6769766564676976ul
#define OTHER 0x6f746865726f7468ul
#define SECRET 0x5ec7e75ec7e75ec7ul

static uint64_t guest_root[512] __attribute__((aligned(4096)));
static uint64_t view_pdpt[512] __attribute__((aligned(4096)));
static uint64_t view_pd[512] __attribute__((aligned(4096)));
static struct {
    uint64_t root[512], pdpt[512], pd[512];
} nested[IMPORT_ROOTS] __attribute__((aligned(4096)));

/* What the guest has seen, in memory that it shares */
enum {
    PORT_BEFORE, LEAF, STATUS, PORT_LOCKED, FIRST, REMAPPED, RAN, RAN_AGAIN,
    CAME_LATER, PORT_UNSEALED, PORT_SEALED, UNTOUCHED, UNMAPPED, KEPT, SEEN,
};
static Word seen[SEEN];

static void yield(void)
{
    __asm__ volatile("vmmcall" : : "a"(0) : "memory");
}

/* By an instruction that L1 could do, were it of shared memory */
static uint64_t load(uint64_t at)
{
    uint64_t val;

    __asm__ volatile("movq (%1), %0" : "=r"(val) : "r"(at) : "memory");
    return val;
}

static uint64_t run_code(void)
{
    uint64_t val;

    __asm__ volatile("call *%1"
                     : "=a"(val) : "r"((uint64_t)CODE) : "memory", "cc");
    return val;
}

static uint32_t encryption_leaf(void)
{
    uint32_t eax = LEAF_ENCRYPTION, ebx, ecx = 0, edx;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return ebx & 0x3f;
}

static void nested_import(uint64_t a, uint64_t b)
{
    seen[PORT_BEFORE] = inb(SEAL);
    seen[LEAF] = encryption_leaf();
    seen[STATUS] = rdmsr(MSR_SEV_STATUS);
    seen[PORT_LOCKED] = inb(SEAL);
    seen[FIRST] = VIEW(REPLAYED);
    seen[RAN] = run_code();
    VIEW(REPLAYED + 8) = SECRET;
    yield();                    /* L1 gives other memory in its place */
    seen[REMAPPED] = VIEW(REPLAYED);
    seen[RAN_AGAIN] = run_code();
    seen[CAME_LATER] = load(PRIVATE_VIEW + ABSENT);
    yield();                    /* L1 says for it that it is sealed */
    seen[PORT_UNSEALED] = inb(SEAL);
    outb('S', SEAL);
    seen[PORT_SEALED] = inb(SEAL);
    yield();                    /* L1 takes memory away */
    seen[UNTOUCHED] = VIEW(FRESH);
    seen[UNMAPPED] = VIEW(FRESH + PAGE);
    seen[KEPT] = VIEW(REPLAYED + 8);
    yield();
}

void import_map(unsigned n, uint64_t part, uint64_t to)
{
    nested[n].pd[part / (2 * MIB)] =
        to ? to | PTE_P | PTE_W | PTE_U | PTE_PS : 0;
}

static void map_nested(uint64_t part, uint64_t to)
{
    import_map(0, part, to);
}

uint64_t import_root(unsigned n)
{
    const uint64_t bits = PTE_P | PTE_W | PTE_U;

    nested[n].root[0] = (uintptr_t)nested[n].pdpt | bits;
    nested[n].pdpt[0] = (uintptr_t)nested[n].pd | bits;
    for (unsigned i = 0; i < 512; i++) {
        import_map(n, i * 2 * MIB, i * 2 * MIB);
    }
    nested[n].pd[0] = bits | PTE_PS;
    return (uintptr_t)nested[n].root;
}

void import_create(Vm *vm, VmProgram program)
{
    const uint64_t bits = PTE_P | PTE_W | PTE_U;
    static uint64_t cookie;

    if (!cookie) {
        check("BIND", bind_at("vm1", ROOT_A, &cookie), 0);
    }
    guest_root[0] = *(uint64_t *)memory_root(ROOT_GUEST);
    guest_root[PRIVATE_VIEW / (512 * GIB)] = (uintptr_t)view_pdpt | bits;
    view_pdpt[0] = (uintptr_t)view_pd | bits;
    for (unsigned i = 0; i < 512; i++) {
        view_pd[i] = i * 2 * MIB | PRIVATE_C_BIT | bits | PTE_PS;
    }
    vm_create(vm, ROOT_A, program, 0, 0);
    vm->vmcb->cr3 = (uintptr_t)guest_root;
    vm->vmcb->msrpm = (uintptr_t)maps[1];
    vm_set_intercept(vm, EXIT_CPUID, true);
    vm_set_intercept(vm, EXIT_MSR, true);
    vm_set_root(vm, import_root(0));
}

/* MOV of @val to EAX, and RET */
static void put_code(uint64_t at, uint8_t val)
{
    const uint8_t code[] = { 0xb8, val, 0, 0, 0, 0xc3 };

    for (size_t i = 0; i < sizeof(code); i++) {
        poke((uint8_t *)at + i, code[i]);
    }
}

static bool reaches_yield(Vm *vm, const char *where)
{
    uint64_t code = vm_run(vm);

    if (!check(where, code, EXIT_VMMCALL)) {
        say("INFO at 0x%x: 0x%x 0x%x", vm->vmcb->rip, vm->vmcb->exit_info1,
            vm->vmcb->exit_info2);
        return false;
    }
    check("RSP is not shown", vm->vmcb->rsp, 0);
    vm->vmcb->rip = vm->vmcb->next_rip;
    return true;
}

/* What it gives in place of what the guest has now */
static void replace(void)
{
    const uint64_t to[] = { REPLAYED, ELSEWHERE };

    for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
        *(Word *)to[i] = OTHER;
        check("what it has written", *(Word *)(to[i] + 8), 0);
    }
    put_code(CODE, 2);
    map_nested(REPLAYED, ELSEWHERE);
    map_nested(ABSENT, 0);
}

/* The page is asked for, and the access is not L1's to make. */
static bool asked_for(Vm *vm)
{
    struct vmcb *vmcb = vm->vmcb;
    uint64_t rip;

    if (!check("an absent page exits", vm_run(vm), EXIT_NPF)) {
        return false;
    }
    rip = vmcb->rip;
    check("its address", vmcb->exit_info2, ABSENT);
    check("what the instruction is", *(uint16_t *)vmcb->insn_bytes, 0x0b0f);
    check("nothing is next", vmcb->next_rip, 0);
    vmcb->rip += 2;
    check("to go on after it", vm_run(vm), EXIT_INVALID);
    vmcb->rip = rip;
    vmcb->rax = OTHER;
    check("it is still absent", vm_run(vm), EXIT_NPF);
    map_nested(ABSENT, ABSENT);
    return true;
}

static void nested_says_sealed(uint64_t a, uint64_t b)
{
    outb('S', SEAL);
    yield();
}

/* By a port of its own, and by another guest that it runs as the bound one */
static void say_sealed(void)
{
    static Vm other;

    outb('S', SEAL);
    vm_create(&other, ROOT_A, nested_says_sealed, 0, 0);
    other.vmcb->msrpm = (uintptr_t)maps[1];
    for (unsigned n = 0; n < 10 && vm_run(&other) == EXIT_IOIO; n++) {
        other.vmcb->rip = other.vmcb->next_rip;
    }
    check("the other one goes on", other.vmcb->exit_code, EXIT_VMMCALL);
}

static void check_seen(void)
{
    check("the port before", seen[PORT_BEFORE], 'N');
    check("the C-bit", seen[LEAF], 39);
    check("it is locked", seen[STATUS], 1);
    check("the port then", seen[PORT_LOCKED], 'L');
    check("what L1 gave", seen[FIRST], GIVEN);
    check("and once more", seen[REMAPPED], GIVEN);
    check("code that L1 gave", seen[RAN], 1);
    check("and once more", seen[RAN_AGAIN], 1);
    check("what it gave later", seen[CAME_LATER], GIVEN);
    check("the port after others", seen[PORT_UNSEALED], 'L');
    check("the port when sealed", seen[PORT_SEALED], 'S');
    check("what was not touched", seen[UNTOUCHED], 0);
    check("and is not there", seen[UNMAPPED], 0);
    check("what it has written", seen[KEPT], SECRET);
}

void scenario_import(void)
{
    static Vm vm;

    *(Word *)REPLAYED = GIVEN;
    *(Word *)ABSENT = GIVEN;
    *(Word *)FRESH = OTHER;
    put_code(CODE, 1);
    import_create(&vm, nested_import);
    if (!reaches_yield(&vm, "locked")) {
        return;
    }
    replace();
    if (!asked_for(&vm) || !reaches_yield(&vm, "it goes on")) {
        return;
    }
    say_sealed();
    if (!reaches_yield(&vm, "sealed")) {
        return;
    }
    map_nested(FRESH, 0);
    if (reaches_yield(&vm, "done")) {
        check_seen();
    }
}
