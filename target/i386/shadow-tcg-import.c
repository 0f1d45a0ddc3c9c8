/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest that L1 has started comes to be private under TCG, with what
 * is in its memory and its registers then.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/hw/misc/shadow-memory.h"
#include "shadow/hw/misc/ultracall.h"
#include "shadow/include/compat-tcg.h"
#include "shadow/target/i386/shadow-cpuid.h"
#include "shadow/target/i386/shadow-tcg-private.h"
#include "shadow/target/i386/shadow-x86.h"

void shadow_tcg_await_lock(void)
{
    qatomic_set(&shadow_private_used, true);
}

/* Memory */

typedef struct ImportSource {
    CPUX86State *env;
    ShadowPrivate *p;
} ImportSource;

/*
 * As the processor finds it there, in one go: L1's kernel takes a page away
 * only when all CPUs have left the guest since.
 */
static bool import_copy(void *opaque, uint64_t page)
{
    ImportSource *source = opaque;
    CPUX86State *env = source->env;
    ShadowWalk walk;
    uint64_t pa, len;
    void *host;

    shadow_x86_kernel_walk(&walk, env->nested_cr3,
                           env->nested_pg_mode & PG_MODE_LA57);
    if (shadow_walk(&walk, page, false, &pa, &len) < 0) {
        return false;
    }
    len = SHADOW_IMPORT_PAGE;
    host = ultracall_ram(pa, &len, false);
    if (!host || len < SHADOW_IMPORT_PAGE) {
        return false;
    }
    shadow_private_write(source->p, page, host, SHADOW_IMPORT_PAGE);
    return true;
}

bool shadow_tcg_import(CPUX86State *env, ShadowPrivate *p, uint64_t gpa)
{
    ImportSource source = { env, p };

    return shadow_import_touch(p->import,
                               gpa & ~BIT_ULL(SHADOW_PRIVATE_BIT),
                               import_copy, &source);
}

/* The lock */

/* The guest that the CPU runs, if it may come to be private; else NULL */
static ShadowPorts *lock_candidate(CPUX86State *env)
{
    bool sure;
    ShadowPorts *ports = shadow_running_entered(env_cpu(env)->cpu_index,
                                                &sure);

    return ports && sure && qatomic_read(&ports->may_lock) &&
           shadow_ports_proved(ports) && env->hflags2 & HF2_NPT_MASK &&
           env->nested_pg_mode & PG_MODE_LMA ? ports : NULL;
}

/* NULL if it is too late, or too early */
static ShadowPrivate *lock(CPUX86State *env)
{
    ShadowPorts *ports;

    BQL_LOCK_GUARD();
    ports = lock_candidate(env);
    return ports && ports->guest ? shadow_memory_lock(ports->guest) : NULL;
}

static G_NORETURN void lock_answer(CPUX86State *env)
{
    ShadowPrivate *p = lock(env);

    env->regs[R_EAX] = p ? SEV_STATUS_ENABLED : 0;
    env->regs[R_EDX] = 0;
    shadow_tcg_skip(env);
    if (p) {
        shadow_tcg_private_start(env, p, NULL);
    }
    env_cpu(env)->exception_index = -1;
    cpu_loop_exit(env_cpu(env));
}

bool shadow_tcg_locks(CPUX86State *env, uint32_t type, uint64_t param,
                      uintptr_t ra)
{
    uint32_t regs[4];

    if (type == SVM_EXIT_CPUID &&
        shadow_cpuid_is_encryption(env->regs[R_EAX]) && lock_candidate(env)) {
        shadow_cpuid_keeps(env, env->regs[R_EAX], 0, regs);
        cpu_restore_state(env_cpu(env), ra);
        for (int i = 0; i < ARRAY_SIZE(regs); i++) {
            env->regs[i] = regs[i];
        }
        shadow_tcg_skip(env);
        env_cpu(env)->exception_index = -1;
        cpu_loop_exit(env_cpu(env));
    }
    if (type == SVM_EXIT_MSR && !param &&
        (uint32_t)env->regs[R_ECX] == MSR_SEV_STATUS && lock_candidate(env)) {
        cpu_restore_state(env_cpu(env), ra);
        lock_answer(env);
    }
    return false;
}
