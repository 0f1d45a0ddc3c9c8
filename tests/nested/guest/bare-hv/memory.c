/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L1's page tables, which serve its guests as well, and its exceptions.
 */
#include "hv.h"

#define IDENTITY_GIB 4
#define ENTRIES 512
#define CS64 0x08
#define GATE_INTERRUPT 0x8e00

/* ROOT_A and the next differ in bit 12 only, ROOT_B and the next too. */
static uint64_t roots[ROOTS][ENTRIES] __attribute__((aligned(8192)));
/* A KVM below makes the tables of nested paging read-only: they are apart. */
static uint64_t pdpt[2][ENTRIES] __attribute__((aligned(4096)));
static uint64_t pd[2][IDENTITY_GIB][ENTRIES] __attribute__((aligned(4096)));
static uint64_t large[ENTRIES] __attribute__((aligned(4096)));
static uint64_t small_pd[ENTRIES] __attribute__((aligned(4096)));
static uint64_t small[ENTRIES] __attribute__((aligned(4096)));

/* Nested guests with a page of their own: its tables, and the page */
static struct {
    uint64_t root[ENTRIES], pdpt[ENTRIES], pd[ENTRIES], pt[ENTRIES];
    uint64_t page[ENTRIES];
} own[OWN_MAX] __attribute__((aligned(4096)));

Fault fault;
uint64_t fault_resume;

typedef struct Gate {
    uint16_t offset0, selector, flags, offset1;
    uint32_t offset2, reserved;
} Gate;

static Gate idt[256];

typedef struct Frame {
    uint64_t rip, cs, rflags, rsp, ss;
} Frame;

static void exception(unsigned vector, Frame *frame)
{
    uint64_t address;

    __asm__ volatile("movq %%cr2, %0" : "=r"(address));
    if (!fault_resume) {
        say("FAIL exception %u at 0x%x, CR2 0x%x", (uint64_t)vector, frame->rip,
            address);
        hv_end();
        for (;;) {
            __asm__ volatile("hlt");
        }
    }
    fault = (Fault){ vector, address };
    frame->rip = fault_resume;
    fault_resume = 0;
}

#define HANDLER(name, vector)                                               \
    static void __attribute__((interrupt)) name(Frame *frame)               \
    {                                                                       \
        exception(vector, frame);                                           \
    }
#define HANDLER_ERROR(name, vector)                                         \
    static void __attribute__((interrupt)) name(Frame *frame,               \
                                                unsigned long error)        \
    {                                                                       \
        exception(vector, frame);                                           \
    }

HANDLER(undefined, FAULT_UD)
HANDLER(device_absent, FAULT_NM)
HANDLER_ERROR(stack_fault, 12)
HANDLER_ERROR(protection, FAULT_GP)
HANDLER_ERROR(page_fault, FAULT_PF)

void memory_set_gate(unsigned vector, void *handler)
{
    uint64_t at = (uintptr_t)handler;

    idt[vector] = (Gate){ at, CS64, GATE_INTERRUPT, at >> 16, at >> 32, 0 };
}

static void exceptions_init(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };

    memory_set_gate(FAULT_UD, undefined);
    memory_set_gate(FAULT_NM, device_absent);
    memory_set_gate(12, stack_fault);
    memory_set_gate(FAULT_GP, protection);
    memory_set_gate(FAULT_PF, page_fault);
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static uint64_t table(void *to)
{
    return (uintptr_t)to | PTE_P | PTE_W | PTE_U;
}

static void map_identity(unsigned set)
{
    for (unsigned gib = 0; gib < IDENTITY_GIB; gib++) {
        for (unsigned i = 0; i < ENTRIES; i++) {
            pd[set][gib][i] = (gib * GIB + i * 2 * MIB) | PTE_P | PTE_W |
                              PTE_U | PTE_PS;
        }
        pdpt[set][gib] = table(pd[set][gib]);
    }
}

void memory_init(void)
{
    map_identity(0);
    map_identity(1);
    pdpt[0][SMALL_BASE / GIB] = table(small_pd);
    small_pd[0] = table(small);
    pdpt[0][LARGE_BASE / GIB] = table(large);
    for (unsigned i = 0; i < ROOTS; i++) {
        roots[i][0] = table(pdpt[i == ROOT_NESTED]);
    }
    memory_cpu_init();
}

void memory_cpu_init(void)
{
    memory_enter(ROOT_A);
    exceptions_init();
}

uint64_t memory_own_root(unsigned n)
{
    unsigned gib = OWN_ADDRESS / GIB;

    own[n].root[0] = table(own[n].pdpt);
    for (unsigned i = 0; i < gib; i++) {
        own[n].pdpt[i] = table(pd[1][i]);
    }
    own[n].pdpt[gib] = table(own[n].pd);
    own[n].pd[0] = table(own[n].pt);
    memory_own_map(n, n, true);
    return (uintptr_t)own[n].root;
}

void memory_own_map(unsigned n, unsigned page, bool there)
{
    own[n].pt[0] = there ? table(own[page].page) : 0;
}

uint64_t *memory_own_word(unsigned n)
{
    return &own[n].page[OWN_ADDRESS % PAGE / 8];
}

uint64_t memory_root(Root root)
{
    return (uintptr_t)roots[root];
}

void memory_enter(Root root)
{
    __asm__ volatile("movq %0, %%cr3" : : "r"(memory_root(root)) : "memory");
}

void memory_map_small(unsigned n, uint64_t entry)
{
    small[n] = entry;
    memory_enter(ROOT_A);
}

void memory_map_large(unsigned n, uint64_t entry)
{
    large[n] = entry;
    memory_enter(ROOT_A);
}

void memory_map_huge(unsigned n, uint64_t entry)
{
    pdpt[0][HUGE_BASE / GIB + n] = entry;
    memory_enter(ROOT_A);
}

void memory_map_nested(unsigned gib, uint64_t entry)
{
    pdpt[1][gib] = entry;
}
