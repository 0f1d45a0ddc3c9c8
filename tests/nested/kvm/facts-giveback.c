/*
 * An access of L2 that came to L0's user space, given back to L1: it is
 * executed again, this time with all of L1's I/O intercepted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts.h"
#include <string.h>

#define COM1 0x3f8
#define ROUNDS 1000
#define RFLAGS_DF 0x400
#define APIC_SPIV 0xf0
#define APIC_ON 0x1ff
#define STEP 0x01030507u

SNIPPET(loop_out_1, "1: out %al, %dx\nadd $0x01030507, %eax\ninc %rcx\njmp 1b");
SNIPPET(loop_out_2, "1: out %ax, %dx\nadd $0x01030507, %eax\ninc %rcx\njmp 1b");
SNIPPET(loop_out_4,
        "1: out %eax, %dx\nadd $0x01030507, %eax\ninc %rcx\njmp 1b");
SNIPPET(loop_in_1, "1: in %dx, %al\nadd %rax, %rbx\ninc %rcx\njmp 1b");
SNIPPET(loop_in_2, "1: in %dx, %ax\nadd %rax, %rbx\ninc %rcx\njmp 1b");
SNIPPET(loop_in_4, "1: in %dx, %eax\nadd %rax, %rbx\ninc %rcx\njmp 1b");
SNIPPET(string_rep, "rep outsb\nhlt");
SNIPPET(string_one, "outsb\nhlt");
SNIPPET(string_word, "outsw\nhlt");
SNIPPET(string_in, "rep insb\nhlt");

typedef struct Loop {
    Vmm m;
    Vcpu *v;
    unsigned in, size, length; /* length of the instruction */
    uint64_t rax, rbx, rcx;    /* as L2 must have them at its next access */
    unsigned served, given, interrupts;
} Loop;

static uint64_t loop_mask(const Loop *l)
{
    return (1ull << l->size * 8) - 1;
}

/* What user space must leave as it is, but for KVM_GET_REGS */
typedef struct Rest {
    struct kvm_sregs sregs;
    struct kvm_fpu fpu;
    struct kvm_debugregs debug;
    struct kvm_vcpu_events events;
} Rest;

static void rest_get(const Vcpu *v, Rest *r)
{
    memset(r, 0, sizeof(*r));
    VMM_IOCTL(v->fd, KVM_GET_SREGS, &r->sregs);
    VMM_IOCTL(v->fd, KVM_GET_FPU, &r->fpu);
    VMM_IOCTL(v->fd, KVM_GET_DEBUGREGS, &r->debug);
    VMM_IOCTL(v->fd, KVM_GET_VCPU_EVENTS, &r->events);
}

/* All I/O of L2 is intercepted until it is left. */
static void intercept_all(Vcpu *v)
{
    static Nested n;
    uint64_t nowhere = NO_MEMORY;

    vmm_nested(v, &n);
    tap_true("L2 running", n.state.flags & KVM_STATE_NESTED_GUEST_MODE);
    memcpy(n.vmcb + VMCB_IOPM, &nowhere, sizeof(nowhere));
    vmm_set_nested(v, &n);
}

/*
 * KVM finishes the access only where it began: with another RIP it is dropped,
 * and leaves nothing in a register.
 */
static void give_back(Vcpu *v)
{
    struct kvm_regs before = vmm_regs(v), moved = before, after;
    static Rest rest[2];

    rest_get(v, &rest[0]);
    moved.rip ^= 1;
    vmm_set_regs(v, &moved);
    vmm_settle(v);
    after = vmm_regs(v);
    tap_true("all registers as set", memcmp(&after, &moved, sizeof(moved)) == 0);
    vmm_set_regs(v, &before);
    intercept_all(v);
    rest_get(v, &rest[1]);
    tap_true("system registers of L2 as they were",
             memcmp(&rest[0], &rest[1], sizeof(Rest)) == 0);
    after = vmm_regs(v);
    tap_true("registers of L2 as they were",
             memcmp(&before, &after, sizeof(before)) == 0);
}

/* The other way: let it finish, and take back what it did. */
static void give_back_settled(Vcpu *v)
{
    struct kvm_regs before = vmm_regs(v);

    vmm_settle(v);
    tap_true("RIP behind the access once it is settled",
             vmm_regs(v).rip != before.rip);
    vmm_set_regs(v, &before);
    intercept_all(v);
}

static void loop_open(Loop *l, const uint8_t *code, const uint8_t *end,
                      unsigned in, unsigned size, bool npt)
{
    struct kvm_regs l2 = { .rdx = COM1, .rsi = 0x515, .rdi = 0xd1d,
                           .rbp = 0xb9b, .r8 = 0x808, .r15 = 0xf1f };

    memset(l, 0, sizeof(*l));
    vmm_open(&l->m, true);
    l->v = l1_add(&l->m);
    l->in = in;
    l->size = size;
    l->length = size == 2 ? 2 : 1;
    l->rax = l2.rax = 0x0a0b0c0d;
    l->m.ram[L1_IOPM + IOPM_COM1] = 0;
    l1_copy(&l->m, L2_CODE, code, end);
    l1_vmcb(&l->m, L1_VMCB, L1_IOPM, npt);
    l1_start_l2(&l->m, l->v, L1_VMCB, &l2);
}

#define LOOP_OPEN(l, code, in, size, npt) \
    loop_open(l, code, code##_end, in, size, npt)

/* A value for L2 to read, with each byte in motion */
static uint32_t loop_value(const Loop *l)
{
    return (l->rcx + 1) * 0x9e3779b1u;
}

/* L2 has done the access, by whomever it was served. */
static void loop_accessed(Loop *l)
{
    if (l->in) {
        uint64_t mask = loop_mask(l);

        l->rax = (l->rax & ~mask) | (loop_value(l) & mask);
        l->rbx += l->rax;
    } else {
        l->rax = (uint32_t)(l->rax + STEP);
    }
    l->rcx++;
}

/* The rest of what identifies L2 is still there. */
static void loop_check(Loop *l, const struct kvm_regs *r)
{
    tap_equal("accesses of L2 (RCX)", r->rcx, l->rcx);
    tap_equal("RBX of L2", r->rbx, l->rbx);
    tap_equal("RDX of L2", r->rdx, COM1);
    tap_equal("RSI of L2", r->rsi, 0x515);
    tap_equal("RDI of L2", r->rdi, 0xd1d);
    tap_equal("RBP of L2", r->rbp, 0xb9b);
    tap_equal("R8 of L2", r->r8, 0x808);
    tap_equal("R15 of L2", r->r15, 0xf1f);
}

/* L2 comes to L0 with its next access. */
static void loop_to_l0(Loop *l)
{
    struct kvm_regs r;

    vmm_run_to_io(l->v, l->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT, COM1,
                  l->size, 1);
    tap_true("L2 running", vmm_in_l2(l->v));
    r = vmm_regs(l->v);
    tap_equal("RIP of L2", r.rip, L2_CODE);
    tap_equal("RSP of L2", r.rsp, L2_STACK);
    tap_equal("RAX of L2", r.rax, l->rax);
    tap_equal("base of L2's FS", vmm_sregs(l->v).fs.base, L2_DATA);
    loop_check(l, &r);
    if (!l->in) {
        uint64_t seen = 0;

        memcpy(&seen, vmm_io_data(l->v), l->size);
        tap_equal("value written", seen, l->rax & loop_mask(l));
    }
}

static void loop_serve(Loop *l)
{
    if (l->in) {
        uint32_t value = loop_value(l);

        memcpy(vmm_io_data(l->v), &value, l->size);
    }
    l->served++;
    loop_accessed(l);
}

/* L1 has the access, as if L0 had never seen it; emulate it there. */
static void loop_in_l1(Loop *l)
{
    struct kvm_regs r = vmm_regs(l->v);
    uint64_t *rax = vmm_u64(&l->m, L1_VMCB + VMCB_RAX);

    tap_equal("EXITINFO1 but for address size and segment",
              *vmm_u64(&l->m, L1_VMCB + VMCB_EXIT_INFO1) & 0xffff007f,
              IOIO_PORT(COM1) | IOIO_SIZE(l->size) | l->in);
    tap_equal("EXITINFO2", *vmm_u64(&l->m, L1_VMCB + VMCB_EXIT_INFO2),
              L2_CODE + l->length);
    tap_equal("RIP in the VMCB", *vmm_u64(&l->m, L1_VMCB + VMCB_RIP), L2_CODE);
    tap_equal("RSP in the VMCB", *vmm_u64(&l->m, L1_VMCB + VMCB_RSP), L2_STACK);
    tap_equal("RAX in the VMCB", *rax, l->rax);
    tap_equal("FS base in the VMCB", *vmm_u64(&l->m, L1_VMCB + VMCB_FS_BASE),
              L2_DATA);
    tap_equal("base of L1's FS", vmm_sregs(l->v).fs.base, 0);
    loop_check(l, &r);
    if (l->in) {
        uint64_t mask = loop_mask(l);

        *rax = (*rax & ~mask) | (loop_value(l) & mask);
    }
    *vmm_u64(&l->m, L1_VMCB + VMCB_RIP) = L2_CODE + l->length;
    l->given++;
    loop_accessed(l);
}

/* Every way to mix the two: one each, several of one, several of the other */
static bool loop_gives(unsigned round)
{
    return (0xb2d39a71u >> round % 32) & 1;
}

static void loop_rounds(Loop *l, unsigned rounds, void (*give)(Vcpu *))
{
    for (unsigned i = 0; i < rounds; i++) {
        loop_to_l0(l);
        if (loop_gives(i)) {
            give(l->v);
            l1_run_l2(&l->m, l->v, L1_VMCB, SVM_EXIT_IOIO);
            loop_in_l1(l);
        } else {
            loop_serve(l);
        }
    }
    loop_to_l0(l);
    tap_note("%u accesses served by L0, %u given back to L1", l->served,
             l->given);
    tap_equal("accesses in all", l->served + l->given, l->rcx);
}

void fact_give_back_out(void)
{
    Loop l;

    LOOP_OPEN(&l, loop_out_4, 0, 4, true);
    loop_rounds(&l, ROUNDS, give_back);
}

void fact_give_back_in(void)
{
    Loop l;

    LOOP_OPEN(&l, loop_in_4, 1, 4, true);
    loop_rounds(&l, ROUNDS, give_back);
}

void fact_give_back_sizes(void)
{
    Loop l;

    LOOP_OPEN(&l, loop_out_1, 0, 1, true);
    loop_rounds(&l, ROUNDS / 10, give_back);
    LOOP_OPEN(&l, loop_out_2, 0, 2, true);
    loop_rounds(&l, ROUNDS / 10, give_back);
    LOOP_OPEN(&l, loop_in_1, 1, 1, true);
    loop_rounds(&l, ROUNDS / 10, give_back);
    LOOP_OPEN(&l, loop_in_2, 1, 2, true);
    loop_rounds(&l, ROUNDS / 10, give_back);
}

void fact_give_back_settled(void)
{
    Loop l;

    LOOP_OPEN(&l, loop_out_1, 0, 1, true);
    loop_rounds(&l, ROUNDS / 10, give_back_settled);
    LOOP_OPEN(&l, loop_in_1, 1, 1, true);
    loop_rounds(&l, ROUNDS / 10, give_back_settled);
}

void fact_give_back_shadow_paging(void)
{
    Loop l;

    LOOP_OPEN(&l, loop_out_1, 0, 1, false);
    loop_rounds(&l, ROUNDS / 10, give_back);
    LOOP_OPEN(&l, loop_in_1, 1, 1, false);
    loop_rounds(&l, ROUNDS / 10, give_back);
}

/* The next VMRUN takes what the VMCB says. */
void fact_give_back_once(void)
{
    static Nested n;
    uint64_t map;
    Loop l;

    LOOP_OPEN(&l, loop_out_1, 0, 1, true);
    loop_to_l0(&l);
    give_back(l.v);
    tap_equal("the map in L1's VMCB", *vmm_u64(&l.m, L1_VMCB + VMCB_IOPM),
              L1_IOPM);
    l1_run_l2(&l.m, l.v, L1_VMCB, SVM_EXIT_IOIO);
    tap_equal("the map in L1's VMCB", *vmm_u64(&l.m, L1_VMCB + VMCB_IOPM),
              L1_IOPM);
    loop_in_l1(&l);
    loop_to_l0(&l);
    vmm_nested(l.v, &n);
    memcpy(&map, n.vmcb + VMCB_IOPM, sizeof(map));
    tap_equal("the map after the next VMRUN", map, L1_IOPM);
}

static void apic_on(Vcpu *v)
{
    struct kvm_lapic_state apic;
    uint32_t value = APIC_ON;

    VMM_IOCTL(v->fd, KVM_GET_LAPIC, &apic);
    memcpy(apic.regs + APIC_SPIV, &value, sizeof(value));
    VMM_IOCTL(v->fd, KVM_SET_LAPIC, &apic);
}

static void interrupt(Vmm *m)
{
    struct kvm_msi msi = { .address_lo = 0xfee00000, .data = L1_VECTOR_IRQ };

    VMM_IOCTL(m->vm, KVM_SIGNAL_MSI, &msi);
}

/*
 * L1's interrupt may come first: then L2 has not moved, L1 has taken it, and
 * the access comes to L0 once more.
 */
static void loop_give_with_interrupt(Loop *l)
{
    for (;;) {
        give_back(l->v);
        l1_run_done(l->v);
        if (*vmm_u64(&l->m, L1_VMCB + VMCB_EXIT_CODE) == SVM_EXIT_IOIO) {
            loop_in_l1(l);
            return;
        }
        tap_equal("exit code of L2", *vmm_u64(&l->m, L1_VMCB + VMCB_EXIT_CODE),
                  SVM_EXIT_INTR);
        tap_equal("interrupts that L1 took", *vmm_u64(&l->m, L1_DATA),
                  ++l->interrupts);
        tap_equal("RIP in the VMCB", *vmm_u64(&l->m, L1_VMCB + VMCB_RIP),
                  L2_CODE);
        loop_to_l0(l);
    }
}

static void loop_interrupted(Loop *l, unsigned rounds)
{
    apic_on(l->v);
    for (unsigned i = 0; i < rounds; i++) {
        loop_to_l0(l);
        if (loop_gives(i / 2)) {
            interrupt(&l->m);
        }
        if (loop_gives(i)) {
            loop_give_with_interrupt(l);
            continue;
        }
        loop_serve(l);
        if (loop_gives(i / 2)) {
            l1_run_l2(&l->m, l->v, L1_VMCB, SVM_EXIT_INTR);
            l->interrupts++;
        }
    }
    loop_to_l0(l);
    tap_equal("interrupts that L1 took", *vmm_u64(&l->m, L1_DATA),
              l->interrupts);
    tap_equal("accesses in all", l->served + l->given, l->rcx);
    tap_note("%u accesses served by L0, %u given back to L1, %u interrupts",
             l->served, l->given, l->interrupts);
    tap_true("interrupts", l->interrupts > rounds / 4);
}

void fact_give_back_interrupt(void)
{
    Loop l;

    LOOP_OPEN(&l, loop_out_1, 0, 1, true);
    loop_interrupted(&l, ROUNDS / 5);
    LOOP_OPEN(&l, loop_in_1, 1, 1, true);
    loop_interrupted(&l, ROUNDS / 5);
}
