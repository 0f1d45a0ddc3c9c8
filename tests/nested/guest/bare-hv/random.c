/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random: guests of all modes whose control blocks, tables and programs are
 * chance.  The outer hypervisor goes on, and what is not theirs stays as it is.
 *
 * What they can write to are pages of the arena, a part of L1's memory; another
 * CPU writes to their tables as well.  L1 keeps what it needs to get a guest
 * back: exits for interrupts, ports and MSRs.
 */
#include "random.h"
#include "vmcb.h"

#define ARENA (48 * MIB)
#define ARENA_PAGES 64

/* Pages of the arena; of those after them each second one is the guest's. */
enum {
    GUEST_PML4, GUEST_PDPT, GUEST_PD, GUEST_PT = GUEST_PD + 4, CODE,
    STACK, GDT, IDT, TSS, LDT, REST
};

#define INTERCEPT1_KEPT 0x99000003u /* INTR, NMI, HLT, IOIO, MSR, SHUTDOWN */
#define INTERCEPT2_KEPT 0x29u   /* VMRUN, VMSAVE, CLGI */
#define TIMER_COUNT 1000000
#define SAVE_AREA_SIZE 0x270
#define CONTROL_AREA_SIZE 0xe0

#define CR0_USUAL 0x80010031ul
#define CR4_PAE 0x20ul
#define RFLAGS_VM (1ul << 17)

static uint64_t npt_pml4[512] __attribute__((aligned(4096)));
static uint64_t npt_pdpt[512] __attribute__((aligned(4096)));
static uint64_t npt_pd[4][512] __attribute__((aligned(4096)));
static uint64_t npt_arena[512] __attribute__((aligned(4096)));

/* xorshift64* (Vigna, 2016) */
static uint64_t chance_of(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1dul;
}

static uint64_t seed;

static uint64_t chance(void)
{
    return chance_of(&seed);
}

uint64_t below(uint64_t n)
{
    return (chance() >> 16) % n;
}

static void *arena_page(unsigned n)
{
    return (void *)(ARENA + n * PAGE);
}

/* A number as it may come up in a descriptor, a register or a table */
static uint64_t odd_number(void)
{
    switch (below(8)) {
    case 0:
        return 0;
    case 1:
        return ~0ul;
    case 2:
        return 1ul << below(64);
    case 3:
        return below(256);
    case 4:
        return ARENA + below(ARENA_PAGES) * PAGE +
               (below(2) ? below(PAGE) : -below(16));
    case 5:
        return 0x7fffffffffffffff + below(3);
    case 6:
        return 0xffff800000000000 - below(2) * PAGE;
    default:
        return chance();
    }
}

static bool is_guests(unsigned page)
{
    return page < REST || (page < ARENA_PAGES && page % 2);
}

#define PATTERN 0xa5

static void fill_others(void)
{
    for (unsigned i = REST; i < 2 * ARENA_PAGES; i++) {
        for (uint64_t n = 0; n < PAGE && !is_guests(i); n++) {
            poke((uint8_t *)arena_page(i) + n, PATTERN);
        }
    }
}

/* Bytes written to in what guests can only read */
static uint64_t changed_others(void)
{
    uint64_t changed = 0;

    for (unsigned i = REST; i < 2 * ARENA_PAGES; i++) {
        for (uint64_t n = 0; n < PAGE && !is_guests(i); n++) {
            changed += peek((uint8_t *)arena_page(i) + n) != PATTERN;
        }
    }
    return changed;
}

static void nested_tables(void)
{
    npt_pml4[0] = (uintptr_t)npt_pdpt | PTE_P | PTE_W | PTE_U;
    for (unsigned gib = 0; gib < 4; gib++) {
        npt_pdpt[gib] = (uintptr_t)npt_pd[gib] | PTE_P | PTE_W | PTE_U;
        for (unsigned i = 0; i < 512; i++) {
            npt_pd[gib][i] = (gib * GIB + i * 2 * MIB) | PTE_P | PTE_U | PTE_PS;
        }
    }
    npt_pd[0][ARENA / (2 * MIB)] = (uintptr_t)npt_arena | PTE_P | PTE_W | PTE_U;
    for (unsigned i = 0; i < 512; i++) {
        npt_arena[i] = (ARENA + i * PAGE) | PTE_P | PTE_U |
                       (is_guests(i) ? PTE_W : 0);
    }
}

static unsigned own_page(void)
{
    return (REST | 1) + 2 * below((ARENA_PAGES - REST) / 2 - 1);
}

/* What follows in addresses does not in memory. */
static void guest_tables(void)
{
    uint64_t *pml4 = arena_page(GUEST_PML4), *pdpt = arena_page(GUEST_PDPT);
    uint64_t *pt = arena_page(GUEST_PT);
    const uint64_t bits = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;

    pml4[0] = (uintptr_t)pdpt | bits;
    for (unsigned gib = 0; gib < 4; gib++) {
        uint64_t *pd = arena_page(GUEST_PD + gib);

        pdpt[gib] = (uintptr_t)pd | bits;
        for (unsigned i = 0; i < 512; i++) {
            pd[i] = (gib * GIB + i * 2 * MIB) | bits | PTE_PS;
        }
    }
    ((uint64_t *)arena_page(GUEST_PD))[ARENA / (2 * MIB)] =
        (uintptr_t)pt | bits;
    for (unsigned i = 0; i < 512; i++) {
        pt[i] = (uintptr_t)arena_page(i < REST ? i : own_page()) | bits;
    }
    if (!below(8)) {
        ((uint64_t *)ARENA)[below(CODE * 512)] = odd_number();
    }
}

/* Segments, gates of calls and tasks, TSSs */
static uint64_t descriptor(void)
{
    static const uint64_t usual[] = {
        0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff,
        0x00affb000000ffff, 0x00cff3000000ffff, 0x00cffb000000ffff,
        0x00008b000000ffff | (ARENA + TSS * PAGE) << 16,
        0x0000890000000fff | (ARENA + TSS * PAGE) << 16,
        0x0000820000000fff | (ARENA + LDT * PAGE) << 16,
        0x0000ec0000080000, 0x0000e50000300000, 0x000083000000ffff,
    };

    return below(8) ? usual[below(ARRAY_SIZE(usual))]
                    : chance() ^ (below(2) ? 0x0000800000000000 : 0);
}

static uint64_t gate(void)
{
    uint64_t at = ARENA + CODE * PAGE + below(64);
    uint64_t types = 0xee8e8e85e78f8600 >> 8 * below(8) & 0xff;

    return (at & 0xffff) | below(16) * 8 << 16 | types << 40 | at >> 16 << 48 |
           below(2) * below(8) << 32;
}

static void descriptor_tables(void)
{
    uint64_t *gdt = arena_page(GDT), *idt = arena_page(IDT);
    uint64_t *ldt = arena_page(LDT), *tss = arena_page(TSS);

    for (unsigned i = 0; i < 16; i++) {
        gdt[i] = i % 3 == 2 ? 0 : descriptor();
        ldt[i] = descriptor();
        tss[i] = below(3) ? ARENA + STACK * PAGE + 0x800 : odd_number();
    }
    gdt[1] = 0x00af9b000000ffff;
    gdt[2] = 0x00cf93000000ffff;
    gdt[3] = 0x00cf9b000000ffff;
    for (unsigned i = 0; i < 512; i++) {
        idt[i] = below(4) ? gate() : 0;
    }
}

static void set_mode(struct vmcb *vmcb, unsigned mode)
{
    unsigned dpl = mode == 1 || mode == 5 ? 0x60 : 0;

    vmcb->cr0 = CR0_USUAL;
    vmcb->cr3 = ARENA;
    vmcb->cr4 = CR4_PAE | (below(2) ? 0x40600 : 0x740600);
    vmcb->efer = EFER_SVME | EFER_LME | EFER_LMA | below(2);
    vmcb->rip = ARENA + CODE * PAGE;
    vmcb->rsp = ARENA + STACK * PAGE + 0x800;
    vmcb->rflags = 2 | (below(2) ? 0 : chance() & 0x57fd5);
    vmcb->cs.attributes = (mode < 2 ? 0xa9b : 0xc9b) | dpl;
    vmcb->ss.attributes = 0xc93 | dpl;
    vmcb->cpl = dpl / 0x20;
    switch (mode) {
    case 3:                     /* protected mode */
        vmcb->cr0 &= ~CR0_PG;
        vmcb->efer = EFER_SVME;
        break;
    case 4:                     /* real mode */
        vmcb->cr0 &= ~(CR0_PG | CR0_PE);
        vmcb->efer = EFER_SVME;
        vmcb->cs = (Segment){ 0, 0x9b, 0xffff, ARENA + CODE * PAGE };
        vmcb->rip = 0;
        break;
    case 5:                     /* virtual 8086 mode */
        vmcb->cr0 &= ~CR0_PG;
        vmcb->efer = EFER_SVME;
        vmcb->rflags |= RFLAGS_VM;
        vmcb->cs = (Segment){ 0, 0xfb, 0xffff, ARENA + CODE * PAGE };
        vmcb->rip = 0;
        break;
    case 6:                     /* 32-bit paging */
        vmcb->efer = EFER_SVME;
        vmcb->cr4 &= ~(below(2) * CR4_PAE);
        break;
    }
    vmcb->gdtr = (Segment){ .limit = 127, .base = (uintptr_t)arena_page(GDT) };
    vmcb->idtr = (Segment){ .limit = 4095, .base = (uintptr_t)arena_page(IDT) };
    vmcb->ldtr = (Segment){ 0x40, 0x82, 127, (uintptr_t)arena_page(LDT) };
    vmcb->tr = (Segment){ 0x30, 0x80 | (below(2) ? 0x9 : 0xb), 0xfff,
                          (uintptr_t)arena_page(TSS) };
}

static void poke_vmcb(struct vmcb *vmcb)
{
    unsigned at = below(3) ? SAVE_AREA + below(SAVE_AREA_SIZE)
                           : below(CONTROL_AREA_SIZE);
    unsigned size = 1 << below(4);
    uint64_t val = odd_number();

    if (below(2)) {
        at &= ~(size - 1);
    }
    for (unsigned i = 0; i < size; i++) {
        ((uint8_t *)vmcb)[at + i] = val >> 8 * i;
    }
}

static void keep(struct vmcb *vmcb)
{
    vmcb->intercept1 |= INTERCEPT1_KEPT;
    vmcb->intercept2 |= INTERCEPT2_KEPT;
    vmcb->int_control |= V_INTR_MASKING;
    vmcb->iopm = (uintptr_t)maps[0];
    vmcb->msrpm = (uintptr_t)maps[1];
    vmcb->nested_ctl |= 1;
    vmcb->nested_cr3 = (uintptr_t)npt_pml4;
}

static void strange_guest(Vm *vm)
{
    struct vmcb *vmcb = vm->vmcb;

    random_instructions(arena_page(CODE));
    set_mode(vmcb, below(7));
    vmcb->intercept_exceptions = below(3) ? 0 : chance();
    vmcb->intercept_cr = below(3) ? 0 : chance();
    vmcb->intercept2 = below(3) ? 0 : chance();
    vmcb->intercept1 = below(3) ? 0 : chance();
    vmcb->int_control = below(2) ? 0 : chance();
    vmcb->int_vector = below(256);
    vmcb->int_shadow = below(4) ? 0 : below(4);
    vmcb->event_inj = below(2) ? 0 : INJECT_VALID | below(5) << INJECT_TYPE |
                                     below(2) << 11 | below(64);
    for (unsigned i = below(6); i; i--) {
        poke_vmcb(vmcb);
    }
    for (unsigned i = 0; i < REGS; i++) {
        vm->regs[i] = odd_number();
    }
    vmcb->rax = below(2) ? odd_number() : ARENA + below(ARENA_PAGES) * PAGE;
}

static uint64_t end_of_page(void)
{
    return (uintptr_t)arena_page(REST + 1 + below(ARENA_PAGES)) - below(16);
}

/* In long mode, with what it accesses at the end of pages */
static void ordinary_guest(Vm *vm)
{
    random_accesses(arena_page(CODE));
    set_mode(vm->vmcb, below(2));
    vm->vmcb->rflags = 2;
    for (unsigned i = 0; i < REGS; i++) {
        vm->regs[i] = end_of_page();
    }
    vm->vmcb->rax = end_of_page();
    vm->vmcb->rsp = end_of_page();
}

static void random_guest(Vm *vm)
{
    guest_tables();
    descriptor_tables();
    if (below(3)) {
        strange_guest(vm);
    } else {
        ordinary_guest(vm);
    }
    keep(vm->vmcb);
}

static void __attribute__((interrupt)) nothing(void *frame)
{
}

/* Whatever it exits for, it goes on, until it is stopped by the timer. */
static void run_random(Vm *vm)
{
    uint64_t code;

    for (unsigned n = below(8); n; n--) {
        /* With V_INTR_MASKING that is for as long as the guest runs. */
        __asm__ volatile("sti");
        code = vm_enter_once(vm);
        __asm__ volatile("cli");
        if (code == EXIT_INTR || code == EXIT_INVALID) {
            break;
        }
        vm->vmcb->rip = vm->vmcb->next_rip;
        vm->vmcb->event_inj = below(4) ? 0 : vm->vmcb->exit_int_info;
        if (!below(4)) {
            poke_vmcb(vm->vmcb);
        }
        keep(vm->vmcb);
    }
}

/* What another CPU does: of tables, one bit at a time */
static void scribble(void)
{
    uint64_t own = 1, to;

    for (;;) {
        to = chance_of(&own) >> 16;
        /* volatile: the guest's CPU reads it meanwhile */
        *(volatile uint64_t *)(ARENA + to % (REST * PAGE) / 8 * 8) ^=
            1ul << chance_of(&own) % 64;
        relax(100);
    }
}

/* With another CPU, that does its part. */
void scenario_random(void)
{
    static Vm vm;
    static struct vmcb first;
    uint64_t rounds = option("rounds", 4000);

    seed = option("seed", 1) * 0x9e3779b97f4a7c15ul;
    memory_set_gate(VECTOR_DB, nothing);
    memory_set_gate(VECTOR_NMI, nothing);
    lapic_timer(TIMER_COUNT);
    nested_tables();
    fill_others();
    if (!smp_start(scribble)) {
        return;
    }
    vm_create(&vm, ROOT_A, NULL, 0, 0);
    first = *vm.vmcb;
    for (uint64_t i = 0; i < rounds; i++) {
        *vm.vmcb = first;
        random_guest(&vm);
        if (below(2)) {
            __asm__ volatile("vmload %0" : : "a"(vm.vmcb) : "memory");
        }
        run_random(&vm);
    }
    say("INFO %u rounds", rounds);
    check("bytes of others that are changed", changed_others(), 0);
}
