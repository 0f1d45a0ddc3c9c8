/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events for private virtual CPUs, in the order in which a processor delivers
 * them (AMD APM vol. 2, 8.5): a single step comes before an interrupt, and no
 * NMI before the return from the last one.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "shadow/target/i386/shadow-tcg-inject.h"

void shadow_tcg_trap_step(CPUX86State *env)
{
    if (env->eflags & TF_MASK) {
        env->dr[6] |= DR6_BS;
        do_interrupt_all(env_archcpu(env), EXCP01_DB, 0, 0, env->eip, 0);
    }
}

static G_NORETURN void raise_event(CPUX86State *env, unsigned vector)
{
    CPUState *cs = env_cpu(env);

    cs->exception_index = vector;
    env->error_code = 0;
    env->exception_is_int = 0;
    env->exception_next_eip = env->eip;
    cpu_loop_exit(cs);
}

/* It is ours from now on: at an exit L1 is not told to inject it again. */
static void take_over(CPUX86State *env, uint32_t event)
{
    x86_stl_phys(env_cpu(env), env->vm_vmcb + offsetof(struct vmcb,
                                                       control.event_inj),
                 event & ~SVM_EVTINJ_VALID);
}

static void interrupt(CPUX86State *env, ShadowVcpu *v, uint32_t event,
                      bool waits)
{
    unsigned vector = event & SVM_EVTINJ_VEC_MASK;

    if (!waits && bitmap_empty(v->interrupts, SHADOW_VECTORS)) {
        do_interrupt_x86_hardirq(env, vector, 1);
        return;
    }
    set_bit(vector, v->interrupts);
    take_over(env, event);
}

/*
 * As long as an interrupt waits there is a virtual one to QEMU, which is
 * delivered once the guest lets it: shadow_tcg_private_keeps() sees it then.
 */
static void await_interrupts(CPUX86State *env, ShadowVcpu *v)
{
    if (!bitmap_empty(v->interrupts, SHADOW_VECTORS)) {
        /* other threads set other bits there */
        BQL_LOCK_GUARD();
        cpu_interrupt(env_cpu(env), CPU_INTERRUPT_VIRQ);
    }
}

void shadow_tcg_inject(CPUX86State *env, ShadowVcpu *v, uint32_t event,
                       bool completed)
{
    bool step = completed && env->eflags & TF_MASK;
    uint32_t type = event & SVM_EVTINJ_VALID ? event & SVM_EVTINJ_TYPE_MASK
                                             : -1;

    if (type == SVM_EVTINJ_TYPE_INTR) {
        interrupt(env, v, event, step);
    } else if (type == SVM_EVTINJ_TYPE_NMI) {
        v->nmi_waits = true;
        take_over(env, event);
    }
    await_interrupts(env, v);
    if (step) {
        shadow_tcg_trap_step(env);
    }
    if (type == SVM_EVTINJ_TYPE_EXEPT) {
        /* if it does not come to that, the instruction exits once more */
        take_over(env, event);
        raise_event(env, event & SVM_EVTINJ_VEC_MASK);
    }
    if (v->nmi_waits && !(env->hflags2 & HF2_NMI_MASK)) {
        v->nmi_waits = false;
        env->hflags2 |= HF2_NMI_MASK;
        raise_event(env, EXCP02_NMI);
    }
}

void shadow_tcg_inject_waiting(CPUX86State *env, ShadowVcpu *v)
{
    CPUState *cs = env_cpu(env);
    unsigned vector = find_last_bit(v->interrupts, SHADOW_VECTORS);

    if (vector == SHADOW_VECTORS) {
        return;
    }
    /* may leave to L1 instead, for a page that is to be imported */
    do_interrupt_x86_hardirq(env, vector, 1);
    clear_bit(vector, v->interrupts);
    if (bitmap_empty(v->interrupts, SHADOW_VECTORS) &&
        !(env->int_ctl & V_IRQ_MASK)) {
        cpu_reset_interrupt(cs, CPU_INTERRUPT_VIRQ);
    }
    cs->exception_index = -1;
    cpu_loop_exit(cs);
}

void shadow_tcg_undelivered(CPUX86State *env, ShadowVcpu *v)
{
    if (env_cpu(env)->exception_index == EXCP02_NMI) {
        v->nmi_waits = true;
        env->hflags2 &= ~HF2_NMI_MASK;
    }
}

static void set_nmi_mask(CPUX86State *env, bool masked)
{
    env->hflags2 = masked ? env->hflags2 | HF2_NMI_MASK
                          : env->hflags2 & ~HF2_NMI_MASK;
}

void shadow_tcg_nmi_enter(CPUX86State *env, ShadowVcpu *v)
{
    v->host_nmi_masked = env->hflags2 & HF2_NMI_MASK;
    set_nmi_mask(env, v->nmi_masked);
}

void shadow_tcg_nmi_leave(CPUX86State *env, ShadowVcpu *v)
{
    v->nmi_masked = env->hflags2 & HF2_NMI_MASK;
    set_nmi_mask(env, v->host_nmi_masked);
}
