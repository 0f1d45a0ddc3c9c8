/*
 * The instructions that call L0 are L1's, never L2's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define XEN_MSR 0x40000200
#define MAP_GPA_RANGE 12
#define MAP_GPA_ADDRESS 0x53480000ul
#define TICK 20000000 /* ns */

SNIPPET(l2_vmmcall, "vmmcall\nhlt");
SNIPPET(l2_vmcall, "vmcall\nhlt");

static void ticked(int number)
{
    (void)number;
}

static void tick(void)
{
    struct sigaction action = { .sa_handler = ticked };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = SIGUSR1 };
    struct itimerspec often = { { 0, TICK }, { 0, TICK } };
    timer_t timer;

    sigaction(SIGUSR1, &action, NULL);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &often, NULL);
}

static void open_all(Vmm *m, Vcpu **v, const uint8_t *code, const uint8_t *end)
{
    struct kvm_xen_hvm_config config = {
        .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
        .msr = XEN_MSR,
    };
    struct kvm_regs l2 = { .rax = MAP_GPA_RANGE, .rbx = MAP_GPA_ADDRESS,
                           .rcx = 1, .rdx = MAP_GPA_ADDRESS };

    vmm_open(m, false);
    *v = l1_add(m);
    if (vmm_cap(m, KVM_CAP_XEN_HVM) & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL) {
        VMM_IOCTL(m->vm, KVM_XEN_HVM_CONFIG, &config);
    }
    vmm_enable_cap(m, KVM_CAP_EXIT_HYPERCALL, 1 << MAP_GPA_RANGE);
    l1_copy(m, L2_CODE, code, end);
    l1_vmcb(m, L1_VMCB, L1_IOPM, true);
    l1_start_l2(m, *v, L1_VMCB, &l2);
}

void fact_l2_call_intercepted(void)
{
    Vmm m;
    Vcpu *v;

    open_all(&m, &v, l2_vmmcall, l2_vmmcall_end);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_VMMCALL);
    tap_equal("RIP in the VMCB", *vmm_u64(&m, L1_VMCB + VMCB_RIP), L2_CODE);

    /* KVM patches the other vendor's instruction here, too. */
    open_all(&m, &v, l2_vmcall, l2_vmcall_end);
    l1_run_l2(&m, v, L1_VMCB, SVM_EXIT_VMMCALL);
    tap_true("vmmcall in the place of vmcall",
             memcmp(m.ram + L2_CODE, "\x0f\x01\xd9", 3) == 0);
}

/* If L1 does not want them, L2 gets nowhere, but L0's user space no call. */
void fact_l2_call_not_intercepted(void)
{
    Vmm m;
    Vcpu *v;

    tick();
    open_all(&m, &v, l2_vmmcall, l2_vmmcall_end);
    *vmm_u32(&m, L1_VMCB + VMCB_INTERCEPT4) &= ~INTERCEPT4_VMMCALL;
    for (unsigned i = 0; i < 10; i++) {
        int ret = vmm_run(v);

        if (ret == 0) {
            vmm_expect(v, KVM_EXIT_IO);
            tap_equal("port", v->run->io.port, L1_PORT_DONE);
            tap_note("L2 ended with 0x%lx",
                     *vmm_u64(&m, L1_VMCB + VMCB_EXIT_CODE));
            return;
        }
        tap_equal("errno of KVM_RUN", -ret, EINTR);
    }
    tap_note("L2 was at 0x%llx all the time", vmm_regs(v).rip);
}
