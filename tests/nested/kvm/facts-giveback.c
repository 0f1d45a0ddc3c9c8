/*
 * An access of L2 that came to L0's user space, given back to L1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts.h"
#include "facts-loop.h"
#include <string.h>

#define ROUNDS 1000
#define APIC_SPIV 0xf0
#define APIC_ON 0x1ff

void fact_give_back_out(void)
{
    Loop l;

    loop_open(&l, 0, 4, true);
    loop_rounds(&l, ROUNDS, give_back_dropped);
}

void fact_give_back_in(void)
{
    Loop l;

    loop_open(&l, 1, 4, true);
    loop_rounds(&l, ROUNDS, give_back_dropped);
}

static void in_all_sizes(unsigned rounds, void (*give)(Vmm *, Vcpu *),
                         bool npt)
{
    for (unsigned i = 0; i < 6; i++) {
        Loop l;

        loop_open(&l, i & 1, 1u << i / 2, npt);
        loop_rounds(&l, rounds, give);
    }
}

void fact_give_back_sizes(void)
{
    in_all_sizes(ROUNDS / 10, give_back_dropped, true);
}

void fact_give_back_settled(void)
{
    in_all_sizes(ROUNDS / 10, give_back_settled, true);
}

void fact_give_back_shadow_paging(void)
{
    in_all_sizes(ROUNDS / 10, give_back_any, false);
}

/*
 * L2's page tables are L1's nested ones, which KVM protects: where the walk to
 * an instruction writes to them, KVM emulates the instruction.
 */
void fact_give_back_emulated(void)
{
    for (unsigned i = 0; i < 6; i++) {
        Loop l;

        loop_open(&l, i & 1, 1u << i / 2, true);
        *vmm_u64(&l.m, L1_VMCB + VMCB_NESTED_CR3) = L1_PML4;
        l.emulated = true;
        loop_rounds(&l, ROUNDS / 10, give_back_any);
        tap_note("%u of them finished when seen, %u with EXITINFO2 not behind "
                 "the instruction", l.finished, l.misled);
        tap_true("some that KVM emulated", l.in || l.finished);
    }
}

/* The next VMRUN takes what the VMCB says. */
void fact_give_back_once(void)
{
    static Nested n;
    uint64_t map;
    Loop l;

    loop_open(&l, 0, 1, true);
    loop_to_l0(&l);
    give_back_dropped(&l.m, l.v);
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
        give_back_dropped(&l->m, l->v);
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
    for (unsigned in = 0; in < 2; in++) {
        Loop l;

        loop_open(&l, in, 1, true);
        loop_interrupted(&l, ROUNDS / 5);
    }
}
