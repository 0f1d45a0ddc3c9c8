/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What TCG's SVM emulation calls: nested entries, nested port accesses, and
 * ultracalls.  All are called by the CPU's own thread, without the BQL.
 */
#ifndef TARGET_I386_SHADOW_TCG_H
#define TARGET_I386_SHADOW_TCG_H

#include "cpu.h"
#include "shadow/hw/core/shadow-running.h"

/* VMRUN of env->vm_vmcb, while the CPU's state is still that of L1. */
void shadow_tcg_vmrun(CPUX86State *env);

/*
 * VMMCALL: if it is an ultracall, make it and return true.  @ra is the host
 * return address of the helper: a buffer that is not there faults into the
 * caller.
 */
bool shadow_tcg_ultracall(CPUX86State *env, uintptr_t ra);

/*
 * Who serves the nested guest's port access that this thread is in the midst
 * of.  It is asked once, by the check that stands before each of them.
 */
extern __thread ShadowAnswer shadow_tcg_answer;

/* Ask.  May leave to L1, by @ra, so that the access is made again. */
bool shadow_tcg_take(CPUX86State *env, uint16_t port, unsigned size,
                     uintptr_t ra);

/* Whether a nested guest's port access is ours, whatever L1 intercepts */
static inline bool shadow_tcg_takes(CPUX86State *env, uint32_t port,
                                    unsigned size, uintptr_t ra)
{
    if (likely(!qatomic_read(&shadow_bindings_used))) {
        return false;
    }
    return shadow_tcg_take(env, port, size, ra);
}

/* Whether it was: L1 itself does not ask. */
static inline bool shadow_tcg_took(CPUX86State *env)
{
    return env->hflags & HF_GUEST_MASK &&
           shadow_tcg_answer.server != SHADOW_SERVER_OTHER;
}

/* OUT of @size bytes: if shadow_tcg_took() it, make it and return true. */
static inline bool shadow_tcg_out(CPUX86State *env, uint32_t port,
                                  unsigned size, uint32_t val)
{
    if (likely(!shadow_tcg_took(env))) {
        return false;
    }
    shadow_answer_write(&shadow_tcg_answer, port, size, val);
    return true;
}

/* IN of @size bytes that shadow_tcg_took() */
static inline uint32_t shadow_tcg_in(CPUX86State *env, uint32_t port,
                                     unsigned size)
{
    return shadow_answer_read(&shadow_tcg_answer, port, size);
}

#endif /* TARGET_I386_SHADOW_TCG_H */
