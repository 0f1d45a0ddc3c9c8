/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launch a guest in private memory, and answer its exits.
 */
#include "private.h"

#define E820_RAM 1
#define E820_RESERVED 2

#define UD2 0x0b0f

Vm private_vm;
unsigned private_cpus;
unsigned private_rounds, private_nmis, private_interrupts;

typedef struct E820 {
    uint64_t base, size;
    uint32_t type;
} __attribute__((packed)) E820;

static const E820 e820[] = {
    { 0, 0x9f000, E820_RAM },
    { 0xe0000, 0x20000, E820_RESERVED },
    { MIB, VICTIM_RAM - MIB, E820_RAM },
};

/* Launched or not */

static int64_t launch_status;

/* The guest says itself which one it is; what it says counts from then on. */
static bool by_tag;

static void nested_register(void)
{
    static const char tag[] = "vm1";
    register uint64_t r8 __asm__("r8") = 0;
    register uint64_t r9 __asm__("r9") = 0;
    register uint64_t r10 __asm__("r10") = 0;

    __asm__ volatile("vmmcall"
                     : "=a"(launch_status)
                     : "a"((uint64_t)ULTRACALL_MAGIC | ULTRACALL_REGISTER),
                       "D"(tag), "S"(sizeof(tag) - 1), "r"(r8), "r"(r9),
                       "r"(r10)
                     : "memory", "rdx");
    __asm__ volatile("vmmcall" : : "a"(0) : "memory");
}

static void nested_launch(uint64_t map, uint64_t len)
{
    register uint64_t r8 __asm__("r8") = 0;

    if (by_tag) {
        nested_register();
        r8 = 0;
    }

    __asm__ volatile("vmmcall"
                     : "=a"(launch_status)
                     : "a"((uint64_t)ULTRACALL_MAGIC | ULTRACALL_LAUNCH),
                       "D"(map), "S"(len), "r"(r8)
                     : "memory");
    for (;;) {
        __asm__ volatile("vmmcall" : : "a"(0) : "memory");
    }
}

int64_t private_try_launch(Vm *vm, const void *map, uint64_t len)
{
    static const uint8_t codes[] = {
        EXIT_WRITE_CR0, EXIT_WRITE_CR0 + 4, EXIT_WRITE_CR0 + 8, EXIT_RDPMC,
        EXIT_CPUID, EXIT_PAUSE, EXIT_HLT, EXIT_MSR, EXIT_WBINVD,
    };

    if (!vm->vmcb) {
        vm_create(vm, ROOT_A, nested_launch, (uintptr_t)map, len);
    } else {
        vm_start(vm, nested_launch, (uintptr_t)map, len);
    }
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        vm_set_intercept(vm, codes[i], true);
    }
    vm->vmcb->msrpm = (uintptr_t)maps[1];
    /* interrupts come as the guest lets them */
    vm->vmcb->int_control = 0;
    if (by_tag) {
        vm_enter_once(vm);
        check("REGISTER", launch_status, 0);
        vm->vmcb->rip = vm->vmcb->next_rip;
    }
    launch_status = 1;
    vm_enter_once(vm);
    return launch_status;
}

uint64_t private_enter(void)
{
    uint32_t event = private_vm.vmcb->event_inj & ~INJECT_VALID;
    uint64_t code = vm_enter_once(&private_vm);

    if (code != EXIT_INVALID) {
        must("events", (uint32_t)private_vm.vmcb->exit_int_info, event);
        private_look();
    }
    return code;
}

/* Interrupts, some of which come while the guest runs */

#define TIMER_COUNT 3000000

/* One comes, that is pending. */
static void timer_take(void)
{
    __asm__ volatile("sti; nop; nop; cli");
}

int64_t private_launch_again(Vm *vm)
{
    return private_try_launch(vm, e820, sizeof(e820));
}

bool private_launch(void)
{
    static uint64_t cookie;

    private_cpu_init();
    lapic_timer(TIMER_COUNT);
    by_tag = option_is("bind", "tag");
    if (!by_tag) {
        check("BIND", bind_at("vm1", ROOT_A, &cookie), 0);
    }
    return check("LAUNCH", private_try_launch(&private_vm, e820, sizeof(e820)),
                 1);
}

bool private_refused(void)
{
    static struct vmcb copy;
    uint64_t regs[REGS], code;

    copy = *private_vm.vmcb;
    for (int i = 0; i < REGS; i++) {
        regs[i] = private_vm.regs[i];
    }
    code = private_enter();
    if (code != EXIT_INVALID) {
        return false;
    }
    *private_vm.vmcb = copy;
    for (int i = 0; i < REGS; i++) {
        private_vm.regs[i] = regs[i];
    }
    return true;
}

/* Exits */

static uint64_t mask(unsigned bytes)
{
    return ~0ul >> (64 - 8 * bytes);
}

static void junk(void)
{
    static uint64_t n = 0x6a6b6c6d6e6f6061;

    for (int i = 0; i < REGS; i++) {
        private_vm.regs[i] = n++;
    }
    private_vm.vmcb->rax = n++;
    private_vm.vmcb->rsp = n++;
    n += 0x0101010101010101;
}

static void answer_cpuid(void)
{
    must("leaf", private_vm.vmcb->rax, PUBLIC_LEAF);
    must("subleaf", private_vm.regs[RCX], 7);
    junk();
    private_vm.vmcb->rax = ANSWER;
    private_vm.regs[RBX] = private_vm.regs[RCX] = private_vm.regs[RDX] = ANSWER;
}

/* At its start the guest sets up its own, which is no test of anything here. */
static void answer_msr(PrivateExit *exit)
{
    struct vmcb *vmcb = private_vm.vmcb;

    if (private_vm.regs[RCX] == PUBLIC_MSR) {
        exit->may_gp = true;
        if (vmcb->exit_info1) {
            must("low half", vmcb->rax, PUBLIC & mask(4));
            must("high half", private_vm.regs[RDX], PUBLIC & mask(4));
        } else {
            must("RAX", vmcb->rax, 0);
        }
    }
    junk();
    vmcb->rax = private_vm.regs[RDX] = ANSWER;
}

static void answer_port(PrivateExit *exit)
{
    struct vmcb *vmcb = private_vm.vmcb;
    uint64_t info = vmcb->exit_info1, val = vmcb->rax;
    unsigned size = (info >> IOIO_SIZE) & 7;

    must("RIP after it", vmcb->exit_info2, vmcb->next_rip);
    junk();
    vmcb->rax = ANSWER;
    if (info >> IOIO_PORT == VICTIM_PORT) {
        must("value", val, info & IOIO_IN ? 0 : PUBLIC & mask(size));
    } else if (info >> IOIO_PORT == VICTIM_CPUS_PORT) {
        vmcb->rax = private_cpus;
    } else if (info >> IOIO_PORT == VICTIM_ROUND_PORT) {
        private_rounds++;
        private_nmis = val & 0xffff;
        private_interrupts = val >> 16 & 0xffff;
    }
}

static void answer_hypercall(PrivateExit *exit)
{
    must("RAX", private_vm.vmcb->rax, PUBLIC);
    must("RBX", private_vm.regs[RBX], PUBLIC);
    must("RCX", private_vm.regs[RCX], PUBLIC);
    must("RDX", private_vm.regs[RDX], PUBLIC);
    must("RSI", private_vm.regs[RSI], PUBLIC);
    junk();
    private_vm.vmcb->rax = ANSWER;
    exit->may_ud = true;
}

static void answer_cr(PrivateExit *exit, unsigned cr)
{
    must("register", private_vm.vmcb->exit_info1, 1ul << 63);
    if (cr == 8) {
        must("CR8", private_vm.vmcb->rax, VICTIM_CR8);
    }
    junk();
    exit->may_gp = private_rounds;
}

/* What is there in part is not L1's: it can only put memory there. */
static void answer_rest(PrivateExit *exit)
{
    must("no move", private_vm.vmcb->next_rip, 0);
    __asm__ volatile("movl %0, 0" : : "r"((uint32_t)ANSWER) : "memory");
    memory_map_nested(VICTIM_MMIO / GIB, PTE_P | PTE_W | PTE_U | PTE_PS);
    junk();
    exit->completes = false;
}

static void answer_move(PrivateExit *exit)
{
    struct vmcb *vmcb = private_vm.vmcb;
    const uint8_t *insn = vmcb->insn_bytes;
    unsigned size = insn[0] == 0x66 ? 2 : insn[0] == 0x48 ? 8 : 4;

    must("address", vmcb->exit_info2 & ~0xffful, VICTIM_MMIO);
    if (*(const uint16_t *)insn == UD2) {
        answer_rest(exit);
        return;
    }
    insn += size == 2 || size == 8;
    size = *insn & 1 ? size : 1;
    must("move", *insn & 0xfc, 0x88);
    must("RDI", private_vm.regs[RDI], vmcb->exit_info2);
    if (!(*insn & 2)) {
        uint64_t want = vmcb->rax == (0x75767778 & mask(size)) ?
                        0x75767778 : PUBLIC;

        must("stored", vmcb->rax, want & mask(size));
    }
    junk();
    vmcb->rax = ANSWER;
}

PrivateExit private_answer(uint64_t code)
{
    struct vmcb *vmcb = private_vm.vmcb;
    PrivateExit exit = { .code = code, .completes = true };
    bool shadow = vmcb->int_shadow & 1;

    memory_map_nested(VICTIM_MMIO / GIB, 0);
    exit.interrupts = vmcb->rflags & 0x200;
    switch (code) {
    case EXIT_CPUID:
        answer_cpuid();
        break;
    case EXIT_MSR:
        answer_msr(&exit);
        break;
    case EXIT_RDPMC:
        exit.may_gp = true;
        must("counter", private_vm.regs[RCX], 1);
        junk();
        vmcb->rax = private_vm.regs[RDX] = ANSWER;
        break;
    case EXIT_IOIO:
        answer_port(&exit);
        break;
    case EXIT_VMMCALL:
        answer_hypercall(&exit);
        break;
    case EXIT_XSETBV:
        must("XCR0", vmcb->rax, 3);
        must("high half", private_vm.regs[RDX], 0);
        must("register", private_vm.regs[RCX], 0);
        junk();
        break;
    case EXIT_HLT:
    case EXIT_PAUSE:
    case EXIT_WBINVD:
        exit.may_ud = true;
        must("RAX", vmcb->rax, 0);
        junk();
        break;
    case EXIT_WRITE_CR0:
    case EXIT_WRITE_CR0 + 4:
    case EXIT_WRITE_CR0 + 8:
        answer_cr(&exit, code - EXIT_WRITE_CR0);
        break;
    case EXIT_NPF:
        answer_move(&exit);
        break;
    default:
        junk();
        exit.completes = false;
        exit.interrupts &= !shadow;
        if (code == EXIT_INTR) {
            exit.spins = true;
            timer_take();
        }
        must("no next RIP", vmcb->next_rip, 0);
    }
    if (exit.completes) {
        must("next RIP", vmcb->next_rip - vmcb->rip - 1 < 15, true);
        vmcb->rip = vmcb->next_rip;
        vmcb->int_shadow = 0;
    }
    vmcb->event_inj = 0;
    return exit;
}
