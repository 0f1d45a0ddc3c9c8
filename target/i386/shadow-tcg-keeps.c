/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the hypervisor of a private guest does not get to see at all.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "shadow/target/i386/shadow-cpuid.h"
#include "shadow/target/i386/shadow-tcg-assist.h"
#include "shadow/target/i386/shadow-tcg-inject.h"
#include "shadow/target/i386/shadow-tcg-private.h"
#include "shadow/target/i386/shadow-vcpu.h"

void shadow_tcg_skip(CPUX86State *env)
{
    ShadowInsn insn;

    /* no instruction is the last one here: page tables may be anywhere */
    env_cpu(env)->neg.can_do_io = true;
    if (shadow_tcg_decode(env, &insn)) {
        env->eip += insn.length;
        env->eflags &= ~RF_MASK;
        env->hflags &= ~HF_INHIBIT_IRQ_MASK;
        shadow_tcg_trap_step(env);
    }
}

/* Answer in L1's place, and go on after the instruction. */
static G_NORETURN void answered(CPUX86State *env)
{
    shadow_tcg_skip(env);
    env_cpu(env)->exception_index = -1;
    cpu_loop_exit(env_cpu(env));
}

static void keeps_cpuid(CPUX86State *env, uintptr_t ra)
{
    uint32_t regs[4];

    if (!shadow_cpuid_keeps(env, env->regs[R_EAX], env->regs[R_ECX], regs)) {
        return;
    }
    cpu_restore_state(env_cpu(env), ra);
    for (int i = 0; i < ARRAY_SIZE(regs); i++) {
        env->regs[i] = regs[i];
    }
    answered(env);
}

static G_NORETURN void answer_msr(CPUX86State *env, uint64_t val, uintptr_t ra)
{
    cpu_restore_state(env_cpu(env), ra);
    env->regs[R_EAX] = (uint32_t)val;
    env->regs[R_EDX] = val >> 32;
    answered(env);
}

/* What is part of the guest's state is its own. */
static bool keeps_msr(CPUX86State *env, bool write, uintptr_t ra)
{
    switch ((uint32_t)env->regs[R_ECX]) {
    case MSR_SEV_STATUS:
        if (write) {
            raise_exception_ra(env, EXCP0D_GPF, ra);
        }
        answer_msr(env, SEV_STATUS_ENABLED, ra);
    case MSR_EFER:
        if (!write) {
            answer_msr(env, env->efer & ~MSR_EFER_SVME, ra);
        }
        return false;
    case MSR_STAR:
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_FMASK:
    case MSR_FSBASE:
    case MSR_GSBASE:
    case MSR_KERNELGSBASE:
    case MSR_TSC_AUX:
    case MSR_PAT:
    case MSR_IA32_SYSENTER_CS:
    case MSR_IA32_SYSENTER_ESP:
    case MSR_IA32_SYSENTER_EIP:
        return true;
    default:
        return false;
    }
}

/* The components of XCR0 that there are (AMD APM vol. 3, CPUID 0x0d) */
static uint64_t xcr0_components(CPUX86State *env)
{
    uint32_t low, high, unused;

    cpu_x86_cpuid(env, 0x0d, 0, &low, &unused, &unused, &high);
    return deposit64(low, 32, 32, high);
}

/* As XSETBV checks it; what it would refuse L1 does not get to see. */
static bool keeps_xcr0(CPUX86State *env)
{
    uint64_t val = deposit64(env->regs[R_EAX], 32, 32, env->regs[R_EDX]);
    uint64_t all = xcr0_components(env);

    return env->hflags & HF_CPL_MASK || !(env->cr[4] & CR4_OSXSAVE_MASK) ||
           (uint32_t)env->regs[R_ECX] || !(val & XSTATE_FP_MASK) ||
           val & ~all ||
           (val & (XSTATE_SSE_MASK | XSTATE_YMM_MASK)) == XSTATE_YMM_MASK ||
           !(val & XSTATE_BNDREGS_MASK) != !(val & XSTATE_BNDCSR_MASK);
}

bool shadow_tcg_private_keeps(CPUX86State *env, uint32_t type, uint64_t param,
                              uintptr_t ra)
{
    ShadowVcpu *v = shadow_tcg_inside(env);

    if (!v) {
        return shadow_tcg_locks(env, type, param, ra);
    }
    switch (type) {
    case SVM_EXIT_VINTR:
        shadow_tcg_inject_waiting(env, v);
        /* fall through */
    case SVM_EXIT_INTR:
    case SVM_EXIT_NMI:
    case SVM_EXIT_SMI:
    case SVM_EXIT_INIT:
        /* whether L1 has intercepted it or not: no vector of its choice */
        cpu_vmexit(env, type, param, ra);
    case SVM_EXIT_VMRUN:
    case SVM_EXIT_VMLOAD:
    case SVM_EXIT_VMSAVE:
    case SVM_EXIT_STGI:
    case SVM_EXIT_CLGI:
    case SVM_EXIT_SKINIT:
    case SVM_EXIT_INVLPGA:
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    case SVM_EXIT_CPUID:
        keeps_cpuid(env, ra);
        return false;
    case SVM_EXIT_XSETBV:
        return keeps_xcr0(env);
    case SVM_EXIT_MSR:
        return keeps_msr(env, param, ra);
    default:
        return !shadow_vcpu_is_told(type);
    }
}

/* Nothing of L1's business either: what the guest raises */
bool shadow_tcg_keeps_event(CPUX86State *env)
{
    return shadow_tcg_inside(env);
}
