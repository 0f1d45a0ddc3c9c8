/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the emulated processor tells a hypervisor of a nested guest's
 * instruction, so that it need not fetch it (AMD APM vol. 2, 15.7.1, 15.8.4),
 * and what it does with the next RIP of an injected software interrupt
 * (15.20).
 */
#include "vmcb.h"

#define SVM_LEAF 0x8000000a
#define NRIPS (1u << 3)
#define DECODE_ASSISTS (1u << 7)

#define CR_VALID (1ul << 63)

/* Where an access has something to find in the nested guest, and where not */
#define HOLE_GIB 6
#define HOLE (HOLE_GIB * GIB)
/* Pages of ROOT_A's and of the nested guests' own: see memory.c */
#define CODE (SMALL_BASE)

typedef struct Assist {
    const char *name;
    uint8_t bytes[8], length;
    unsigned exit;
    uint64_t info_1;            /* of accesses to registers, and of INVLPG */
} Assist;

/* RDI is HOLE, RCX 0 */
static const Assist assists[] = {
    { "CPUID", { 0x0f, 0xa2 }, 2, EXIT_CPUID },
    { "CPUID with a prefix", { 0x66, 0x0f, 0xa2 }, 3, EXIT_CPUID },
    { "HLT", { 0xf4 }, 1, EXIT_HLT },
    { "PAUSE", { 0xf3, 0x90 }, 2, EXIT_PAUSE },
    { "RDMSR", { 0x0f, 0x32 }, 2, EXIT_MSR },
    { "WRMSR", { 0x0f, 0x30 }, 2, EXIT_MSR, 1 },
    { "RDPMC", { 0x0f, 0x33 }, 2, EXIT_RDPMC },
    { "RDTSC", { 0x0f, 0x31 }, 2, 0x6e },
    { "RDTSCP", { 0x0f, 0x01, 0xf9 }, 3, 0x87 },
    { "WBINVD", { 0x0f, 0x09 }, 2, EXIT_WBINVD },
    { "VMMCALL", { 0x0f, 0x01, 0xd9 }, 3, EXIT_VMMCALL },
    { "CLGI", { 0x0f, 0x01, 0xdd }, 3, 0x85 },
    { "MOV CR0", { 0x0f, 0x20, 0xc3 }, 3, 0x00, CR_VALID | 3 },
    { "MOV to CR3", { 0x0f, 0x22, 0xd8 }, 3, 0x13, CR_VALID },
    { "MOV to CR4", { 0x41, 0x0f, 0x22, 0xe7 }, 4, 0x14, CR_VALID | 15 },
    { "MOV to CR8", { 0x44, 0x0f, 0x22, 0xc6 }, 4, 0x18, CR_VALID | 6 },
    { "MOV to CR8 by LOCK", { 0xf0, 0x0f, 0x22, 0xc6 }, 4, 0x18,
      CR_VALID | 6 },
    { "CLTS", { 0x0f, 0x06 }, 2, 0x10, 0 },
    { "LMSW", { 0x0f, 0x01, 0xf3 }, 3, 0x10, 0 },
    { "MOV DR7", { 0x41, 0x0f, 0x21, 0xfb }, 4, 0x27, 11 },
    { "MOV to DR0", { 0x0f, 0x23, 0xc1 }, 3, 0x30, 1 },
    { "INVLPG", { 0x0f, 0x01, 0x7f, 0x10 }, 4, 0x79, HOLE + 0x10 },
    { "INVLPG with an index", { 0x0f, 0x01, 0x3c, 0xcf }, 4, 0x79, HOLE },
};

static Vm vm;

static uint64_t run_at(uint64_t rip)
{
    vm_start(&vm, (VmProgram)rip, HOLE, 0);
    vm.regs[RCX] = 0;
    return vm_run(&vm);
}

static void put(uint64_t at, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        poke((uint8_t *)at + i, bytes[i]);
    }
}

static void each_instruction(uint64_t at)
{
    for (size_t i = 0; i < ARRAY_SIZE(assists); i++) {
        const Assist *a = &assists[i];

        say("INFO %s", a->name);
        put(at, a->bytes, a->length);
        vm_set_intercept(&vm, a->exit, true);
        check("exit", run_at(at), a->exit);
        check("next RIP", vm.vmcb->next_rip - vm.vmcb->rip, a->length);
        check("EXITINFO1", vm.vmcb->exit_info1, a->info_1);
        check("bytes", vm.vmcb->insn_len, 0);
        if (a->exit != EXIT_VMMCALL) {
            vm_set_intercept(&vm, a->exit, false);
        }
    }
}

/* A nested page fault, of which there is no next RIP */
static void bytes_at(uint64_t at, unsigned there)
{
    static const uint8_t insn[15] = {
        0x48, 0x8b, 0x07, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
    };
    unsigned same = 0;

    put(at, insn, there);
    check("exit", run_at(at), EXIT_NPF);
    check("address", vm.vmcb->exit_info2, HOLE);
    check("next RIP", vm.vmcb->next_rip, 0);
    check("length", vm.vmcb->insn_len, there);
    for (unsigned i = 0; i < there; i++) {
        same += vm.vmcb->insn_bytes[i] == insn[i];
    }
    check("bytes", same, there);
}

static uint64_t returned;

/* What the handler returns to, then the end */
static void __attribute__((interrupt)) handler(void *frame)
{
    returned = *(uint64_t *)frame;
    __asm__ volatile("vmmcall");
}

static void inject(unsigned type, unsigned vector, uint64_t next, uint64_t want)
{
    vm_start(&vm, (VmProgram)0x1234, 0, 0);
    vm.vmcb->event_inj = INJECT_VALID | type << INJECT_TYPE | vector;
    vm.vmcb->next_rip = next;
    returned = 0;
    check("exit", vm_run(&vm), EXIT_VMMCALL);
    check("return to", returned, want);
}

static void injections(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt, gdt;

    __asm__ volatile("sidt %0; sgdt %1" : "=m"(idt), "=m"(gdt));
    vm.vmcb->idtr.base = idt.base;
    vm.vmcb->idtr.limit = idt.limit;
    vm.vmcb->gdtr.base = gdt.base;
    vm.vmcb->gdtr.limit = gdt.limit;
    memory_set_gate(3, handler);
    memory_set_gate(0x60, handler);
    say("INFO interrupts and exceptions");
    inject(0, 0x60, 0x5678, 0x1234);
    inject(3, 3, 0x5678, 0x5678);
    inject(4, 0x60, 0x5678, 0x5678);
    inject(4, 0x60, 0, 0x1234);
}

/* assists: with all of L1's memory in the nested guest, but for HOLE */
void scenario_assists(void)
{
    static uint8_t code[3 * PAGE] __attribute__((aligned(4096)));
    uint64_t at = (uintptr_t)code;
    uint32_t features = 0, a = SVM_LEAF, b, c;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(features));
    check("CPUID", features & (NRIPS | DECODE_ASSISTS), NRIPS | DECODE_ASSISTS);
    vm_create(&vm, ROOT_A, NULL, 0, 0);
    vm.vmcb->msrpm = (uintptr_t)maps[1];
    each_instruction(at);
    each_instruction(at + PAGE - 1);
    vm.vmcb->cr3 = memory_root(ROOT_A);
    memory_map_huge(HOLE_GIB - HUGE_BASE / GIB, HOLE | PTE_P | PTE_W | PTE_PS);
    say("INFO in a page, and over the end of one");
    bytes_at(at, 15);
    bytes_at(at + PAGE - 5, 15);
    say("INFO where the next page is not there");
    memory_map_small(0, at | PTE_P | PTE_W);
    bytes_at(CODE + PAGE - 3, 3);
    bytes_at(CODE + PAGE - 15, 15);
    injections();
}
