/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No shadow devices: every exit is QEMU's own. */
#include "qemu/osdep.h"
#include "shadow/target/i386/shadow-kvm.h"

void shadow_kvm_pre_run(struct kvm_run *run)
{
}

void shadow_kvm_post_run(CPUState *cpu, struct kvm_run *run)
{
}

bool shadow_kvm_handle_exit(CPUState *cpu, struct kvm_run *run, int *ret)
{
    return false;
}
