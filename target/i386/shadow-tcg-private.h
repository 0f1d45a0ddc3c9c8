/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What TCG's SVM and MMU call for nested guests with a private half.  By the
 * CPU's own thread, without the BQL.
 */
#ifndef TARGET_I386_SHADOW_TCG_PRIVATE_H
#define TARGET_I386_SHADOW_TCG_PRIVATE_H

#include "cpu.h"
#include "exec/cputlb.h"
#include "shadow/hw/core/shadow-private.h"
#include "shadow/target/i386/shadow-tcg-assist.h"

struct ShadowStart;

/* Whether any guest has ever had a private half */
extern bool shadow_private_used;

/* The address space of a CPU that serves private memory */
#define SHADOW_PRIVATE_ASIDX 2
static inline int shadow_asidx_from_attrs(CPUState *cs, MemTxAttrs attrs)
{
    return attrs.space ? SHADOW_PRIVATE_ASIDX : x86_asidx_from_attrs(cs, attrs);
}

/* See ShadowVcpuOps. */
void shadow_tcg_forget_code(MemoryRegion *ram);
void shadow_tcg_await_lock(void);

/* Give a new CPU that address space. */
void shadow_tcg_address_space(CPUState *cs);

/* The virtual CPU of a private guest that the CPU runs, or NULL */
ShadowVcpu *shadow_tcg_inside(CPUX86State *env);

/* VMRUN: the guest of @entry's VMCB; called after its binding was looked up */
void shadow_tcg_private_find(CPUX86State *env);

/*
 * VMRUN has loaded all of the VMCB but what is to be injected.  Returns true if
 * the guest is a private one, which is complete then; may leave to L1.
 */
bool shadow_tcg_private_enter(CPUX86State *env);
static inline bool shadow_tcg_entered(CPUX86State *env)
{
    return unlikely(qatomic_read(&shadow_private_used)) &&
           shadow_tcg_private_enter(env);
}

/*
 * A #VMEXIT of any nested guest begins: what it is for.  May raise an exception
 * in the guest instead.
 */
void shadow_tcg_exits(CPUX86State *env, uint64_t code, uint64_t info_1);

/* It will be for a nested page fault, at this guest-physical address. */
void shadow_tcg_faults(CPUX86State *env, uint64_t gpa);

/* A #VMEXIT is about to write the guest's registers to the VMCB. */
void shadow_tcg_exit(CPUX86State *env);

/*
 * Then L1's CR3 was loaded, which has emptied the TLB, unless its paging is off:
 * nothing of the guest's is there when L1 goes on.  Until now there were none
 * but physical addresses of L1's.
 */
static inline void shadow_tcg_left(CPUX86State *env)
{
    if (unlikely(qatomic_read(&shadow_private_used)) &&
        !(env->cr[0] & CR0_PG_MASK)) {
        tlb_flush(env_cpu(env));
    }
}

/*
 * Something that L1 may have intercepted: true if it is none of L1's business.
 * May leave to L1 itself, or raise an exception in the guest.
 */
bool shadow_tcg_private_keeps(CPUX86State *env, uint32_t type, uint64_t param,
                              uintptr_t ra);
static inline bool shadow_tcg_keeps(CPUX86State *env, uint32_t type,
                                    uint64_t param, uintptr_t ra)
{
    return unlikely(qatomic_read(&shadow_private_used)) &&
           shadow_tcg_private_keeps(env, type, param, ra);
}

/*
 * The same for a guest that is not private, but may come to be: when it asks
 * whether its memory is (AMD APM vol. 2, 15.34).
 */
bool shadow_tcg_locks(CPUX86State *env, uint32_t type, uint64_t param,
                      uintptr_t ra);

/* What is to be read there then */
#define MSR_SEV_STATUS 0xc0010131
#define SEV_STATUS_ENABLED 1

/* An instruction was answered in L1's place: go on after it. */
void shadow_tcg_skip(CPUX86State *env);

/*
 * Have the page of @gpa in @p's memory, if it is to come from L1; false if L1
 * does not have it there now.
 */
bool shadow_tcg_import(CPUX86State *env, ShadowPrivate *p, uint64_t gpa);

/* The RIP after a port access that exits, for the VMCB */
uint64_t shadow_tcg_next_rip(CPUX86State *env, uint64_t rip);

/* Whether the VMCB does not get to know of an event that is being delivered */
bool shadow_tcg_keeps_event(CPUX86State *env);

/* A CPU is being reset, inside a guest or not. */
void shadow_tcg_reset(CPUX86State *env);

/* Memory */

/*
 * An address of a page table, or without paging, of the stage that @ptw_idx
 * says: private, whatever it says itself (AMD APM vol. 2, 15.34.5)
 */
static inline uint64_t shadow_tcg_walk(CPUX86State *env, int ptw_idx,
                                       uint64_t gpa)
{
    return ptw_idx == MMU_NESTED_IDX &&
           unlikely(qatomic_read(&shadow_private_used)) &&
           shadow_tcg_inside(env) ?
           gpa | BIT_ULL(SHADOW_PRIVATE_BIT) : gpa;
}

/* Whether there is no RAM or ROM for a table of nested paging at @paddr */
bool shadow_tcg_no_table(CPUX86State *env, int ptw_idx, uint64_t paddr);

/*
 * Stage 2 of a guest's access to @gpa: if it is private, true, with *@paddr in
 * the CPU's private address space.  Code is always private.  *@prot is 0 if it
 * is still to come from L1, and L1 does not have it; then *@error and *@address
 * are those of the nested page fault.
 */
bool shadow_tcg_private_stage2(CPUX86State *env, uint64_t gpa,
                               MMUAccessType access, hwaddr *paddr, int *prot,
                               int *page_size, int *error,
                               target_ulong *address);
static inline bool shadow_tcg_stage2(CPUX86State *env, uint64_t gpa,
                                     MMUAccessType access, hwaddr *paddr,
                                     int *prot, int *page_size, int *error,
                                     target_ulong *address)
{
    return unlikely(qatomic_read(&shadow_private_used)) &&
           shadow_tcg_private_stage2(env, gpa, access, paddr, prot, page_size,
                                     error, address);
}

/*
 * What of @prot memory at *@paddr has that is not private.  A table of L1's may
 * say any address, but it leads to no private memory.
 */
static inline int shadow_tcg_shared(CPUX86State *env, hwaddr *paddr, int prot)
{
    if (likely(!qatomic_read(&shadow_private_used)) ||
        !shadow_tcg_inside(env)) {
        return prot;
    }
    *paddr &= BIT_ULL(SHADOW_PRIVATE_SHIFT) - 1;
    return prot & ~PAGE_EXEC;
}

/* Whether it is private memory, to which a translation may have led */
static inline bool shadow_tcg_leads(CPUX86State *env, uint64_t paddr)
{
    return unlikely(paddr >> SHADOW_PRIVATE_SHIFT) && shadow_tcg_inside(env);
}

/*
 * Of what has become of an address of @mmu_idx.  Without any translation it is
 * L1's own word, as where its nested page tables are.
 */
static inline MemTxAttrs shadow_tcg_attrs(CPUX86State *env, int mmu_idx,
                                          uint64_t paddr)
{
    MemTxAttrs attrs = cpu_get_mem_attrs(env);

    attrs.space = mmu_idx != MMU_PHYS_IDX && shadow_tcg_leads(env, paddr);
    return attrs;
}

/* L1's A20 gate is not the guest's. */
static inline uint64_t shadow_tcg_a20(CPUX86State *env, uint64_t paddr,
                                      uint64_t mask)
{
    return shadow_tcg_leads(env, paddr) ? paddr : paddr & mask;
}

/*
 * The nested guest that runs on the CPU becomes @p's first virtual CPU, and
 * begins anew at @start; or, without, goes on with the registers that it has.
 * Returns only if @p is no more.
 */
void shadow_tcg_private_start(CPUX86State *env, ShadowPrivate *p,
                              const struct ShadowStart *start);

#endif /* TARGET_I386_SHADOW_TCG_PRIVATE_H */
