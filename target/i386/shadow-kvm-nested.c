/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A nested guest under KVM, as a CPU that has left it shows it. */
#include "qemu/osdep.h"
#include "cpu.h"
#include "system/kvm.h"
#include "shadow/target/i386/shadow-kvm.h"
#include "shadow/target/i386/shadow-kvm-claims.h"
#include "shadow/target/i386/shadow-kvm-nested.h"
#include "shadow/target/i386/shadow-x86.h"

/* KVM's layout of a VMCS of the cloud VM (Linux, vmx/vmcs12.h) */
#define VMCS12_REVISION 0x11e57ed0
#define VMCS12_HOST_CR3 592
#define VMCS12_HOST_CR4 600

/* In kvm_run->flags, by the change in contrib/: L1's CR3 is behind run->io. */
#define KVM_RUN_X86_NESTED_PIO (1 << 15)

static int cloud_vm_la57 = -1;      /* not seen yet */

static void nested_from_svm(KvmNested *n)
{
    const struct vmcb *vmcb = kvm_nested_vmcb(n);

    n->map = le64_to_cpu(vmcb->control.iopm_base_pa);
    n->entry = (ShadowEntry) {
        .process = SHADOW_PROCESS(le64_to_cpu(vmcb->save.cr3)),
        .root = vmcb->control.nested_ctl & cpu_to_le64(SVM_NPT_ENABLED) ?
                le64_to_cpu(vmcb->control.nested_cr3) : 0,
        .vmcb = n->state.hdr.svm.vmcb_pa,
    };
    shadow_x86_kernel_walk(&n->walk, le64_to_cpu(vmcb->save.cr3),
              vmcb->save.cr4 & cpu_to_le64(CR4_LA57_MASK));
}

static bool nested_from_vmx(KvmNested *n)
{
    const uint8_t *vmcs = n->state.data.vmx[0].vmcs12;

    if (ldl_le_p(vmcs) != VMCS12_REVISION) {
        return false;
    }
    n->map = 0;
    n->entry = (ShadowEntry) {
        .process = SHADOW_PROCESS(ldq_le_p(vmcs + VMCS12_HOST_CR3)),
        .vmcb = n->state.hdr.vmx.vmcs12_pa,
    };
    shadow_x86_kernel_walk(&n->walk, ldq_le_p(vmcs + VMCS12_HOST_CR3),
              ldq_le_p(vmcs + VMCS12_HOST_CR4) & CR4_LA57_MASK);
    return true;
}

/*
 * With a claimed access a changed kernel says whose it is.  That is all that
 * its device's answer takes, and spares an ioctl.
 */
static bool nested_from_run(struct kvm_run *run, KvmNested *n)
{
    int la57 = qatomic_read(&cloud_vm_la57);
    uint64_t cr3;

    if (run->exit_reason != KVM_EXIT_IO || la57 < 0 ||
        !(run->flags & KVM_RUN_X86_NESTED_PIO) || !shadow_kvm_claims_work()) {
        return false;
    }
    memcpy(&cr3, &run->io + 1, sizeof(cr3));
    n->state.size = 0;
    n->map = 0;
    n->entry = (ShadowEntry) { .process = SHADOW_PROCESS(cr3) };
    shadow_x86_kernel_walk(&n->walk, cr3, la57);
    return true;
}

/* Whether kvm_run->flags says that it was a nested guest (Linux 6.12) */
static bool kvm_tells_mode(void)
{
    static int tells = -1;

    if (unlikely(tells < 0)) {
        tells = kvm_check_extension(kvm_state, KVM_CAP_X86_GUEST_MODE) > 0;
    }
    return tells;
}

static bool nested_get_state(CPUState *cpu, KvmNested *n)
{
    n->state = (struct kvm_nested_state) { .size = sizeof(n->bytes) };
    if (kvm_vcpu_ioctl(cpu, KVM_GET_NESTED_STATE, &n->state) < 0 ||
        !(n->state.flags & KVM_STATE_NESTED_GUEST_MODE)) {
        return false;
    }
    switch (n->state.format) {
    case KVM_STATE_NESTED_FORMAT_SVM:
        nested_from_svm(n);
        break;
    case KVM_STATE_NESTED_FORMAT_VMX:
        if (!nested_from_vmx(n)) {
            return false;
        }
        break;
    default:
        return false;
    }
    qatomic_set(&cloud_vm_la57, n->walk.la57);
    return true;
}

bool kvm_nested_get(CPUState *cpu, KvmNested *n)
{
    if (kvm_tells_mode() &&
        !(cpu->kvm_run->flags & KVM_RUN_X86_GUEST_MODE)) {
        return false;
    }
    return nested_from_run(cpu->kvm_run, n) || nested_get_state(cpu, n);
}

bool kvm_nested_complete(CPUState *cpu, KvmNested *n)
{
    return n->state.size || nested_get_state(cpu, n);
}

bool shadow_kvm_peek(uint64_t process, uint64_t va, uint64_t *val)
{
    ShadowWalk walk;

    shadow_x86_kernel_walk(&walk, process, qatomic_read(&cloud_vm_la57) > 0);
    return shadow_x86_peek(&walk, va, val);
}

bool shadow_kvm_has_tables(uint64_t process, uint64_t va)
{
    int la57 = qatomic_read(&cloud_vm_la57);
    ShadowWalk walk;

    if (la57 < 0) {
        return true;
    }
    shadow_x86_kernel_walk(&walk, process, la57);
    return shadow_walk_has_tables(&walk, va);
}

bool shadow_kvm_nested(CPUState *cpu)
{
    KvmNested n;

    return kvm_tells_mode() ? cpu->kvm_run->flags & KVM_RUN_X86_GUEST_MODE
                            : kvm_nested_get(cpu, &n);
}
