/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual CPU of a nested guest whose registers stay in this QEMU: what its
 * hypervisor gets to see of them at an exit, and what it may change.
 */
#ifndef TARGET_I386_SHADOW_VCPU_H
#define TARGET_I386_SHADOW_VCPU_H

#include "qemu/bitmap.h"
#include "cpu.h"
#include "shadow/hw/core/shadow-private.h"
#include "shadow/target/i386/shadow-insn.h"

/* Of what VMRUN and #VMEXIT do not swap, all that TCG emulates */
#define SHADOW_OWN_FIELDS(F) \
    F(fpstt) F(fpus) F(fpuc) F(fptags) F(fpregs) F(fpop) F(fpcs) F(fpds) \
    F(fpip) F(fpdp) F(mxcsr) F(xmm_regs) F(opmask_regs) F(ldt) F(tr) \
    F(sysenter_cs) F(sysenter_esp) F(sysenter_eip) F(star) F(lstar) F(cstar) \
    F(fmask) F(kernelgsbase) F(tsc_aux) F(xcr0) F(pkru) F(pkrs) F(pat) \
    F(bnd_regs) F(bndcs_regs) F(msr_bndcfgs) F(spec_ctrl) F(virt_ssbd)

typedef struct ShadowOwnRegs {
#define SHADOW_OWN_FIELD(name) typeof(((CPUX86State *)0)->name) name;
    SHADOW_OWN_FIELDS(SHADOW_OWN_FIELD)
#undef SHADOW_OWN_FIELD
    SegmentCache fs, gs;
    target_ulong dr[4];
} ShadowOwnRegs;

/* What reads as ones in them, if nothing is on */
#define SHADOW_DR6_FIXED 0xffff0ff0
#define SHADOW_DR7_FIXED 0x400

typedef struct ShadowRegs {
    target_ulong regs[CPU_NB_REGS];
    target_ulong eip;
    uint32_t eflags;
    bool interrupt_shadow;
    SegmentCache segs[4];       /* ES, CS, SS, DS */
    SegmentCache gdt, idt;
    target_ulong cr[5];
    uint64_t efer;
    target_ulong dr6, dr7;
} ShadowRegs;

/* What the hypervisor may do about an exit */
typedef enum ShadowExitKind {
    SHADOW_EXIT_WAIT,           /* have it go on */
    SHADOW_EXIT_SKIP,           /* or skip the instruction */
    SHADOW_EXIT_CPUID,          /* or complete it */
    SHADOW_EXIT_RDMSR,
    SHADOW_EXIT_WRMSR,
    SHADOW_EXIT_RDPMC,
    SHADOW_EXIT_XSETBV,
    SHADOW_EXIT_IN,
    SHADOW_EXIT_OUT,
    SHADOW_EXIT_HYPERCALL,
    SHADOW_EXIT_WRITE_CR,
    SHADOW_EXIT_LOAD,
    SHADOW_EXIT_STORE,
} ShadowExitKind;

#define SHADOW_VECTORS 256

struct ShadowVcpu {
    ShadowPrivate *p;
    uint8_t place;              /* where its hypervisor sees it; no other has it */
    uint64_t vmcb;
    uint32_t apic_id;           /* that the guest has started it by */
    bool running;               /* atomic: on a CPU */
    bool fresh;                 /* and has not been entered yet */
    ShadowRegs guest;           /* while it does not run */
    ShadowOwnRegs own;          /* the same */
    ShadowOwnRegs host;         /* while it runs, what the hypervisor had */
    uint64_t exit_code, exit_info_1;
    uint8_t bytes[SHADOW_INSN_MAX], n_bytes;    /* of the instruction */
    uint64_t fault;             /* guest-physical, of a nested page fault */
    uint32_t icr2;              /* what the guest has last written there */
    ShadowExitKind kind;
    ShadowInsn insn;            /* that exited, unless kind is WAIT */
    ShadowMove move;            /* of LOAD and STORE */
    unsigned cr;                /* of WRITE_CR */
    uint64_t val;               /* of WRITE_CR */
    uint64_t rip, next_rip;     /* that the hypervisor sees; or 0 */
    DECLARE_BITMAP(interrupts, SHADOW_VECTORS);     /* that wait */
    bool nmi_waits;
    bool nmi_masked;            /* while it does not run */
    bool host_nmi_masked;       /* while it runs, what the hypervisor had */
    uint64_t exits;
};

/* Take the guest's registers from @env, or put them there. */
void shadow_vcpu_save(CPUX86State *env, ShadowVcpu *v);
void shadow_vcpu_load(CPUX86State *env, ShadowVcpu *v);

/* What VMRUN and #VMEXIT do not swap, for the hypervisor */
void shadow_vcpu_save_own(CPUX86State *env, ShadowOwnRegs *own);
void shadow_vcpu_load_own(CPUX86State *env, const ShadowOwnRegs *own);

/* Whether the hypervisor hears of what it intercepts, shadow-vcpu-view.c */
bool shadow_vcpu_is_told(uint64_t code);

/*
 * After shadow_vcpu_save(), for the exit in @v->exit_code: the registers that
 * the hypervisor gets to see instead.  @bytes are the instruction's, @len of
 * them were there.
 */
void shadow_vcpu_show(ShadowVcpu *v, const uint8_t *bytes, size_t len,
                      ShadowRegs *view);
void shadow_vcpu_load_view(CPUX86State *env, const ShadowRegs *view);

/* Whether the hypervisor, that enters at @rip, goes on with it. */
bool shadow_vcpu_is_at(const ShadowVcpu *v, uint64_t rip);

/*
 * The hypervisor has had @rip and the general registers @regs when it entered
 * the guest again: apply to @v->guest what it may change.  Returns false, with
 * nothing changed, if it may not.
 */
bool shadow_vcpu_merge(ShadowVcpu *v, uint64_t rip, const target_ulong *regs);

/*
 * Whether it may inject this, as event_inj of a VMCB has it; to be asked before
 * shadow_vcpu_merge().  @completed: that will complete an instruction.
 */
bool shadow_vcpu_may_inject(const ShadowVcpu *v, uint32_t event,
                            bool completed);

/* As after INIT; @env's is the processor's signature. */
void shadow_vcpu_reset(CPUX86State *env, ShadowVcpu *v);

/* The mode in which the saved guest's instructions are */
ShadowInsnMode shadow_vcpu_mode(const ShadowVcpu *v);

/*
 * An instruction for a hypervisor that does @move at @rdi: of @len bytes, which
 * are returned; 0 if there is none.
 */
size_t shadow_vcpu_canonical_move(const ShadowMove *move, ShadowInsnMode mode,
                                  uint8_t bytes[SHADOW_INSN_MAX]);

#endif /* TARGET_I386_SHADOW_VCPU_H */
