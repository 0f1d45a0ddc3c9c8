/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nested guests with a private half, under TCG.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cpu_ldst.h"
#include "exec/cputlb.h"
#include "svm.h"
#include "system/tcg.h"
#include "tcg/helper-tcg.h"
#include "shadow/include/compat-tcg.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/target/i386/shadow-tcg-assist.h"
#include "shadow/target/i386/shadow-tcg-inject.h"
#include "shadow/target/i386/shadow-tcg-private.h"
#include "shadow/target/i386/shadow-vcpu-starts.h"

#define MAX_CPUS 4096

bool shadow_private_used;

/* By CPU: what it is about to enter, and what it runs */
static ShadowVcpu *entering[MAX_CPUS], *inside[MAX_CPUS];

/* What it last left a nested guest for; what the VMCB says L1 can change. */
typedef struct Exit {
    uint64_t code, info_1, fault;
    uint64_t next_rip;          /* of a port access */
    uint64_t missing;           /* a page that was to be imported last, or -1 */
    bool imports;               /* the fault is for that */
} Exit;
static Exit exits[MAX_CPUS];

ShadowVcpu *shadow_tcg_inside(CPUX86State *env)
{
    unsigned n = env_cpu(env)->cpu_index;

    return env->hflags & HF_GUEST_MASK && n < MAX_CPUS ? inside[n] : NULL;
}

void shadow_tcg_address_space(CPUState *cs)
{
    cpu_address_space_init(cs, SHADOW_PRIVATE_ASIDX, "cpu-private",
                           shadow_private_root());
}

/* Memory */

void shadow_tcg_forget_code(MemoryRegion *ram)
{
    ram_addr_t start = memory_region_get_ram_addr(ram);

    if (!tcg_enabled()) {
        return;                 /* qtest */
    }
    shadow_tb_invalidate(start, start + memory_region_size(ram) - 1);
}

bool shadow_tcg_no_table(CPUX86State *env, int ptw_idx, uint64_t paddr)
{
    void *host;

    if (ptw_idx != MMU_PHYS_IDX || !(env->hflags & HF_GUEST_MASK) ||
        !(env->hflags2 & HF2_NPT_MASK)) {
        return false;
    }
    probe_access_full_mmu(env, paddr, 0, MMU_DATA_LOAD, ptw_idx, &host, NULL);
    return !host;
}

bool shadow_tcg_private_stage2(CPUX86State *env, uint64_t gpa,
                               MMUAccessType access, hwaddr *paddr, int *prot,
                               int *page_size, int *error,
                               target_ulong *address)
{
    ShadowVcpu *v = shadow_tcg_inside(env);
    bool marked = gpa & BIT_ULL(SHADOW_PRIVATE_BIT);

    if (!v || (!marked && access != MMU_INST_FETCH)) {
        return false;
    }
    *paddr = shadow_private_address(v->p, gpa);
    *prot = marked ? PAGE_READ | PAGE_WRITE | PAGE_EXEC : PAGE_EXEC;
    *page_size = TARGET_PAGE_SIZE;
    if (unlikely(v->p->import) && !shadow_tcg_import(env, v->p, gpa)) {
        exits[env_cpu(env)->cpu_index].missing = gpa & TARGET_PAGE_MASK &
                                                 ~BIT_ULL(SHADOW_PRIVATE_BIT);
        *prot = 0;
        *error = PG_ERROR_U_MASK;
        *address = gpa | BIT_ULL(SHADOW_PRIVATE_BIT);
    }
    return true;
}

/* Entries */

static void leave(ShadowVcpu *v)
{
    ShadowPrivate *p = v->p;

    qatomic_store_release(&v->running, false);
    shadow_private_unref(p);
}

/*
 * To run it on this CPU; not on two, and not while it is to stand still, which
 * is looked at last: see shadow_vcpu_freeze().
 */
static bool take(ShadowVcpu *v)
{
    if (qatomic_cmpxchg(&v->running, false, true)) {
        return false;
    }
    if (qatomic_read(&v->p->frozen)) {
        qatomic_store_release(&v->running, false);
        return false;
    }
    return true;
}

/* One that has not been left in the usual way: a CPU that was reset */
static void drop(ShadowVcpu **v)
{
    if (*v) {
        leave(*v);
        *v = NULL;
    }
}

void shadow_tcg_reset(CPUX86State *env)
{
    unsigned n = env_cpu(env)->cpu_index;

    if (n < MAX_CPUS) {
        drop(&inside[n]);
        drop(&entering[n]);
    }
}

/*
 * A guest whose private half has been launched is one of its virtual CPUs, on
 * one CPU at a time, or it is not that guest.
 */
void shadow_tcg_private_find(CPUX86State *env)
{
    unsigned n = env_cpu(env)->cpu_index;
    ShadowPrivate *p;
    ShadowPorts *ports;
    ShadowVcpu *v;
    bool sure;

    if (n >= MAX_CPUS) {
        return;
    }
    drop(&inside[n]);
    drop(&entering[n]);
    ports = shadow_running_entered(n, &sure);
    p = ports && sure ? qatomic_rcu_read(&ports->private) : NULL;
    if (!p || !shadow_private_try_ref(p)) {
        return;
    }
    v = shadow_vcpu_find(p, env->vm_vmcb);
    if (!v) {
        v = shadow_vcpu_start(env, p, x86_ldq_phys(env_cpu(env), env->vm_vmcb +
                                      offsetof(struct vmcb, save.rip)));
    } else if (!take(v)) {
        v = NULL;
    }
    if (!v) {
        shadow_private_unref(p);
    }
    entering[n] = v;
}

static G_NORETURN void refuse(CPUX86State *env, ShadowVcpu *v)
{
    qatomic_inc(&v->p->refused);
    leave(v);
    cpu_vmexit(env, SVM_EXIT_ERR, 0, 0);
}

/*
 * VMRUN has emptied the TLB when it loaded CR3, if paging is on in the VMCB;
 * since then nothing but physical addresses was used.
 */
static void go_inside(CPUX86State *env, ShadowVcpu *v, bool by_vmrun)
{
    CPUState *cs = env_cpu(env);
    bool emptied = by_vmrun && env->cr[0] & CR0_PG_MASK;

    shadow_vcpu_save_own(env, &v->host);
    shadow_vcpu_load(env, v);
    shadow_tcg_nmi_enter(env, v);
    env->intercept_exceptions = 0;
    inside[cs->cpu_index] = v;
    shadow_running_private(cs->cpu_index);
    if (!emptied) {
        tlb_flush(cs);
    }
}

/*
 * What L1 has done about the last exit, and what it wants to inject: all of it
 * or nothing, lest what is done once be done again.
 */
static bool merge(ShadowVcpu *v, CPUX86State *env, uint32_t event)
{
    bool completed = env->eip != v->rip;

    if (event & SVM_EVTINJ_VALID &&
        !shadow_vcpu_may_inject(v, event, completed)) {
        return false;
    }
    return shadow_vcpu_merge(v, env->eip, env->regs);
}

bool shadow_tcg_private_enter(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    unsigned n = cs->cpu_index;
    ShadowVcpu *v = n < MAX_CPUS ? entering[n] : NULL;
    uint32_t event;
    bool completed, fresh;

    if (!v) {
        return false;
    }
    entering[n] = NULL;
    event = x86_ldl_phys(cs, env->vm_vmcb + offsetof(struct vmcb,
                                                     control.event_inj));
    completed = env->eip != v->rip;
    fresh = v->fresh;
    /* without nested paging the guest's addresses would be L1's */
    if (!(env->hflags2 & HF2_NPT_MASK) ||
        (fresh ? event & SVM_EVTINJ_VALID : !merge(v, env, event))) {
        refuse(env, v);
    }
    v->fresh = false;
    go_inside(env, v, true);
    shadow_tcg_inject(env, v, event, completed && !fresh);
    return true;
}

/* Exits */

#define CONTROL(env, field) ((env)->vm_vmcb + \
                             offsetof(struct vmcb, control.field))

static void private_assist(CPUX86State *env, ShadowVcpu *v)
{
    CPUState *cs = env_cpu(env);
    uint64_t info_2 = v->exit_code == SVM_EXIT_NPF ? v->fault : 0;
    uint8_t bytes[SHADOW_INSN_MAX] = { 0x0f, 0x0b };    /* UD2 */
    size_t len = 0;

    switch (v->kind) {
    case SHADOW_EXIT_LOAD:
    case SHADOW_EXIT_STORE:
        len = shadow_vcpu_canonical_move(&v->move, shadow_vcpu_mode(v), bytes);
        break;
    case SHADOW_EXIT_IN:
    case SHADOW_EXIT_OUT:
        info_2 = v->next_rip;
        break;
    case SHADOW_EXIT_WRITE_CR:
        x86_stq_phys(cs, CONTROL(env, exit_code), SVM_EXIT_WRITE_CR0 + v->cr);
        x86_stq_phys(cs, CONTROL(env, exit_info_1), SHADOW_CR_VALID | R_EAX);
        break;
    default:
        break;
    }
    if (v->exit_code == SVM_EXIT_NPF && !len) {
        len = 2;
    }
    x86_stq_phys(cs, CONTROL(env, exit_info_2), info_2);
    shadow_tcg_put_assists(env, v->next_rip, bytes, len);
}

static void private_exit(CPUX86State *env, ShadowVcpu *v)
{
    uint8_t bytes[SHADOW_INSN_MAX];
    ShadowRegs view;
    size_t len = 0;

    /* what the guest does in a page to be imported is not L1's to do */
    if (!exits[env_cpu(env)->cpu_index].imports) {
        len = shadow_tcg_fetch(env, bytes);
    }
    shadow_tcg_nmi_leave(env, v);
    shadow_vcpu_save(env, v);
    shadow_vcpu_show(v, bytes, len, &view);
    shadow_vcpu_note_starts(v);
    shadow_vcpu_load_own(env, &v->host);
    shadow_vcpu_load_view(env, &view);
    private_assist(env, v);
}

void shadow_tcg_exits(CPUX86State *env, uint64_t code, uint64_t info_1)
{
    unsigned n = env_cpu(env)->cpu_index;

    if (code == SVM_EXIT_IOIO && info_1 & SVM_IOIO_STR_MASK &&
        shadow_tcg_inside(env)) {
        /* its other operand is in memory that L1 cannot access */
        raise_exception_err(env, EXCP0D_GPF, 0);
    }
    if (n < MAX_CPUS) {
        exits[n].imports &= code == SVM_EXIT_NPF;
        if (exits[n].imports) {
            shadow_tcg_undelivered(env, inside[n]);
        }
        exits[n].code = code;
        exits[n].info_1 = info_1;
    }
}

uint64_t shadow_tcg_next_rip(CPUX86State *env, uint64_t rip)
{
    unsigned n = env_cpu(env)->cpu_index;

    if (n < MAX_CPUS) {
        exits[n].next_rip = rip;
    }
    /* where a private guest is, is none of L1's business */
    return shadow_tcg_inside(env) ? 0 : rip;
}

void shadow_tcg_faults(CPUX86State *env, uint64_t gpa)
{
    unsigned n = env_cpu(env)->cpu_index;

    uint64_t bit = BIT_ULL(SHADOW_PRIVATE_BIT);

    if (n < MAX_CPUS) {
        exits[n].imports = shadow_tcg_inside(env) &&
                           (gpa & bit ||
                            (gpa & TARGET_PAGE_MASK) == exits[n].missing);
        exits[n].missing = -1;
        exits[n].fault = exits[n].imports ? gpa & ~bit : gpa;
    }
}

void shadow_tcg_exit(CPUX86State *env)
{
    unsigned n = env_cpu(env)->cpu_index;
    ShadowVcpu *v = shadow_tcg_inside(env);

    if (n >= MAX_CPUS) {
        return;
    }
    if (!v) {
        drop(&entering[n]);
        shadow_tcg_assist(env, exits[n].code, exits[n].next_rip);
        return;
    }
    v->exit_code = exits[n].code;
    v->exit_info_1 = exits[n].info_1;
    v->fault = exits[n].fault;
    private_exit(env, v);
    drop(&inside[n]);
}

void shadow_tcg_private_start(CPUX86State *env, ShadowPrivate *p,
                              const ShadowStart *start)
{
    CPUState *cs = env_cpu(env);
    ShadowVcpu *v;

    if (!shadow_private_try_ref(p)) {
        return;                 /* the machine was reset just now */
    }
    v = start ? shadow_vcpu_first(env, p, start) : shadow_vcpu_locked(env, p);
    qatomic_set(&shadow_private_used, true);
    go_inside(env, v, false);
    cs->exception_index = -1;
    cpu_loop_exit(cs);
}
