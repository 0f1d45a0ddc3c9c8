/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a private guest is told by CPUID: of its hypervisor's word what cannot
 * do harm, and for the rest what is so.
 */
#ifndef TARGET_I386_SHADOW_CPUID_H
#define TARGET_I386_SHADOW_CPUID_H

#include "cpu.h"

/*
 * Leaf @leaf of the guest that @env runs: if the hypervisor is not asked at all
 * true, with the answer in @regs (by R_EAX and so on).
 */
bool shadow_cpuid_keeps(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
                        uint32_t regs[4]);

/* Whether @leaf says, or says where to ask, whether memory is encrypted */
bool shadow_cpuid_is_encryption(uint32_t leaf);

/*
 * The hypervisor has answered @regs, to a guest whose CR4 is @cr4: make of it
 * what the guest may believe.
 */
void shadow_cpuid_bound(uint32_t leaf, uint32_t subleaf, uint64_t cr4,
                        uint32_t regs[4]);

/* Where it says which CPU the guest is on, that is @apic_id. */
void shadow_cpuid_identify(uint32_t leaf, uint32_t apic_id, uint32_t regs[4]);

#endif /* TARGET_I386_SHADOW_CPUID_H */
