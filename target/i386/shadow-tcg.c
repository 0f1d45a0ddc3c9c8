/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls and nested guests under TCG.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "qemu/bswap.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "shadow/hw/misc/shadow-launch.h"
#include "shadow/hw/misc/ultracall.h"
#include "shadow/include/compat-tcg.h"
#include "shadow/target/i386/shadow-tcg.h"
#include "shadow/target/i386/shadow-tcg-private.h"
#include "shadow/target/i386/shadow-vcpu-state.h"
#include "shadow/target/i386/shadow-x86.h"

static bool shadow_tcg_peek(void *cpu, uint64_t va, uint64_t *val)
{
    uint8_t buf[8];

    if (cpu_memory_rw_debug(cpu, va, buf, sizeof(buf), false) < 0) {
        return false;
    }
    *val = ldq_le_p(buf);
    return true;
}

void shadow_tcg_vmrun(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    uint64_t nested;
    ShadowEntry entry;

    if (likely(!qatomic_read(&shadow_bindings_used))) {
        return;
    }
    nested = x86_ldq_phys(cs, env->vm_vmcb +
                          offsetof(struct vmcb, control.nested_ctl));
    entry = (ShadowEntry) {
        .process = SHADOW_PROCESS(env->cr[3]),
        .root = nested & SVM_NPT_ENABLED ?
                x86_ldq_phys(cs, env->vm_vmcb +
                             offsetof(struct vmcb, control.nested_cr3)) : 0,
        .vmcb = env->vm_vmcb,
    };
    shadow_running_enter(cs->cpu_index, &entry, shadow_tcg_peek, cs);
    if (qatomic_read(&shadow_private_used)) {
        shadow_tcg_private_find(env);
    }
}

__thread ShadowAnswer shadow_tcg_answer;

/*
 * Until L0 can see whose access it is, have L1's kernel do what it wants to,
 * which may be to put back the page with the cookie: as after an interrupt.
 */
bool shadow_tcg_take(CPUX86State *env, uint16_t port, unsigned size,
                     uintptr_t ra)
{
    shadow_tcg_answer = shadow_running_ask(env_cpu(env)->cpu_index, port,
                                           size);
    if (shadow_tcg_answer.server == SHADOW_SERVER_LATER &&
        cpu_svm_has_intercept(env, SVM_EXIT_INTR)) {
        cpu_vmexit(env, SVM_EXIT_INTR, 0, ra);
    }
    return shadow_tcg_answer.server != SHADOW_SERVER_OTHER;
}

typedef struct TcgCaller {
    ShadowX86Caller parent;
    CPUX86State *env;
    uintptr_t ra;
    ShadowPrivate *launched;    /* or NULL */
    ShadowStart start;
} TcgCaller;

/* Bytes from @va to the end of its page, at most @len */
static size_t tcg_in_page(uint64_t va, size_t len)
{
    return MIN(len, -(va | TARGET_PAGE_MASK));
}

/*
 * The doorbell has user mode's rights: it may be a hypervisor that writes there
 * for a program, whose registers it has.
 */
static int tcg_mmu_index(TcgCaller *caller)
{
    return caller->parent.doorbell ? MMU_USER64_IDX
                                   : cpu_mmu_index(env_cpu(caller->env), false);
}

/*
 * Probe everything first, and let it fault into the caller; then collect,
 * without a fault, what another CPU may have taken away again meanwhile.  The
 * doorbell comes from within a memory access, where nothing can fault.
 */
static int tcg_caller_map(UltracallCaller *c, uint64_t va, size_t len,
                          bool write, UltracallBuffer *buf, uint64_t *fault)
{
    TcgCaller *caller = container_of(c, TcgCaller, parent.parent);
    CPUX86State *env = caller->env;
    MMUAccessType access = write ? MMU_DATA_STORE : MMU_DATA_LOAD;
    int mmu_idx = tcg_mmu_index(caller);
    uint64_t at = va;
    size_t left, n;
    void *host;

    *fault = va;
    if (va + len < va) {
        return -EFAULT;
    }
    for (left = len; !caller->parent.doorbell && left; left -= n, at += n) {
        n = tcg_in_page(at, left);
        probe_access_flags(env, at, n, access, mmu_idx, false, &host,
                           caller->ra);
    }
    for (at = va, left = len; left; left -= n, at += n) {
        n = tcg_in_page(at, left);
        if (probe_access_flags(env, at, n, access, mmu_idx, true, &host, 0) &
            (TLB_INVALID_MASK | TLB_MMIO) || !host) {
            *fault = at;
            return -EFAULT;
        }
        ultracall_buffer_add(buf, host, n);
    }
    return 0;
}

static void tcg_caller_entry(UltracallCaller *c, ShadowEntry *entry)
{
    CPUX86State *env = container_of(c, TcgCaller, parent.parent)->env;

    *entry = (ShadowEntry) {
        .process = SHADOW_PROCESS(env->cr[3]),
        .alias = shadow_process_alias(env->cr[3], (env->hflags & HF_CPL_MASK)
                                                  == 3),
    };
    if (c->nested) {
        entry->vmcb = env->vm_vmcb;
        entry->root = env->hflags2 & HF2_NPT_MASK ? env->nested_cr3 : 0;
    }
}

static void tcg_caller_launch(UltracallCaller *c, ShadowPrivate *p,
                              const ShadowStart *start)
{
    TcgCaller *caller = container_of(c, TcgCaller, parent.parent);

    caller->launched = p;
    caller->start = *start;
}

static bool tcg_read(ShadowX86Caller *c, uint64_t va, void *buf, size_t len)
{
    CPUX86State *env = container_of(c, TcgCaller, parent)->env;

    return cpu_memory_rw_debug(env_cpu(env), va, buf, len, false) >= 0;
}

static bool tcg_is_call(CPUX86State *env)
{
    return shadow_x86_is_call(env->regs[R_EAX], env->hflags & HF_CS64_MASK);
}

static void tcg_call(CPUX86State *env, bool doorbell, uintptr_t ra)
{
    TcgCaller caller = {
        .parent = {
            .parent.cpu_index = env_cpu(env)->cpu_index,
            .parent.map = tcg_caller_map,
            .parent.entry = tcg_caller_entry,
            .parent.launch = tcg_caller_launch,
            .number = env->regs[R_EAX],
            .arg = { env->regs[R_EDI], env->regs[R_ESI], env->regs[8],
                     env->regs[9], env->regs[10] },
            .doorbell = doorbell,
            .guest_mode = env->hflags & HF_GUEST_MASK,
            .cpl = env->hflags & HF_CPL_MASK,
            .iopl = (env->eflags & IOPL_MASK) >> 12,
            .tss_base = env->tr.base,
            .tss_limit = env->tr.limit,
            .tss_type = env->tr.flags & DESC_P_MASK ?
                        (env->tr.flags >> DESC_TYPE_SHIFT) & 0xf : 0,
            .read = tcg_read,
        },
        .env = env,
        .ra = ra,
    };

    shadow_x86_call(&caller.parent);
    if (caller.launched) {
        shadow_tcg_private_start(env, caller.launched, &caller.start);
    }
    env->regs[R_EAX] = caller.parent.rax;
    env->regs[R_EDX] = caller.parent.rdx;
}

bool shadow_tcg_ultracall(CPUX86State *env, uintptr_t ra)
{
    if (!tcg_is_call(env)) {
        return false;
    }
    tcg_call(env, false, ra);
    return true;
}

/* VMCALL is no instruction of this processor otherwise. */
void helper_shadow_vmcall(CPUX86State *env)
{
    if (!shadow_tcg_ultracall(env, GETPC())) {
        raise_exception(env, EXCP06_ILLOP);
    }
}

static void tcg_doorbell(CPUState *cpu)
{
    if (tcg_is_call(cpu_env(cpu))) {
        tcg_call(cpu_env(cpu), true, 0);
    }
}

static uint32_t tcg_features(void)
{
    return ULTRACALL_F_INSTRUCTION;
}

static ShadowProtection tcg_protection(Error **errp)
{
    return SHADOW_PROTECTION_FORCED;
}

static bool tcg_peek(uint64_t process, uint64_t va, uint64_t *val)
{
    ShadowWalk walk;

    /* all CPUs of a kernel have the same paging mode */
    shadow_x86_kernel_walk(&walk, process,
                           qatomic_read(&cpu_env(first_cpu)->cr[4]) &
                           CR4_LA57_MASK);
    return shadow_x86_peek(&walk, va, val);
}

static void tcg_nothing(void)
{
}

const ShadowAccel shadow_accel_tcg = {
    .nested_calls = true,
    .sees_entries = true,
    .features = tcg_features,
    .protection = tcg_protection,
    .start = tcg_nothing,
    .changed = tcg_nothing,
    .peek = tcg_peek,
    .peek_nested = shadow_x86_peek_nested,
    .vcpus = &shadow_vcpu_ops,
    .doorbell = tcg_doorbell,
};
