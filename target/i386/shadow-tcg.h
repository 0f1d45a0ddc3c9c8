/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What TCG's SVM emulation calls: nested entries, nested port accesses, and
 * ultracalls.  All are called by the CPU's own thread, without the BQL.
 */
#ifndef TARGET_I386_SHADOW_TCG_H
#define TARGET_I386_SHADOW_TCG_H

#include "cpu.h"
#include "shadow/hw/core/shadow-binding.h"
#include "shadow/include/compat-memory.h"

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

/* address_space_stb() and so on, but for a nested guest's claimed ports */
#define SHADOW_TCG_ST(name, size)                                       \
    static inline void shadow_tcg_##name(CPUX86State *env,              \
                                         AddressSpace *as, hwaddr port, \
                                         uint32_t val, MemTxAttrs attrs, \
                                         MemTxResult *result)           \
    {                                                                   \
        if (unlikely(shadow_tcg_took(env))) {                           \
            shadow_answer_write(&shadow_tcg_answer, port, size, val);   \
        } else {                                                        \
            address_space_##name(as, port, val, attrs, result);         \
        }                                                               \
    }

#define SHADOW_TCG_LD(name, size)                                       \
    static inline uint32_t shadow_tcg_##name(CPUX86State *env,          \
                                             AddressSpace *as,          \
                                             hwaddr port,               \
                                             MemTxAttrs attrs,          \
                                             MemTxResult *result)       \
    {                                                                   \
        if (unlikely(shadow_tcg_took(env))) {                           \
            return shadow_answer_read(&shadow_tcg_answer, port, size);  \
        }                                                               \
        return address_space_##name(as, port, attrs, result);           \
    }

SHADOW_TCG_ST(stb, 1)
SHADOW_TCG_ST(stw, 2)
SHADOW_TCG_ST(stl, 4)
SHADOW_TCG_LD(ldub, 1)
SHADOW_TCG_LD(lduw, 2)
SHADOW_TCG_LD(ldl, 4)

#endif /* TARGET_I386_SHADOW_TCG_H */
