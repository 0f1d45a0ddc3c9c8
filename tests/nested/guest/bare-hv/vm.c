/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest (AMD APM vol. 2, 15 and appendix B): in long mode from the
 * start, with all of L1's memory mapped to itself.
 */
#include "hv.h"
#include "vmcb.h"

#define MSR_EFER 0xc0000080
#define MSR_VM_HSAVE_PA 0xc0010117

#define INTERCEPT1_INTR (1u << 0)
#define INTERCEPT1_NMI (1u << 1)
#define INTERCEPT1_IOIO (1u << 27)
#define INTERCEPT1_SHUTDOWN (1u << 31)
#define INTERCEPT2_VMRUN (1u << 0)
#define INTERCEPT2_VMMCALL (1u << 1)
#define CLEAN_ALL 0x7ffu

#define STACK_SIZE 8192
#define VMS 32
#define VMMCALL_LENGTH 3
#define SEEN_MAX 50000

uint8_t maps[2][3 * PAGE] __attribute__((aligned(4096)));
uint8_t vm_answer = 0xff;

/* Of each CPU */
static uint8_t host_save[2][PAGE] __attribute__((aligned(4096)));
/* Some are spare, for vm_move() */
static struct vmcb vmcbs[2 * VMS] __attribute__((aligned(4096)));
static uint8_t stacks[VMS][STACK_SIZE] __attribute__((aligned(16)));
static unsigned vms, vmcbs_used;

void vm_init(void)
{
    for (size_t i = 0; i < sizeof(maps[0]); i++) {
        maps[0][i] = maps[1][i] = 0xff;
    }
    wrmsr(MSR_VM_HSAVE_PA, (uintptr_t)host_save[0]);
    /* What the interrupt controllers want is nobody's here */
    outb(0xff, 0x21);
    outb(0xff, 0xa1);
}

void vm_init_second(void)
{
    wrmsr(MSR_VM_HSAVE_PA, (uintptr_t)host_save[1]);
}

static void vmcb_init_control(struct vmcb *vmcb)
{
    vmcb->intercept1 = INTERCEPT1_INTR | INTERCEPT1_NMI | INTERCEPT1_IOIO |
                       INTERCEPT1_SHUTDOWN;
    vmcb->intercept2 = INTERCEPT2_VMRUN | INTERCEPT2_VMMCALL;
    vmcb->iopm = (uintptr_t)maps[0];
    vmcb->asid = 1;
    vmcb->int_control = V_INTR_MASKING;
    vmcb->nested_ctl = 1;
    vmcb->nested_cr3 = memory_root(ROOT_NESTED);
}

static void vmcb_init_state(struct vmcb *vmcb)
{
    const Segment data = { 0x10, 0xc93, 0xffffffff, 0 };

    vmcb->cs = (Segment){ 0x08, 0xa9b, 0xffffffff, 0 };
    vmcb->ds = vmcb->es = vmcb->ss = vmcb->fs = vmcb->gs = data;
    vmcb->tr = (Segment){ 0, 0x8b, 0xffff, 0 };
    vmcb->ldtr = (Segment){ 0, 0x82, 0xffff, 0 };
    vmcb->efer = rdmsr(MSR_EFER);
    __asm__("movq %%cr0, %0" : "=r"(vmcb->cr0));
    __asm__("movq %%cr4, %0" : "=r"(vmcb->cr4));
    vmcb->cr3 = memory_root(ROOT_GUEST);
    vmcb->dr7 = 0x400;
    vmcb->dr6 = 0xffff0ff0;
    vmcb->rflags = 2;
    vmcb->pat = 0x0007040600070406;
}

void vm_start(Vm *vm, VmProgram program, uint64_t a, uint64_t b)
{
    vm->vmcb->rip = (uintptr_t)program;
    vm->vmcb->rsp = vm->stack;
    vm->regs[RDI] = a;
    vm->regs[RSI] = b;
}

void vm_create(Vm *vm, Root process, VmProgram program, uint64_t a, uint64_t b)
{
    struct vmcb *vmcb = &vmcbs[vmcbs_used++];

    *vm = (Vm){
        .vmcb = vmcb,
        .stack = (uintptr_t)stacks[vms++ % VMS] + STACK_SIZE - 8,
        .process = process,
        .own_exits = true,
    };
    vmcb_init_control(vmcb);
    vmcb_init_state(vmcb);
    vm_start(vm, program, a, b);
}

/* The words of intercepts are in the order of their codes, 32 in each. */
void vm_set_intercept(Vm *vm, unsigned code, bool on)
{
    uint32_t *bits = (uint32_t *)vm->vmcb + code / 32;
    uint32_t bit = 1u << code % 32;

    *bits = on ? *bits | bit : *bits & ~bit;
    vm->vmcb->clean = 0;
}

void vm_set_map(Vm *vm, unsigned map)
{
    vm->vmcb->iopm = (uintptr_t)maps[map];
}

void vm_set_root(Vm *vm, uint64_t nested_root)
{
    vm->vmcb->nested_cr3 = nested_root;
    vm->vmcb->clean = 0;
}

void vm_set_asid(Vm *vm, uint32_t asid)
{
    vm->vmcb->asid = asid;
    vm->vmcb->clean = 0;
}

void vm_move(Vm *vm)
{
    struct vmcb *to = vm->vmcb == &vmcbs[VMS] ? &vmcbs[VMS + 1] : &vmcbs[VMS];

    *to = *vm->vmcb;
    to->clean = 0;
    vm->vmcb = to;
}

/* IN and OUT by DX or by a byte, with or without an operand size */
static unsigned io_length(uint64_t rip)
{
    const uint8_t *insn = (const uint8_t *)rip;
    unsigned prefixes = *insn == 0x66;

    return prefixes + (insn[prefixes] & 0x08 ? 1 : 2);
}

static void show_access(Vm *vm, const Access *access)
{
    if (access->port >= COM1 && access->port < COM1 + COM1_PORTS) {
        vm->bytes += !access->in && access->port == COM1;
    }
    if (++vm->seen <= SEEN_MAX && !vm->quiet) {
        say("SAW %s %x %u %x", access->in ? "in" : "out",
            (uint64_t)access->port, (uint64_t)access->size, access->value);
    }
}

/* All of a REP OUTSB; nothing else of strings runs here. */
static void string_access(Vm *vm, Access *access)
{
    const uint8_t *from = (const uint8_t *)vm->regs[RSI];

    for (; vm->regs[RCX]; vm->regs[RCX]--) {
        access->value = *from++;
        show_access(vm, access);
    }
    vm->regs[RSI] = (uintptr_t)from;
    vm->vmcb->rip = vm->vmcb->exit_info2;
}

static void port_access(Vm *vm)
{
    struct vmcb *vmcb = vm->vmcb;
    uint64_t info = vmcb->exit_info1, mask, next;
    Access access = { .in = info & IOIO_IN, .string = info & IOIO_STRING,
                      .port = info >> IOIO_PORT,
                      .size = (info >> IOIO_SIZE) & 7 };

    if (access.string) {
        string_access(vm, &access);
        vm->last = access;
        return;
    }
    next = vmcb->rip + io_length(vmcb->rip);
    if (vmcb->exit_info2 != next) {
        check("next instruction in EXITINFO2", vmcb->exit_info2, next);
    }
    mask = access.size == 4 ? 0xffffffff : (1u << (8 * access.size)) - 1;
    if (access.in) {
        access.value = access.port == LSR ? LSR_THRE_TEMT
                                          : vm_answer * 0x01010101u & mask;
        vmcb->rax = access.size == 4 ? access.value
                                     : (vmcb->rax & ~mask) | access.value;
    } else {
        access.value = vmcb->rax & mask;
    }
    vmcb->rip = next;
    show_access(vm, &access);
    vm->last = access;
}

uint64_t vm_enter_once(Vm *vm)
{
    struct vmcb *vmcb = vm->vmcb;

    memory_enter(vm->process);
    if (vm->unpaged) {
        vm_enter_unpaged((uintptr_t)vmcb, vm->regs);
    } else {
        vm_enter((uintptr_t)vmcb, vm->regs);
    }
    memory_enter(ROOT_A);
    vmcb->clean = vm->clean ? CLEAN_ALL : 0;
    return vmcb->exit_code;
}

uint64_t vm_run(Vm *vm)
{
    uint64_t code;

    do {
        code = vm_enter_once(vm);
    } while (code == EXIT_INTR);
    return code;
}

VmEvent vm_step(Vm *vm)
{
    struct vmcb *vmcb = vm->vmcb;

    vmcb->intercept1 = vm->own_exits ? vmcb->intercept1 | INTERCEPT1_IOIO
                                     : vmcb->intercept1 & ~INTERCEPT1_IOIO;
    for (;;) {
        switch (vm_enter_once(vm)) {
        case EXIT_INTR:
            if (vm->interrupted) {
                vm->interrupted();
            }
            continue;
        case EXIT_IOIO:
            port_access(vm);
            return VM_ACCESS;
        case EXIT_VMMCALL:
            vmcb->rip += VMMCALL_LENGTH;
            return vmcb->rax;
        default:
            say("INFO exit 0x%x at 0x%x, 0x%x 0x%x", vmcb->exit_code, vmcb->rip,
                vmcb->exit_info1, vmcb->exit_info2);
            check("the nested guest runs", false, true);
            return VM_BROKEN;
        }
    }
}
