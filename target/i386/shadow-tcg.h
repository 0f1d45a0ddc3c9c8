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

/* The ports of the nested guest that the CPU is running, or NULL. */
static inline ShadowPorts *shadow_tcg_ports(CPUX86State *env)
{
    if (likely(!(env->hflags & HF_GUEST_MASK) || !shadow_bindings_exist)) {
        return NULL;
    }
    return shadow_binding_ports(env_cpu(env)->cpu_index);
}

/* Whether a nested guest's port access is ours, whatever L1 intercepts. */
static inline bool shadow_tcg_claims(CPUX86State *env, uint32_t port,
                                     unsigned size)
{
    ShadowPorts *ports = shadow_tcg_ports(env);

    return ports && shadow_ports_claimed(ports, port, size);
}

/* address_space_stb() and so on, but for a nested guest's claimed ports */
#define SHADOW_TCG_ST(name, size)                                       \
    static inline void shadow_tcg_##name(CPUX86State *env,              \
                                         AddressSpace *as, hwaddr port, \
                                         uint32_t val, MemTxAttrs attrs, \
                                         MemTxResult *result)           \
    {                                                                   \
        if (unlikely(shadow_tcg_claims(env, port, size))) {             \
            shadow_ports_write(shadow_tcg_ports(env), port, size, val); \
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
        if (unlikely(shadow_tcg_claims(env, port, size))) {             \
            return shadow_ports_read(shadow_tcg_ports(env), port, size); \
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
