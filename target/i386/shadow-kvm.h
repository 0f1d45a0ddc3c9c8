/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU's KVM code for x86 calls, and what shadow-kvm.c and
 * shadow-kvm-ports.c have of each other.
 */
#ifndef TARGET_I386_SHADOW_KVM_H
#define TARGET_I386_SHADOW_KVM_H

#include "hw/core/cpu.h"
#include "qapi/qapi-types-shadow.h"

struct kvm_run;

/* All three are called by the CPU's own thread, without the BQL. */

/* Before KVM_RUN: what the last one has left must not be taken for new. */
void shadow_kvm_pre_run(struct kvm_run *run);

/* After KVM_RUN: look at a nested guest; do its port access if it is ours. */
void shadow_kvm_post_run(CPUState *cpu, struct kvm_run *run);

/* Whether it was an ultracall; *@ret is then what kvm_arch_handle_exit() is */
bool shadow_kvm_handle_exit(CPUState *cpu, struct kvm_run *run, int *ret);

/*
 * Put a nested guest back to before the port access that it has left with.
 * (shadow-kvm-undo.c)
 */
void shadow_kvm_undo(CPUState *cpu, struct kvm_run *run);

/* Whether it is a nested guest that @cpu has left. */
bool shadow_kvm_nested(CPUState *cpu);

/* As in struct ShadowAccel (shadow-kvm-ports.c) */
ShadowProtection shadow_kvm_protection(Error **errp);
void shadow_kvm_changed(void);
/* (shadow-kvm-nested.c) */
bool shadow_kvm_peek(uint64_t process, uint64_t va, uint64_t *val);
bool shadow_kvm_has_tables(uint64_t process, uint64_t va);

#endif /* TARGET_I386_SHADOW_KVM_H */
