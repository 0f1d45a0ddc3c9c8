/*
 * Calls of L1 that reach user space: vmmcall, vmcall, the doorbell.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts.h"
#include <string.h>

#define CALL_RAX 0x53480007ul
#define CALL_RESULT 0xfffffffffffffff2ul
#define CALL_VALUE 0x1122334455667788ul
#define XEN_MSR 0x40000200
#define MAP_GPA_RANGE 12
#define MAP_GPA_ADDRESS 0x53480000ul
#define MAP_GPA_ATTRIBUTES 0xfedcba9853480007ul /* KVM checks none */
#define KVM_EPERM 1
#define KVM_ENOSYS 1000
#define DOORBELL 0xc040
#define VECTOR_GP 13
#define VECTOR_PF 14

SNIPPET(call_vmmcall, "vmmcall\n" DONE "1: vmmcall\n" DONE "jmp 1b");
SNIPPET(call_vmcall, "vmcall\n" DONE);
SNIPPET(call_doorbell, "outl %eax, %dx\n" DONE);

typedef struct Caller {
    Vmm m;
    Vcpu *v;
    struct kvm_regs r;
} Caller;

static bool has_xen(const Caller *c)
{
    return vmm_cap(&c->m, KVM_CAP_XEN_HVM) & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL;
}

static void xen_on(Caller *c)
{
    struct kvm_xen_hvm_config config = {
        .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
        .msr = XEN_MSR,
    };

    VMM_IOCTL(c->m.vm, KVM_XEN_HVM_CONFIG, &config);
}

/* All registers differ, so that one that is changed is seen */
static void caller_registers(Caller *c, uint64_t rax)
{
    c->r = (struct kvm_regs){
        .rax = rax, .rbx = 0xb0b, .rcx = 0xc0c, .rdx = 0xd0d, .rsi = 0x515,
        .rdi = 0xd1d, .rsp = L1_STACK, .rbp = 0xb9b, .r8 = 0x808,
        .r9 = 0x909, .r10 = 0xa0a, .r11 = 0xb1b, .r12 = 0xc1c, .r13 = 0xd2d,
        .r14 = 0xe1e, .r15 = 0xf1f, .rip = L1_CODE, .rflags = 2,
    };
    vmm_set_regs(c->v, &c->r);
}

static void caller_open(Caller *c, unsigned cpl)
{
    vmm_open(&c->m, false);
    c->v = l1_add(&c->m);
    L1_COPY(&c->m, L1_CODE, call_vmmcall);
    l1_start(c->v, L1_CODE, cpl);
    l1_permit(&c->m, L1_PORT_DONE, 1);
    caller_registers(c, CALL_RAX);
}

/*
 * The instruction of @length has ended with these results, and the access of
 * two bytes behind it as well
 */
static void caller_returned(Caller *c, unsigned length, uint64_t rax,
                            uint64_t rdx)
{
    struct kvm_regs r;

    l1_run_done(c->v);
    vmm_settle(c->v);
    r = vmm_regs(c->v);
    tap_equal("RAX behind the call", r.rax, rax);
    tap_equal("RDX behind the call", r.rdx, rdx);
    tap_equal("RIP behind the call", r.rip, c->r.rip + length + 2);
    r.rax = c->r.rax;
    r.rdx = c->r.rdx;
    r.rip = c->r.rip;
    r.rflags = c->r.rflags;
    tap_true("all other registers as they were",
             memcmp(&r, &c->r, sizeof(r)) == 0);
}

static void caller_set_rdx(Caller *c, uint64_t rdx)
{
    struct kvm_regs r = vmm_regs(c->v);

    r.rdx = rdx;
    vmm_set_regs(c->v, &r);
}

static void xen_call(Caller *c, unsigned cpl)
{
    const struct kvm_xen_exit *xen = &c->v->run->xen;

    vmm_run_to(c->v, KVM_EXIT_XEN);
    tap_equal("kind of Xen exit", xen->type, KVM_EXIT_XEN_HCALL);
    tap_equal("CPL of the caller", xen->u.hcall.cpl, cpl);
    tap_equal("long mode of the caller", xen->u.hcall.longmode, 1);
    tap_equal("input", xen->u.hcall.input, c->r.rax);
    tap_equal("first parameter (RDI)", xen->u.hcall.params[0], c->r.rdi);
    tap_equal("second parameter (RSI)", xen->u.hcall.params[1], c->r.rsi);
    tap_equal("third parameter (RDX)", xen->u.hcall.params[2], c->r.rdx);
    tap_equal("fourth parameter (R10)", xen->u.hcall.params[3], c->r.r10);
    tap_equal("fifth parameter (R8)", xen->u.hcall.params[4], c->r.r8);
    tap_equal("sixth parameter (R9)", xen->u.hcall.params[5], c->r.r9);
    caller_set_rdx(c, CALL_VALUE);
    c->v->run->xen.u.hcall.result = CALL_RESULT;
    caller_returned(c, 3, CALL_RESULT, CALL_VALUE);
}

/* Without the capability KVM answers the call itself. */
static void xen_absent(Caller *c, unsigned cpl)
{
    struct kvm_xen_hvm_config config = {
        .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
        .msr = XEN_MSR,
    };
    uint64_t rax = cpl ? -(uint64_t)KVM_EPERM : -(uint64_t)KVM_ENOSYS;

    tap_note("this kernel has no Xen hypercall exit");
    tap_equal("KVM_CAP_XEN_HVM", vmm_cap(&c->m, KVM_CAP_XEN_HVM), 0);
    tap_true("KVM_XEN_HVM_CONFIG refused",
             vmm_try(c->m.vm, KVM_XEN_HVM_CONFIG, &config) < 0);
    caller_returned(c, 3, rax, c->r.rdx);
}

static void xen_from(unsigned cpl)
{
    Caller c;

    caller_open(&c, cpl);
    if (has_xen(&c)) {
        xen_on(&c);
        xen_call(&c, cpl);
    } else {
        xen_absent(&c, cpl);
    }
}

void fact_xen_kernel(void)
{
    xen_from(0);
}

void fact_xen_user(void)
{
    xen_from(3);
}

/* A processor that was there already, and one that comes later */
void fact_xen_before_vcpus(void)
{
    Caller c;

    caller_open(&c, 0);
    if (!has_xen(&c)) {
        xen_absent(&c, 0);
        return;
    }
    xen_on(&c);
    xen_call(&c, 0);
    c.v = l1_add(&c.m);
    l1_start(c.v, L1_CODE, 3);
    caller_registers(&c, CALL_RAX);
    xen_call(&c, 3);
}

/* What L1's kernel tells KVM arrives as well, and KVM does not answer. */
void fact_xen_kvm_hypercalls(void)
{
    static const uint64_t numbers[] = { 1, 5, 9, 10, 11, 12 };
    Caller c;

    caller_open(&c, 0);
    if (!has_xen(&c)) {
        xen_absent(&c, 0);
        return;
    }
    xen_on(&c);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        caller_registers(&c, numbers[i]);
        xen_call(&c, 0);
    }
}

static bool code_is(Caller *c, const char *bytes)
{
    return memcmp(c->m.ram + L1_CODE, bytes, 3) == 0;
}

/* KVM writes vmmcall in the place of vmcall, and L1 executes that. */
void fact_vmcall_patched(void)
{
    Caller c;

    caller_open(&c, 0);
    L1_COPY(&c.m, L1_CODE, call_vmcall);
    tap_true("vmcall at first", code_is(&c, "\x0f\x01\xc1"));
    if (has_xen(&c)) {
        xen_on(&c);
        xen_call(&c, 0);
    } else {
        caller_returned(&c, 3, -(uint64_t)KVM_ENOSYS, c.r.rdx);
    }
    tap_true("vmmcall in its place", code_is(&c, "\x0f\x01\xd9"));
}

/* On a page that the caller may not write it is a fault for the caller. */
void fact_vmcall_read_only_page(void)
{
    Caller c;
    unsigned vector;

    caller_open(&c, 0);
    L1_COPY(&c.m, L1_CODE, call_vmcall);
    *vmm_u64(&c.m, L1_PT + L1_CODE / VMM_PAGE * 8) &= ~2ull;
    if (has_xen(&c)) {
        xen_on(&c);
    }
    vector = l1_run_fault(&c.m, c.v);
    tap_equal("exception for the caller", vector, VECTOR_PF);
    tap_equal("its address", vmm_sregs(c.v).cr2, L1_CODE);
    tap_true("vmcall still there", code_is(&c, "\x0f\x01\xc1"));
}

void fact_vmcall_read_only_slot(void)
{
    Caller c;

    caller_open(&c, 0);
    L1_COPY(&c.m, L1_CODE, call_vmcall);
    vmm_lay_over(&c.m, L1_CODE, VMM_PAGE, KVM_MEM_READONLY);
    if (has_xen(&c)) {
        xen_on(&c);
    }
    vmm_run_to(c.v, KVM_EXIT_MMIO);
    tap_equal("a write", c.v->run->mmio.is_write, 1);
    tap_equal("address of the write", c.v->run->mmio.phys_addr, L1_CODE);
    tap_equal("length of the write", c.v->run->mmio.len, 3);
    tap_true("vmcall still there", code_is(&c, "\x0f\x01\xc1"));
}

static void map_gpa_on(Caller *c)
{
    vmm_enable_cap(&c->m, KVM_CAP_EXIT_HYPERCALL, 1 << MAP_GPA_RANGE);
    caller_registers(c, MAP_GPA_RANGE);
    c->r.rbx = MAP_GPA_ADDRESS;
    c->r.rcx = 1;
    c->r.rdx = MAP_GPA_ATTRIBUTES;
    vmm_set_regs(c->v, &c->r);
}

void fact_map_gpa_kernel(void)
{
    Caller c;

    caller_open(&c, 0);
    map_gpa_on(&c);
    vmm_run_to(c.v, KVM_EXIT_HYPERCALL);
    tap_equal("number", c.v->run->hypercall.nr, MAP_GPA_RANGE);
    tap_equal("address", c.v->run->hypercall.args[0], MAP_GPA_ADDRESS);
    tap_equal("pages", c.v->run->hypercall.args[1], 1);
    tap_equal("attributes", c.v->run->hypercall.args[2],
              MAP_GPA_ATTRIBUTES);
    caller_set_rdx(&c, CALL_VALUE);
    c.v->run->hypercall.ret = CALL_RESULT;
    caller_returned(&c, 3, CALL_RESULT, CALL_VALUE);
}

void fact_map_gpa_user(void)
{
    Caller c;

    caller_open(&c, 3);
    map_gpa_on(&c);
    caller_returned(&c, 3, -(uint64_t)KVM_EPERM, MAP_GPA_ATTRIBUTES);
}

/* With both on, it is a Xen exit. */
void fact_map_gpa_and_xen(void)
{
    Caller c;

    caller_open(&c, 0);
    if (!has_xen(&c)) {
        xen_absent(&c, 0);
        return;
    }
    xen_on(&c);
    map_gpa_on(&c);
    xen_call(&c, 0);
}

void fact_doorbell(void)
{
    Caller c;
    struct kvm_regs r;

    caller_open(&c, 3);
    L1_COPY(&c.m, L1_CODE, call_doorbell);
    l1_permit(&c.m, DOORBELL, 4);
    c.r.rdx = DOORBELL;
    vmm_set_regs(c.v, &c.r);
    vmm_run_to_io(c.v, KVM_EXIT_IO_OUT, DOORBELL, 4, 1);
    tap_equal("value", *(uint32_t *)vmm_io_data(c.v), CALL_RAX);
    r = vmm_regs(c.v);
    r.rax = CALL_RESULT;
    r.rdx = CALL_VALUE;
    vmm_set_regs(c.v, &r);
    caller_returned(&c, 1, CALL_RESULT, CALL_VALUE);
}

void fact_doorbell_refused(void)
{
    Caller c;

    caller_open(&c, 3);
    L1_COPY(&c.m, L1_CODE, call_doorbell);
    l1_permit(&c.m, DOORBELL, 2);
    c.r.rdx = DOORBELL;
    vmm_set_regs(c.v, &c.r);
    tap_equal("exception for the caller", l1_run_fault(&c.m, c.v), VECTOR_GP);
}
