/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hypervisors rely on, and QEMU's emulated processor has not always done.
 */
#include "vmcb.h"

#define CR0_TS (1ul << 3)
#define CR4_OSXSAVE (1ul << 18)
#define X87_AND_SSE 3u

static uint8_t area[1024] __attribute__((aligned(64)));

static void set_ts(bool on)
{
    uint64_t cr0;

    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    cr0 = on ? cr0 | CR0_TS : cr0 & ~CR0_TS;
    __asm__ volatile("movq %0, %%cr0" : : "r"(cr0));
}

static void set_osxsave(bool on)
{
    uint64_t cr4;

    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    cr4 = on ? cr4 | CR4_OSXSAVE : cr4 & ~CR4_OSXSAVE;
    __asm__ volatile("movq %0, %%cr4" : : "r"(cr4));
}

/* The exception that an instruction with the memory at @p raises */
#define INSTRUCTION(name, insn)                                             \
    static unsigned __attribute__((noinline)) name(uint8_t *p)              \
    {                                                                       \
        fault.vector = NO_FAULT;                                            \
        __asm__ volatile("movq $1f, fault_resume\n\t"                       \
                         insn " (%0)\n"                                     \
                         "1:"                                               \
                         :                                                  \
                         : "r"(p), "a"(X87_AND_SSE), "d"(0)                 \
                         : "memory");                                       \
        fault_resume = 0;                                                   \
        return fault.vector;                                                \
    }

INSTRUCTION(do_fxsave, "fxsave")
INSTRUCTION(do_xsave, "xsave")
INSTRUCTION(do_xsaveopt, "xsaveopt")
INSTRUCTION(do_xrstor, "xrstor")
INSTRUCTION(do_fxrstor, "fxrstor")

static const struct {
    const char *name;
    unsigned (*run)(uint8_t *p);
} savers[] = {
    { "XSAVE", do_xsave },
    { "XSAVEOPT", do_xsaveopt },
    { "XRSTOR", do_xrstor },
};

/*
 * lazy: what saves and loads registers that may be another task's.  The system
 * hears of it (AMD APM vol. 4), and of nothing that would be wrong besides.
 */
void scenario_lazy(void)
{
    set_osxsave(true);
    __asm__ volatile("xsetbv" : : "c"(0), "a"(X87_AND_SSE), "d"(0));
    for (size_t i = 0; i < ARRAY_SIZE(savers); i++) {
        say("INFO %s", savers[i].name);
        check("as it is", savers[i].run(area), NO_FAULT);
        check("at no multiple of 64", savers[i].run(area + 8), FAULT_GP);
        set_ts(true);
        check("while CR0.TS is set", savers[i].run(area), FAULT_NM);
        check("and at no multiple of 64", savers[i].run(area + 8), FAULT_NM);
        set_osxsave(false);
        check("and where the system does not use it", savers[i].run(area),
              FAULT_UD);
        set_osxsave(true);
        set_ts(false);
    }
    set_ts(true);
    check("FXSAVE while CR0.TS is set", do_fxsave(area), FAULT_NM);
    set_ts(false);
}

/* One instruction, then the end, over and over */
#define PROGRAM(name, insn)                                                 \
    static void name(uint64_t unused, uint64_t unused2)                     \
    {                                                                       \
        for (;;) {                                                          \
            __asm__ volatile(insn "\n\t"                                    \
                             "vmmcall" : : : "rax", "rcx", "rdx");          \
        }                                                                   \
    }

PROGRAM(read_cr0, "movq %%cr0, %%rax")
PROGRAM(read_cr2, "movq %%cr2, %%rax")
PROGRAM(read_cr3, "movq %%cr3, %%rax")
PROGRAM(read_cr4, "movq %%cr4, %%rax")
PROGRAM(read_cr8, "movq %%cr8, %%rax")
PROGRAM(read_tsc, "rdtsc")
PROGRAM(read_tscp, "rdtscp")

static const struct {
    const char *name;
    VmProgram program;
    unsigned exit;              /* AMD APM vol. 2, appendix C */
} reads[] = {
    { "reads of CR0", read_cr0, 0x00 },
    { "reads of CR2", read_cr2, 0x02 },
    { "reads of CR3", read_cr3, 0x03 },
    { "reads of CR4", read_cr4, 0x04 },
    { "reads of CR8", read_cr8, 0x08 },
    { "RDTSC", read_tsc, 0x6e },
    { "RDTSCP", read_tscp, 0x87 },
};

/* intercepts: L1 asks for one of them, and hears of that and no other. */
void scenario_intercepts(void)
{
    static Vm vm;

    vm_create(&vm, ROOT_A, read_cr0, 0, 0);
    for (size_t asked = 0; asked < ARRAY_SIZE(reads); asked++) {
        say("INFO %s are asked for", reads[asked].name);
        vm_set_intercept(&vm, reads[asked].exit, true);
        for (size_t done = 0; done < ARRAY_SIZE(reads); done++) {
            vm_start(&vm, reads[done].program, 0, 0);
            check(reads[done].name, vm_run(&vm),
                  done == asked ? reads[done].exit : EXIT_VMMCALL);
        }
        vm_set_intercept(&vm, reads[asked].exit, false);
    }
}

#define PORT_IGNNE 0xf0
#define FLAGS_ROUNDS 20000
#define WORD 0x776f7264ul

/* Its own page's word, over and over */
static void read_own(uint64_t unused, uint64_t unused2)
{
    for (;;) {
        __asm__ volatile("movq (%0), %%rax\n\t"
                         "vmmcall" : : "r"(OWN_ADDRESS) : "rax", "memory");
    }
}

/* To the chipset as to the FPU, these are about the first CPU's IGNNE#. */
static void load_fpu(void)
{
    for (;;) {
        outb(0, PORT_IGNNE);
        for (int i = 0; i < 100; i++) {
            __asm__ volatile("fninit");
            do_fxrstor(area);
        }
    }
}

/*
 * flags: while another CPU loads its FPU's registers, the first one enters and
 * leaves a guest.  Each has its own memory, and no event is lost.
 */
void scenario_flags(void)
{
    static Vm vm;
    unsigned wrong_inside = 0, wrong_outside = 0, wrong_exits = 0;

    do_fxsave(area);
    vm_create(&vm, ROOT_A, read_own, 0, 0);
    vm_set_root(&vm, memory_own_root(0));
    *memory_own_word(0) = WORD;
    if (!smp_start(load_fpu)) {
        return;
    }
    for (unsigned i = 0; i < FLAGS_ROUNDS; i++) {
        wrong_exits += vm_run(&vm) != EXIT_VMMCALL;
        /* volatile: what is there depends on who looks */
        wrong_outside += *(volatile uint64_t *)OWN_ADDRESS == WORD;
        wrong_inside += vm.vmcb->rax != WORD;
        vm.vmcb->rip += 3;
    }
    check("exits for anything else", wrong_exits, 0);
    check("the guest without its memory", wrong_inside, 0);
    check("the hypervisor in its guest's memory", wrong_outside, 0);
}

#define EVENTS_ROUNDS 60000
#define EVENTS_WAIT 4000
#define ENTRIES_ENOUGH 1000

/* volatile: what one CPU tells the other */
static volatile unsigned entries, nmis_taken, nmis_lost;
/* volatile: the same */
static volatile bool events_over;

static void __attribute__((interrupt)) count_nmi(void *frame)
{
    nmis_taken++;
}

/* One at a time: two could be one.  When: at each point of the other's way. */
static void send_nmis(void)
{
    for (unsigned i = 0; i < EVENTS_ROUNDS; i++) {
        unsigned taken = nmis_taken, entered;

        /* volatile: nothing but time */
        for (volatile unsigned wait = i % EVENTS_WAIT; wait; wait--) {
            continue;
        }
        smp_send_nmi();
        entered = entries;
        while (nmis_taken == taken && entries - entered < ENTRIES_ENOUGH) {
            continue;
        }
        nmis_lost += nmis_taken == taken;
    }
    events_over = true;
}

/*
 * events: while one CPU enters a guest for which an interrupt waits, another
 * one sends it NMIs.  It takes each of them, and the interrupt waits on.
 */
void scenario_events(void)
{
    static Vm vm;
    unsigned wrong_exits = 0, forgotten = 0;

    memory_set_gate(VECTOR_NMI, count_nmi);
    vm_create(&vm, ROOT_A, read_cr0, 0, 0);
    vm.vmcb->int_control |= V_IRQ;
    if (!smp_start(send_nmis)) {
        return;
    }
    while (!events_over) {
        uint64_t code = vm_enter_once(&vm);

        wrong_exits += code != EXIT_VMMCALL && code != EXIT_NMI;
        forgotten += !(vm.vmcb->int_control & V_IRQ);
        vm.vmcb->int_control |= V_IRQ;
        vm_start(&vm, read_cr0, 0, 0);
        entries++;
    }
    check("exits for anything else", wrong_exits, 0);
    check("interrupts that wait no longer", forgotten, 0);
    check("NMIs lost", nmis_lost, 0);
}
