/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hypervisor or its guest can do, and what once ended QEMU.
 */
#include "vmcb.h"

#define RFLAGS_TF (1u << 8)
#define RFLAGS_IF (1u << 9)
#define EXIT_EXCEPTION 0x40     /* and its vector */
#define TIMER_COUNT 1000000
#define FAULT_TS 10
/* start.S */
#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_CODE32 0x18

static void write_cr8(uint64_t unused, uint64_t unused2)
{
    __asm__ volatile("movq %rax, %cr8\n\t"
                     "vmmcall");
}

/*
 * priorities: a guest moves its priority above that of an interrupt that waits
 * for it, and below it again.
 */
void scenario_priorities(void)
{
    static Vm vm;

    vm_create(&vm, ROOT_A, write_cr8, 0, 0);
    for (unsigned priority = 0; priority < 16; priority++) {
        vm.vmcb->int_control |= V_IRQ | 8 << V_INTR_PRIORITY;
        vm.vmcb->rax = priority;
        vm_start(&vm, write_cr8, 0, 0);
        check("the guest goes on", vm_run(&vm), EXIT_VMMCALL);
        check("its priority", vm.vmcb->int_control & V_TPR, priority);
    }
}

/* A guest's program, and its kernel that the program's exception comes to */
static void __attribute__((naked)) program(uint64_t unused, uint64_t unused2)
{
    __asm__("ud2");
}

static void __attribute__((naked)) kernel(void)
{
    __asm__("vmmcall");
}

#define TR_SELECTOR 0x28
#define TSS_32 9
#define TSS_BUSY 0x2
#define SEGMENT_LDT 2
#define SEGMENT_P 0x80
#define SEGMENT_DPL3 0x60
#define GATE_INTERRUPT 0x8e00ul

static uint32_t tss[26];
static uint64_t gates[2 * (FAULT_UD + 1)];

static Segment table(const void *base, size_t size)
{
    return (Segment){ .limit = size - 1, .base = (uintptr_t)base };
}

static void set_gate(uint64_t *gate, uint64_t selector)
{
    uint64_t at = (uintptr_t)kernel;

    gate[0] = (at & 0xffff) | selector << 16 | GATE_INTERRUPT << 32 |
              at >> 16 << 48;
    gate[1] = at >> 32;
}

static void run_program(Vm *vm, uint16_t attributes, uint64_t exit)
{
    struct vmcb *vmcb = vm->vmcb;

    vmcb->cpl = 3;
    vmcb->cs.attributes |= SEGMENT_DPL3;
    vmcb->ss = (Segment){ SELECTOR_DATA | 3, 0xcf3, 0xffffffff, 0 };
    vmcb->tr = table(tss, sizeof(tss));
    vmcb->tr.selector = TR_SELECTOR;
    vmcb->tr.attributes = attributes;
    __asm__ volatile("vmload %0" : : "a"(vmcb) : "memory");
    vm_start(vm, program, 0, 0);
    say("INFO attributes 0x%x", (uint64_t)attributes);
    check("exit", vm_run(vm), exit);
    check("of the task register", vmcb->exit_info1,
          exit == EXIT_VMMCALL ? 0 : TR_SELECTOR);
}

static void run_programs(Vm *vm)
{
    run_program(vm, SEGMENT_P | TSS_32, EXIT_VMMCALL);
    run_program(vm, SEGMENT_P | TSS_32 | TSS_BUSY, EXIT_VMMCALL);
    run_program(vm, 0, EXIT_EXCEPTION + FAULT_TS);
}

/*
 * task: a guest's program has an exception.  The kernel's stack comes from the
 * TSS, busy or not; without a TSS that is a fault of the guest's.  In long
 * mode, then in protected mode.
 */
void scenario_task(void)
{
    static Vm vm;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdt;

    vm_create(&vm, ROOT_A, program, 0, 0);
    vm.vmcb->intercept_exceptions = 1 << FAULT_TS;
    __asm__("sgdt %0" : "=m"(gdt));
    vm.vmcb->gdtr = table((void *)gdt.base, gdt.limit + 1ul);
    vm.vmcb->idtr = table(gates, sizeof(gates));

    set_gate(gates + 2 * FAULT_UD, SELECTOR_CODE64);
    tss[1] = vm.stack;
    run_programs(&vm);

    set_gate(gates + FAULT_UD, SELECTOR_CODE32);
    tss[2] = SELECTOR_DATA;
    vm.vmcb->efer = EFER_SVME;
    vm.vmcb->cr0 = CR0_PE;
    vm.vmcb->cs = (Segment){ SELECTOR_CODE32, 0xc9b, 0xffffffff, 0 };
    run_programs(&vm);
    run_program(&vm, SEGMENT_P | SEGMENT_LDT, EXIT_EXCEPTION + FAULT_TS);
}

/* HLT, which the timer ends, or else the trap after it */
static void __attribute__((naked)) halt(uint64_t unused, uint64_t unused2)
{
    __asm__("hlt\n\t"
            "vmmcall");
}

/* step: a guest without an IDT steps over a HLT. */
void scenario_step(void)
{
    static Vm vm;
    uint64_t code;

    lapic_timer(TIMER_COUNT);
    vm_create(&vm, ROOT_A, halt, 0, 0);
    vm.vmcb->int_control = 0;
    vm.vmcb->intercept1 &= ~1;  /* the guest has the interrupt itself */
    vm.vmcb->rflags |= RFLAGS_TF | RFLAGS_IF;
    code = vm_enter_once(&vm);
    check("the guest shuts down", code, EXIT_SHUTDOWN);
}

#define DEVICE 0xfee00000ul     /* the local interrupt controller */

/* devices: VMLOAD of one, and events for a guest whose IDT is in one. */
void scenario_devices(void)
{
    static Vm vm;

    __asm__ volatile("vmload %0" : : "a"(DEVICE) : "memory");
    __asm__ volatile("vmsave %0" : : "a"(DEVICE) : "memory");
    vm_create(&vm, ROOT_A, program, 0, 0);
    vm.vmcb->idtr = (Segment){ .limit = PAGE - 1, .base = DEVICE };
    vm.vmcb->event_inj = INJECT_VALID | VECTOR_NMI << INJECT_TYPE | VECTOR_NMI;
    check("the guest shuts down", vm_enter_once(&vm), EXIT_SHUTDOWN);
}

/* breakpoint: at an instruction of a guest whose code segment has a base. */
void scenario_breakpoint(void)
{
    static Vm vm;
    uint64_t at = (uintptr_t)program;

    vm_create(&vm, ROOT_A, program, 0, 0);
    vm.vmcb->intercept_exceptions = 1 << VECTOR_DB | 1 << FAULT_UD;
    vm.vmcb->efer = EFER_SVME;
    vm.vmcb->cr0 = CR0_PE;
    vm.vmcb->cs = (Segment){ SELECTOR_CODE32, 0xc9b, 0xffffffff, at - 16 };
    vm.vmcb->rip = 16;
    vm.vmcb->dr7 = 0x402;       /* the first one, of an instruction */
    __asm__ volatile("movq %0, %%dr0" : : "r"(at));
    check("exit", vm_run(&vm), EXIT_EXCEPTION + VECTOR_DB);
    check("which", vm.vmcb->dr6 & 15, 1);
}

static uint64_t read_cr0(void)
{
    uint64_t val;

    __asm__ volatile("movq %%cr0, %0" : "=r"(val));
    return val;
}

/*
 * halfway: a guest that is going to enter long mode exits; it has all but PAE.
 * L1 has its own mode again.
 */
void scenario_halfway(void)
{
    static Vm vm;
    uint64_t cr0 = read_cr0();

    vm_create(&vm, ROOT_A, program, 0, 0);
    vm.vmcb->intercept_exceptions = 1 << FAULT_UD;
    vm.vmcb->efer = EFER_SVME | EFER_LME;
    vm.vmcb->cr0 = CR0_PE;
    vm.vmcb->cr4 = 0;
    vm.vmcb->cs = (Segment){ SELECTOR_CODE32, 0xc9b, 0xffffffff, 0 };
    check("exit", vm_run(&vm), EXIT_EXCEPTION + FAULT_UD);
    check("CR0 of L1", read_cr0(), cr0);
}

#define FNSAVE_SIZE 108
#define PATTERN 0xa5

/*
 * straddle: FNSAVE to the last bytes of a page, behind which the addresses have
 * a page that does not follow it in memory.
 */
void scenario_straddle(void)
{
    uint8_t *memory = (uint8_t *)(48 * MIB), *at;
    uint8_t *second = memory + 3 * PAGE;

    memory_map_small(0, (uintptr_t)memory | PTE_P | PTE_W);
    memory_map_small(1, (uintptr_t)second | PTE_P | PTE_W);
    for (unsigned left = 1; left < 12; left++) {
        unsigned next = 0, written = 0;

        for (unsigned i = 0; i < 4 * PAGE; i++) {
            poke(memory + i, PATTERN);
        }
        at = (uint8_t *)SMALL_BASE + PAGE - left;
        __asm__ volatile("fninit\n\t"
                         "fnsave (%0)" : : "r"(at) : "memory");
        for (unsigned i = 0; i < PAGE; i++) {
            next += peek(memory + PAGE + i) != PATTERN;
            written += peek(second + i) != PATTERN;
        }
        say("INFO %u bytes before the page's end", (uint64_t)left);
        check("of the page that follows in memory are written", next, 0);
        check("of the page that follows in addresses", written,
              FNSAVE_SIZE - left);
    }
}
