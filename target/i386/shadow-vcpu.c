/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of a private virtual CPU: taken from a CPU, put there, and as
 * after INIT.
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "tcg/helper-tcg.h"
#include "shadow/target/i386/shadow-vcpu.h"

void shadow_vcpu_save_own(CPUX86State *env, ShadowOwnRegs *own)
{
    update_mxcsr_from_sse_status(env);
#define SAVE_FIELD(name) memcpy(&own->name, &env->name, sizeof(own->name));
    SHADOW_OWN_FIELDS(SAVE_FIELD)
#undef SAVE_FIELD
    own->fs = env->segs[R_FS];
    own->gs = env->segs[R_GS];
    memcpy(own->dr, env->dr, sizeof(own->dr));
}

static void load_segment(CPUX86State *env, X86Seg seg, const SegmentCache *sc)
{
    cpu_x86_load_seg_cache(env, seg, sc->selector, sc->base, sc->limit,
                           sc->flags);
}

/* No breakpoint is on meanwhile. */
void shadow_vcpu_load_own(CPUX86State *env, const ShadowOwnRegs *own)
{
    cpu_x86_update_dr7(env, SHADOW_DR7_FIXED);
#define LOAD_FIELD(name) memcpy(&env->name, &own->name, sizeof(own->name));
    SHADOW_OWN_FIELDS(LOAD_FIELD)
#undef LOAD_FIELD
    load_segment(env, R_FS, &own->fs);
    load_segment(env, R_GS, &own->gs);
    memcpy(env->dr, own->dr, sizeof(own->dr));
    cpu_set_fpuc(env, own->fpuc);
    cpu_set_mxcsr(env, own->mxcsr);
    cpu_sync_avx_hflag(env);
    cpu_sync_bndcs_hflags(env);
}

static void save_swapped(CPUX86State *env, ShadowRegs *r)
{
    memcpy(r->regs, env->regs, sizeof(r->regs));
    r->eip = env->eip;
    r->eflags = cpu_compute_eflags(env);
    r->interrupt_shadow = env->hflags & HF_INHIBIT_IRQ_MASK;
    memcpy(r->segs, env->segs, sizeof(r->segs));
    r->gdt = env->gdt;
    r->idt = env->idt;
    memcpy(r->cr, env->cr, sizeof(r->cr));
    r->efer = env->efer | MSR_EFER_SVME;
    r->dr6 = env->dr[6];
    r->dr7 = env->dr[7];
}

/*
 * As VMRUN does it, but for the TLB, which is the caller's.  Without long mode
 * for a moment, lest an update of CR0 turn it on or off.
 */
static void load_swapped(CPUX86State *env, const ShadowRegs *r)
{
    env->efer &= ~(MSR_EFER_LME | MSR_EFER_LMA);
    cpu_x86_update_cr0(env, r->cr[0]);
    cpu_x86_update_cr4(env, r->cr[4]);
    env->cr[3] = r->cr[3];
    env->cr[2] = r->cr[2];
    cpu_load_efer(env, r->efer);
    env->eflags = 0;
    cpu_load_eflags(env, r->eflags, ~(CC_O | CC_S | CC_Z | CC_A | CC_P | CC_C |
                                      DF_MASK));
    for (int i = 0; i < ARRAY_SIZE(r->segs); i++) {
        load_segment(env, i, &r->segs[i]);
    }
    env->gdt = r->gdt;
    env->idt = r->idt;
    memcpy(env->regs, r->regs, sizeof(r->regs));
    env->eip = r->eip;
    env->hflags = deposit32(env->hflags, HF_INHIBIT_IRQ_SHIFT, 1,
                            r->interrupt_shadow);
    cpu_x86_update_dr7(env, r->dr7);
    env->dr[6] = r->dr6;
}

void shadow_vcpu_save(CPUX86State *env, ShadowVcpu *v)
{
    save_swapped(env, &v->guest);
    shadow_vcpu_save_own(env, &v->own);
}

void shadow_vcpu_load(CPUX86State *env, ShadowVcpu *v)
{
    shadow_vcpu_load_own(env, &v->own);
    load_swapped(env, &v->guest);
    cpu_sync_avx_hflag(env);
    cpu_sync_bndcs_hflags(env);
}

/*
 * PKRU is not swapped: what L1 has then is the guest's to it.  It gets to see
 * what Linux begins with.  With anything else KVM would write its own after
 * each exit, and this before each entry, which empties the TLB each time.
 */
#define VIEW_PKRU 0x55555554

void shadow_vcpu_load_view(CPUX86State *env, const ShadowRegs *view)
{
    load_swapped(env, view);
    if (env->features[FEAT_7_0_ECX] & CPUID_7_0_ECX_PKU) {
        env->pkru = VIEW_PKRU;
    }
}

static void segment_init(SegmentCache *sc, uint32_t flags)
{
    *sc = (SegmentCache) {
        .limit = 0xffff, .flags = flags | DESC_P_MASK | DESC_A_MASK,
    };
}

/*
 * AMD APM vol. 2, 14.1.3; but without an interrupt table.  The one of real mode
 * is in memory that has come from the cloud VM: nothing that this injects may
 * lead there before the guest has a table of its own.
 */
void shadow_vcpu_reset(CPUX86State *env, ShadowVcpu *v)
{
    ShadowRegs *r = &v->guest;

    v->kind = SHADOW_EXIT_WAIT;
    v->rip = v->next_rip = 0;
    bitmap_zero(v->interrupts, SHADOW_VECTORS);
    v->nmi_waits = v->nmi_masked = false;
    v->apic_id = 0;             /* or of who has started it: the caller says */
    *r = (ShadowRegs) {
        .eflags = 2, .efer = MSR_EFER_SVME,
        .dr6 = SHADOW_DR6_FIXED, .dr7 = SHADOW_DR7_FIXED,
    };
    r->regs[R_EDX] = env->cpuid_version;
    r->cr[0] = CR0_ET_MASK | CR0_NW_MASK | CR0_CD_MASK;
    for (int i = 0; i < ARRAY_SIZE(r->segs); i++) {
        segment_init(&r->segs[i], DESC_S_MASK | DESC_W_MASK);
    }
    segment_init(&r->segs[R_CS], DESC_S_MASK | DESC_CS_MASK | DESC_R_MASK);
    r->gdt.limit = 0xffff;
    v->own = (ShadowOwnRegs) {
        .fpuc = 0x40, .mxcsr = 0x1f80, .xcr0 = XSTATE_FP_MASK,
        .pat = 0x0007040600070406ULL,
    };
    memset(v->own.fptags, 1, sizeof(v->own.fptags));
    segment_init(&v->own.fs, DESC_S_MASK | DESC_W_MASK);
    v->own.gs = v->own.fs;
    segment_init(&v->own.ldt, 2 << DESC_TYPE_SHIFT);
    segment_init(&v->own.tr, 11 << DESC_TYPE_SHIFT);
}

ShadowInsnMode shadow_vcpu_mode(const ShadowVcpu *v)
{
    uint32_t cs = v->guest.segs[R_CS].flags;

    return v->guest.efer & MSR_EFER_LMA && cs & DESC_L_MASK ? SHADOW_INSN_64 :
           cs & DESC_B_MASK ? SHADOW_INSN_32 : SHADOW_INSN_16;
}
