/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls on x86, whatever the accelerator.
 */
#ifndef TARGET_I386_SHADOW_X86_H
#define TARGET_I386_SHADOW_X86_H

#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/misc/ultracall.h"

/*
 * Whether @cpu's RAX says so, and there is an ultracall device.  64-bit code
 * only: the arguments are in registers that others do not have.
 */
bool shadow_x86_is_call(CPUState *cpu);

/*
 * Make the call that @cpu's registers hold, and put the results there.  User
 * mode needs the permission to write to the doorbell's port; the nested
 * guest's user mode has none.
 * @nr: the register with the call's number, in its low 8 bits
 */
void shadow_x86_call(CPUState *cpu, UltracallCaller *caller, uint64_t nr);

extern const ShadowAccel shadow_accel_tcg;
extern const ShadowAccel shadow_accel_kvm;

#endif /* TARGET_I386_SHADOW_X86_H */
