/*
 * The kernel change in contrib/linux-6.12: what L0's user space claims of L2's
 * ports comes to it, and what it does not claim goes to L1, which intercepts
 * every port in all that follows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "claims.h"
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define OUT_VALUE 0x44332211ul
#define IN_VALUE 0x88776655ul
#define PIC_MASK_PORT 0x21

SNIPPET(out_1, "out %al, %dx\nhlt");
SNIPPET(out_2, "out %ax, %dx\nhlt");
SNIPPET(out_4, "out %eax, %dx\nhlt");
SNIPPET(in_1, "in %dx, %al\nhlt");
SNIPPET(in_2, "in %dx, %ax\nhlt");
SNIPPET(in_4, "in %dx, %eax\nhlt");
SNIPPET(l1_in, "in $0x21, %al\n" DONE);

typedef struct Io {
    const uint8_t *code, *end;
    unsigned in, size;
} Io;

static const Io ios[] = {
    { out_1, out_1_end, 0, 1 }, { out_2, out_2_end, 0, 2 },
    { out_4, out_4_end, 0, 4 }, { in_1, in_1_end, 1, 1 },
    { in_2, in_2_end, 1, 2 },   { in_4, in_4_end, 1, 4 },
};
#define N_IOS (sizeof(ios) / sizeof(ios[0]))

int claim_try(const Vmm *m, const Claim *c, bool add)
{
    struct kvm_enable_cap enable = {
        .cap = KVM_CAP_X86_NESTED_PIO,
        .args = { c->port | (uint64_t)c->ports << 16 | (uint64_t)add << 63,
                  c->cr3, c->mask },
    };

    return vmm_try(m->vm, KVM_ENABLE_CAP, &enable);
}

void claim_change(const Vmm *m, const Claim *c, bool add)
{
    tap_equal("errno of a change to the claims", -claim_try(m, c, add), 0);
}

void claims_open(Vmm *m, Vcpu **v, const Claim *c)
{
    vmm_open(m, false);
    *v = l1_add(m);
    claim_change(m, c, true);
}

void claims_at_l0(Vcpu *v, unsigned direction, unsigned port, unsigned size,
                  unsigned count)
{
    uint64_t at_entry, told;
    Nested n;

    vmm_run_to_io(v, direction, port, size, count);
    tap_true("the exit marked as L2's", v->run->flags & KVM_RUN_X86_GUEST_MODE);
    vmm_nested(v, &n);
    tap_true("L2 running", n.state.flags & KVM_STATE_NESTED_GUEST_MODE);
    tap_true("the exit marked as claimed",
             v->run->flags & KVM_RUN_X86_NESTED_PIO);
    memcpy(&at_entry, n.vmcb + VMCB_CR3, sizeof(at_entry));
    memcpy(&told, &v->run->io + 1, sizeof(told));
    tap_equal("L1's CR3 with the exit", told, at_entry);
}

static void io_start(Vmm *m, Vcpu *v, const Io *io, unsigned port, bool npt)
{
    struct kvm_regs l2 = { .rax = OUT_VALUE, .rdx = port };

    l1_copy(m, L2_CODE, io->code, io->end);
    l1_vmcb(m, L1_VMCB, L1_IOPM, npt);
    l1_start_l2(m, v, L1_VMCB, &l2);
}

static void io_at_l1(Vmm *m, Vcpu *v, const Io *io, unsigned port)
{
    l1_run_l2(m, v, L1_VMCB, SVM_EXIT_IOIO);
    tap_true("L1's exit not marked as claimed",
             !(v->run->flags & KVM_RUN_X86_NESTED_PIO));
    tap_equal("EXITINFO1 but for address size and segment",
              *vmm_u64(m, L1_VMCB + VMCB_EXIT_INFO1) & 0xffff007f,
              IOIO_PORT(port) | IOIO_SIZE(io->size) | io->in);
}

static void io_at_l0(Vmm *m, Vcpu *v, const Io *io, unsigned port)
{
    uint64_t mask = (1ull << io->size * 8) - 1, value = 0, rax = OUT_VALUE;

    claims_at_l0(v, io->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT, port, io->size,
                 1);
    if (io->in) {
        value = IN_VALUE;
        memcpy(vmm_io_data(v), &value, io->size);
        rax = (OUT_VALUE & ~mask) | (IN_VALUE & mask);
    } else {
        memcpy(&value, vmm_io_data(v), io->size);
        tap_equal("value written", value, OUT_VALUE & mask);
    }
    l1_run_l2(m, v, L1_VMCB, SVM_EXIT_HLT);
    tap_equal("RAX of L2", *vmm_u64(m, L1_VMCB + VMCB_RAX), rax);
}

/* Each size at each port near the claim: who gets it */
static void io_around(bool npt)
{
    Vmm m;
    Vcpu *v;

    claims_open(&m, &v, &com1);
    for (unsigned i = 0; i < N_IOS; i++) {
        for (unsigned port = COM1 - 4; port <= COM1 + COM1_PORTS; port++) {
            io_start(&m, v, &ios[i], port, npt);
            if (port + ios[i].size > COM1 && port < COM1 + COM1_PORTS) {
                io_at_l0(&m, v, &ios[i], port);
            } else {
                io_at_l1(&m, v, &ios[i], port);
            }
        }
    }
}

static void claim_sizes(void)
{
    io_around(true);
}

static void claim_sizes_shadow_paging(void)
{
    io_around(false);
}

/* The first and the last port; an access past the end does not wrap around. */
static void claim_ends(void)
{
    const Claim first = { 0, 1 }, last = { 0xffff, 1 }, all = { 0, 0x10000 };
    Vmm m;
    Vcpu *v;

    claims_open(&m, &v, &first);
    io_start(&m, v, &ios[2], 0xfffe, true);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_IOIO);
    io_start(&m, v, &ios[0], 0, true);
    io_at_l0(&m, v, &ios[0], 0);
    claim_change(&m, &first, false);
    claim_change(&m, &last, true);
    io_start(&m, v, &ios[2], 0xfffc, true);
    io_at_l0(&m, v, &ios[2], 0xfffc);
    io_start(&m, v, &ios[0], 0, true);
    io_at_l1(&m, v, &ios[0], 0);
    claim_change(&m, &all, true);
    io_start(&m, v, &ios[0], 0, true);
    io_at_l0(&m, v, &ios[0], 0);
}

/* What L1 does on a stock kernel to have its exits back */
static void claim_attacked(void)
{
    static const uint64_t maps[] = { L1_IOPM, L1_IOPM2, NO_MEMORY };
    Vmm m;
    Vcpu *v;

    claims_open(&m, &v, &com1);
    for (unsigned i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        io_start(&m, v, &ios[0], COM1, true);
        *vmm_u64(&m, L1_VMCB + VMCB_IOPM) = maps[i];
        io_at_l0(&m, v, &ios[0], COM1);
    }
    /* Nothing is held: L1's edits of its map have their effect elsewhere. */
    m.ram[L1_IOPM + IOPM_COM1] = 0;
    m.ram[L1_IOPM + IOPM_COM1] = 0xff;
    io_start(&m, v, &ios[3], COM1 + 5, true);
    io_at_l0(&m, v, &ios[3], COM1 + 5);
}

static void claim_not_intercepted(void)
{
    Vmm m;
    Vcpu *v;

    claims_open(&m, &v, &com1);
    io_start(&m, v, &ios[0], COM1, true);
    *vmm_u32(&m, L1_VMCB + VMCB_INTERCEPT3) &= ~INTERCEPT3_IOIO;
    io_at_l0(&m, v, &ios[0], COM1);
}

static void claim_removed(void)
{
    const Claim other = { COM1 + 4, 1 };
    Vmm m;
    Vcpu *v;

    claims_open(&m, &v, &com1);
    claim_change(&m, &com1, true); /* again: no more than one to remove */
    claim_change(&m, &other, true);
    claim_change(&m, &com1, false);
    tap_equal("errno of a second removal", -claim_try(&m, &com1, false),
              ENOENT);
    io_start(&m, v, &ios[0], COM1, true);
    io_at_l1(&m, v, &ios[0], COM1);
    io_start(&m, v, &ios[0], COM1 + 4, true);
    io_at_l0(&m, v, &ios[0], COM1 + 4);
}

/* A claim is L2's: L1 keeps its interrupt controller, which is in the kernel */
static void claim_over_kernel_device(void)
{
    const Claim pic = { PIC_MASK_PORT, 1 };
    Vmm m;
    Vcpu *v;

    vmm_open(&m, true);
    v = l1_add(&m);
    /* Unclaimed and not intercepted: the kernel answers, nobody else sees it */
    io_start(&m, v, &ios[3], PIC_MASK_PORT, true);
    m.ram[L1_IOPM + PIC_MASK_PORT / 8] = 0;
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_HLT);

    claim_change(&m, &pic, true);
    io_start(&m, v, &ios[3], PIC_MASK_PORT, true);
    io_at_l0(&m, v, &ios[3], PIC_MASK_PORT);

    L1_COPY(&m, L1_CODE, l1_in);
    l1_start(v, L1_CODE, 0);
    l1_run_done(v);
}

static void claim_offered(void)
{
    Vmm m;

    vmm_open(&m, false);
    tap_equal("KVM_CHECK_EXTENSION of the VM",
              vmm_cap(&m, KVM_CAP_X86_NESTED_PIO), CLAIMS_MAX);
    tap_equal("KVM_CHECK_EXTENSION of /dev/kvm",
              ioctl(m.kvm, KVM_CHECK_EXTENSION, (long)KVM_CAP_X86_NESTED_PIO),
              CLAIMS_MAX);
}

static void claim_refused(void)
{
    static const Claim bad[] = {
        { 0, 0 }, { 0, 0x10001 }, { 1, 0x10000 }, { 0xffff, 2 },
        { COM1, 8 | 1u << 17 },
    };
    struct kvm_enable_cap enable = {
        .cap = KVM_CAP_X86_NESTED_PIO,
        .args = { COM1 | 8 << 16 | 1ull << 63, 0, 0, 1 },
    };
    Claim c = { 0, 1 };
    Vmm m;

    vmm_open(&m, false);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        tap_equal("errno of a bad claim", -claim_try(&m, &bad[i], true),
                  EINVAL);
    }
    tap_equal("errno with args[3]",
              -vmm_try(m.vm, KVM_ENABLE_CAP, &enable), EINVAL);
    tap_equal("errno of removing none", -claim_try(&m, &c, false), ENOENT);
    for (c.port = 0; c.port < CLAIMS_MAX; c.port++) {
        claim_change(&m, &c, true);
    }
    tap_equal("errno of one too many", -claim_try(&m, &c, true), ENOSPC);
    c.port = CLAIMS_MAX / 2;
    claim_change(&m, &c, true); /* again */
    claim_change(&m, &c, false);
    c.port = CLAIMS_MAX;
    claim_change(&m, &c, true);
    for (c.port = 0; c.port <= CLAIMS_MAX; c.port++) {
        tap_equal("errno of removing each", -claim_try(&m, &c, false),
                  c.port == CLAIMS_MAX / 2 ? ENOENT : 0);
    }
}

int main(int argc, char **argv)
{
    static const TapTest tests[] = {
        { "claim-offered", claim_offered },
        { "claim-refused", claim_refused },
        { "claim-sizes", claim_sizes },
        { "claim-sizes-shadow-paging", claim_sizes_shadow_paging },
        { "claim-ends", claim_ends },
        { "claim-attacked", claim_attacked },
        { "claim-not-intercepted", claim_not_intercepted },
        { "claim-removed", claim_removed },
        { "claim-over-kernel-device", claim_over_kernel_device },
        { "claim-string-out", claim_string_out },
        { "claim-string-in", claim_string_in },
        { "claim-string-straddles", claim_string_straddles },
        { "claim-string-given-up", claim_string_given_up },
        { "claim-by-cr3", claim_by_cr3 },
        { "claim-by-cr3-shadow-paging", claim_by_cr3_shadow_paging },
        { "claim-by-cr3-restored", claim_by_cr3_restored },
        { "claim-changed-meanwhile", claim_changed_meanwhile },
        { "claim-changed-by-two", claim_changed_by_two },
    };

    return tap_run(tests, sizeof(tests) / sizeof(tests[0]),
                   argc > 1 ? argv[1] : NULL);
}
