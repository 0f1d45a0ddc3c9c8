/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private-machine: what the rest of the machine can do to a guest in private
 * memory, between its exits: DMA, L1's own page tables, the A20 gate,
 * breakpoints, counters, and VMCBs that are none.  And who may launch one.
 */
#include "private.h"

#define EPERM 1

#define EXIT_VMRUN 0x80
#define A20_GATE 0x92

#define FW_CFG_DMA 0x514
#define FW_CFG_SIGNATURE 0
#define FW_CFG_ERROR 1
#define FW_CFG_READ 2
#define FW_CFG_SELECT 8

#define WRITE_DR(n, val)                                                    \
    __asm__ volatile("movq %0, %%dr" #n : : "r"((uint64_t)(val)))

static uint8_t saved[PAGE] __attribute__((aligned(4096)));

/* The machine itself writes there, or says that it cannot. */
static void dma_to(uint64_t address)
{
    static struct {
        uint32_t control, length;
        uint64_t address;
    } request __attribute__((aligned(16)));

    request.control = __builtin_bswap32(FW_CFG_SIGNATURE << 16 | FW_CFG_SELECT |
                                        FW_CFG_READ);
    request.length = __builtin_bswap32(4);
    request.address = __builtin_bswap64(address);
    __asm__ volatile("" : : "m"(request));
    outl(0, FW_CFG_DMA);
    outl(__builtin_bswap32((uintptr_t)&request), FW_CFG_DMA + 4);
    /* it is done when the write is */
    __asm__ volatile("" : "=m"(request.control));
    must("DMA", request.control, __builtin_bswap32(FW_CFG_ERROR));
}

/* What is there, read and written by an instruction of L1's own */
static void touch(uint64_t entry, unsigned vector)
{
    uint8_t *at = (uint8_t *)SMALL_BASE;
    uint64_t val = 0;

    memory_map_small(0, entry);
    fault.vector = NO_FAULT;
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, %[resume]\n\t"
                     "movq (%[at]), %[val]\n\t"
                     "movq %[val], (%[at])\n"
                     "1:"
                     : [val] "+r"(val), [resume] "=m"(fault_resume)
                     : [at] "r"(at)
                     : "rax", "memory");
    fault_resume = 0;
    must("an exception", fault.vector, vector);
    must("secrets there", val == VICTIM_ENTRY, false);
    memory_map_small(0, 0);
}

static void attack_memory(void)
{
    const uint64_t rights = PTE_P | PTE_W | PTE_U;

    dma_to(PRIVATE_WINDOW + VICTIM_TABLE);
    dma_to(PRIVATE_WINDOW + PRIVATE_C_BIT + VICTIM_TABLE);
    dma_to(PRIVATE_C_BIT + VICTIM_TABLE);
    touch((PRIVATE_WINDOW + VICTIM_TABLE) | rights, FAULT_PF);
    touch((PRIVATE_C_BIT + VICTIM_TABLE) | rights, NO_FAULT);
}

/* VMSAVE of what the guest would have; then L1's own again */
static void attack_vmsave(void)
{
    Vm seen = private_vm;

    __asm__ volatile("vmsave %0" : : "a"(saved) : "memory");
    seen.vmcb = (struct vmcb *)saved;
    must("secrets by VMSAVE", private_secrets_in(&seen), 0);
    __asm__ volatile("vmload %0" : : "a"(saved) : "memory");
    __asm__ volatile("invlpga %0, %1" : : "a"(VICTIM_BASE), "c"(1));
}

/* Where the guest is, and where it seems to be; writes to its memory */
static void attack_breakpoints(void)
{
    static const uint64_t addresses[] = {
        0x1000, 0x1100, VICTIM_TABLE, VICTIM_RAM - 8,
    };

    WRITE_DR(0, addresses[0]);
    WRITE_DR(1, addresses[1]);
    WRITE_DR(2, addresses[2]);
    WRITE_DR(3, addresses[3]);
    /* on for the guest, as L1 may think */
    private_vm.vmcb->dr7 = 0xff0004ff;
    private_vm.vmcb->dr6 = 0xffff0ff0;
}

/*
 * What counts a processor's instructions or samples them, all of it on, and where
 * it leaves what it has found (AMD APM vol. 2, 13)
 */
static const struct {
    uint32_t control, found;
} counters[] = {
    { 0xc0010000, 0xc0010004 }, { 0xc0010200, 0xc0010201 }, /* counters */
    { 0xc0011030, 0xc0011031 }, { 0xc0011033, 0xc0011034 }, /* IBS: fetch, op */
    { 0xc0011033, 0xc0011038 },                             /* and its data */
    { 0x1d9, 0x1db },                                       /* last branch */
};
#define COUNTERS_ON (1ul << 48 | 1ul << 40 | 0x73ffff)

/* There may be no such register. */
static void try_wrmsr(uint32_t msr, uint64_t val)
{
    __asm__ volatile("leaq 1f(%%rip), %%rsi\n\t"
                     "movq %%rsi, %[resume]\n\t"
                     "wrmsr\n"
                     "1:"
                     : [resume] "=m"(fault_resume)
                     : "c"(msr), "a"((uint32_t)val), "d"((uint32_t)(val >> 32))
                     : "rsi", "memory");
    fault_resume = 0;
}

static uint64_t try_rdmsr(uint32_t msr)
{
    uint32_t low = 0, high = 0;

    __asm__ volatile("leaq 1f(%%rip), %%rsi\n\t"
                     "movq %%rsi, %[resume]\n\t"
                     "rdmsr\n"
                     "1:"
                     : "+a"(low), "+d"(high), [resume] "=m"(fault_resume)
                     : "c"(msr)
                     : "rsi", "memory");
    fault_resume = 0;
    return low | (uint64_t)high << 32;
}

static void counters_start(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
        try_wrmsr(counters[i].control, COUNTERS_ON);
    }
}

static void counters_look(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
        must("a counter", try_rdmsr(counters[i].found), 0);
    }
}

/* VMRUN of what is no VMCB, and what L1 gets instead */
static void vmrun_at(uint64_t address, unsigned vector)
{
    fault.vector = NO_FAULT;
    __asm__ volatile("leaq 1f(%%rip), %%rcx\n\t"
                     "movq %%rcx, %[resume]\n\t"
                     "clgi\n\t"
                     "vmrun %%rax\n"
                     "1:\tstgi"
                     : [resume] "=m"(fault_resume)
                     : "a"(address)
                     : "rcx", "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
                       "r11", "r12", "r13", "r14", "r15", "memory");
    fault_resume = 0;
    must("VMRUN of it", fault.vector, vector);
}

static void attack_vmcbs(void)
{
    uint64_t vmcb = (uintptr_t)private_vm.vmcb;

    vmrun_at(vmcb + 8, FAULT_GP);
    vmrun_at(PRIVATE_WINDOW + VICTIM_TABLE, FAULT_GP);
    vmrun_at(PRIVATE_WINDOW | vmcb, FAULT_GP);
    vmrun_at(PRIVATE_C_BIT + VICTIM_TABLE, NO_FAULT);
    vmrun_at(0x1000000000, NO_FAULT);
}

/* A nested guest of L1's, which enters the private one itself */
static void nested_vmrun(uint64_t vmcb, uint64_t unused)
{
    for (;;) {
        __asm__ volatile("vmrun %0" : : "a"(vmcb) : "memory");
    }
}

static void attack_nested(void)
{
    static Vm vm;

    vm_create(&vm, ROOT_A, nested_vmrun, (uintptr_t)private_vm.vmcb, 0);
    check("VMRUN by a nested guest", vm_run(&vm), EXIT_VMRUN);
    check("secrets of it", private_secrets_in(&vm), 0);
}

void scenario_private_machine(void)
{
    static uint8_t e820[20];
    const uint64_t list[] = { (uintptr_t)e820, sizeof(e820), 0, 0, 0 };
    unsigned turn = 0;

    check("LAUNCH by L1 itself",
          call_by(INSTRUCTION, ULTRACALL_LAUNCH, list).status, -EPERM);
    if (!private_launch()) {
        return;
    }
    attack_nested();
    while (private_rounds < option("rounds", 5)) {
        PrivateExit exit = private_answer(private_vm.vmcb->exit_code);

        attack_memory();
        attack_vmcbs();
        attack_vmsave();
        if (exit.completes && !exit.interrupts) {
            attack_breakpoints();
        }
        /* there is no address with bit 20 then, but for the guest */
        outb(turn++ % 2 ? 2 : 0, A20_GATE);
        counters_start();
        __asm__ volatile("movq %0, %%cr2" : : "r"(0ul));
        private_cpu_init();
        if (exit.spins) {
            private_vm.vmcb->event_inj = INJECT_VALID | VICTIM_VECTOR;
        }
        private_enter();
        counters_look();
    }
    say("COUNT rounds %u", (uint64_t)private_rounds);
    say("COUNT refused 0");
}
