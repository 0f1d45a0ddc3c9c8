/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a private virtual CPU is interrupted by: events that its hypervisor
 * injects, and traps after instructions that the processor has not completed
 * itself.
 */
#ifndef TARGET_I386_SHADOW_TCG_INJECT_H
#define TARGET_I386_SHADOW_TCG_INJECT_H

#include "shadow/target/i386/shadow-vcpu.h"

/* An instruction of the guest is complete: raise what RFLAGS.TF asks for. */
void shadow_tcg_trap_step(CPUX86State *env);

/*
 * @v has been entered, with @event, as event_inj of a VMCB has it, that it may
 * be given; with @completed after an instruction that the hypervisor has
 * completed.  What the guest cannot take now waits.  May not return.
 */
void shadow_tcg_inject(CPUX86State *env, ShadowVcpu *v, uint32_t event,
                       bool completed);

/* The guest takes interrupts again: one that waits, if any.  Then no return. */
void shadow_tcg_inject_waiting(CPUX86State *env, ShadowVcpu *v);

/* What was being delivered could not be, and is to be later. */
void shadow_tcg_undelivered(CPUX86State *env, ShadowVcpu *v);

/* While it runs, NMIs are off as they are for the guest, not for L1. */
void shadow_tcg_nmi_enter(CPUX86State *env, ShadowVcpu *v);
void shadow_tcg_nmi_leave(CPUX86State *env, ShadowVcpu *v);

#endif /* TARGET_I386_SHADOW_TCG_INJECT_H */
