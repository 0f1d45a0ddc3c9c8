/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doorbell: what it takes to call by it, and what comes with it.
 *
 * A hypervisor rings it for a program of its control domain, at CPL 0 and with
 * the program's registers: so did Xen here.  Its own memory is not to be had.
 */
#include "hv.h"

#define EPERM 1
#define EFAULT 14
#define EOPNOTSUPP 95

/* A page of the hypervisor's own, and one that programs may use too */
#define OWN SMALL_BASE
#define USERS (SMALL_BASE + PAGE)
#define SPARE (32 * MIB)
#define PATTERN 0xaau
#define USED (PTE_P | PTE_W | PTE_A | PTE_D)

/* A call that the nested guest is to make, and what came of it */
static struct {
    uint32_t nr;
    uint64_t a[ULTRACALL_ARGS];
    int64_t status;
    uint64_t value;
} ring;

static void nested_ring(uint64_t unused, uint64_t unused2)
{
    for (;;) {
        ring.status = ultracall_by_doorbell(client.port, ring.nr, ring.a,
                                            &ring.value);
        __asm__ volatile("vmmcall" : : "a"((uint64_t)VM_DONE) : "memory");
    }
}

static VmEvent ring_nested(Vm *vm, uint32_t nr, uint64_t a0, uint64_t a1,
                           uint64_t a2, uint64_t a3)
{
    ring.nr = nr;
    ring.a[0] = a0;
    ring.a[1] = a1;
    ring.a[2] = a2;
    ring.a[3] = a3;
    ring.value = 0;
    vm_start(vm, nested_ring, 0, 0);
    return vm_step(vm);
}

static Result ring_own(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
                       uint64_t a3)
{
    const uint64_t a[ULTRACALL_ARGS] = { a0, a1, a2, a3 };

    return call_by(DOORBELL, nr, a);
}

static void fill(void)
{
    for (unsigned i = 0; i < 2 * PAGE; i++) {
        poke((uint8_t *)OWN + i, PATTERN);
    }
}

static unsigned written(void)
{
    const uint8_t *own = (const uint8_t *)OWN;
    unsigned n = 0;

    for (unsigned i = 0; i < PAGE; i++) {
        n += own[i] != PATTERN;
    }
    return n;
}

/* At CPL 0, as a hypervisor that rings for a program */
static void try_own(void)
{
    const uint64_t a[ULTRACALL_ARGS] = { OWN, 24 };
    uint64_t tag = (uintptr_t)"vm1";
    Result result = ring_own(ULTRACALL_PROBE, OWN, 24, 0, 0);

    check("a buffer of the hypervisor's own", result.status, -EFAULT);
    check("where", result.value, OWN);
    result = ring_own(ULTRACALL_QUERY, OWN, 3, USERS, 64);
    check("a tag there", result.status, -EFAULT);
    result = ring_own(ULTRACALL_PROBE, OWN + PAGE - 8, 24, 0, 0);
    check("from there into a program's", result.status, -EFAULT);
    check("nothing is written", written(), 0);
    check("a program's buffer",
          ring_own(ULTRACALL_PROBE, USERS, 24, 0, 0).status, 0);
    check("BIND for it", ring_own(ULTRACALL_BIND, tag, 3, USERS, 8).status,
          -EOPNOTSUPP);
    if (transport_works(INSTRUCTION)) {
        check("the hypervisor's own call",
              call_by(INSTRUCTION, ULTRACALL_PROBE, a).status, 0);
        fill();
    }
}

#define CR4_SMAP (1ul << 21)
#define CPUID_7_EBX_SMAP (1u << 20)

/* All pages here are users': but for the call, EFLAGS.AC is set. */
static void set_smap(bool on)
{
    uint64_t cr4;

    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    cr4 = on ? cr4 | CR4_SMAP : cr4 & ~CR4_SMAP;
    __asm__ volatile("stac\n\t"
                     "movq %0, %%cr4" : : "r"(cr4) : "memory");
    if (!on) {
        __asm__ volatile("clac" : : : "memory");
    }
}

/* A hypervisor that keeps its own accesses off its guests' pages */
static void try_smap(void)
{
    const uint64_t a[ULTRACALL_ARGS] = { USERS, 24 };
    uint64_t rax = ULTRACALL_MAGIC | ULTRACALL_PROBE, value;
    uint32_t eax = 7, ebx, ecx = 0, edx;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if (!(ebx & CPUID_7_EBX_SMAP)) {
        say("INFO no SMAP here");
        return;
    }
    set_smap(true);
    ULTRACALL_ASM("clac\n\t"
                  "outl %%eax, %%dx\n\t"
                  "stac", rax, 0, 0, client.port, a, value);
    set_smap(false);
    check("a program's buffer, under SMAP", rax, 0);
    check("how much was written", value, 24);
}

/* In guest mode: a control domain that is a nested guest itself */
static void try_nested(Vm *vm)
{
    uint64_t tag = (uintptr_t)"vm1";
    bool served = option("nested", 1);

    vm->own_exits = false;
    check("nothing is asked for",
          ring_nested(vm, ULTRACALL_PROBE, USERS, 24, 0, 0), VM_DONE);
    check("PROBE", ring.status, served ? 0 : -EPERM);
    if (!served) {
        return;
    }
    ring_nested(vm, ULTRACALL_STATE_SIZE, tag, 3, 0, 0);
    check("what is L1's to call", ring.status, 0);
    ring_nested(vm, ULTRACALL_PROBE, OWN, 24, 0, 0);
    check("a buffer of its kernel", ring.status, -EFAULT);
    ring_nested(vm, ULTRACALL_PROBE, SMALL_BASE + 2 * PAGE, 24, 0, 0);
    check("one that is not there", ring.status, -EFAULT);
    ring_nested(vm, ULTRACALL_BIND, tag, 3, USERS, 8);
    check("BIND of a process", ring.status, -EOPNOTSUPP);
    ring_nested(vm, ULTRACALL_REGISTER, tag, 3, 0, 0);
    check("REGISTER", ring.status, -EPERM);
}

/* A user VM, or any whose port L1's hypervisor keeps: it is L1 that is told. */
static void try_kept(Vm *vm)
{
    vm->own_exits = true;
    check("L1 gets the write", ring_nested(vm, ULTRACALL_PROBE, USERS, 24, 0,
                                           0), VM_ACCESS);
    check("to the doorbell", vm->last.port, client.port);
    check("it goes on", vm_step(vm), VM_DONE);
    check("and no call was made", ring.status,
          ULTRACALL_MAGIC | ULTRACALL_PROBE);
}

void scenario_doorbell(void)
{
    static Vm vm;

    memory_map_small(0, SPARE | USED);
    memory_map_small(1, (SPARE + PAGE) | USED | PTE_U);
    fill();
    vm_create(&vm, ROOT_A, nested_ring, 0, 0);
    try_own();
    try_smap();
    try_kept(&vm);
    try_nested(&vm);
    check("nothing was written", written(), 0);
}
