/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual CPUs of a private guest, to another host.
 *
 * Each has left the guest: what its hypervisor is shown, and may answer,
 * follows anew from the registers and the instruction of the exit.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "migration/cpu.h"
#include "migration/vmstate.h"
#include "shadow/migration/shadow-secret.h"
#include "shadow/target/i386/shadow-tcg-private.h"
#include "shadow/target/i386/shadow-vcpu-starts.h"
#include "shadow/target/i386/shadow-vcpu-state.h"

#define STATE_XMM_REGS ARRAY_SIZE(((ShadowOwnRegs *)0)->xmm_regs)
#define VMSTATE_REG VMSTATE_UINTTL

static const VMStateDescription vmstate_segment = {
    .name = "shadow-vcpu/segment",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(selector, SegmentCache),
        VMSTATE_REG(base, SegmentCache),
        VMSTATE_UINT32(limit, SegmentCache),
        VMSTATE_UINT32(flags, SegmentCache),
        VMSTATE_END_OF_LIST()
    }
};
#define VMSTATE_SEGMENT(field, state) \
    VMSTATE_STRUCT(field, state, 1, vmstate_segment, SegmentCache)

static const VMStateDescription vmstate_fpreg = {
    .name = "shadow-vcpu/fpreg",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(d.low, FPReg),
        VMSTATE_UINT16(d.high, FPReg),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_zmm = {
    .name = "shadow-vcpu/zmm",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(ZMM_Q(0), ZMMReg),
        VMSTATE_UINT64(ZMM_Q(1), ZMMReg),
        VMSTATE_UINT64(ZMM_Q(2), ZMMReg),
        VMSTATE_UINT64(ZMM_Q(3), ZMMReg),
        VMSTATE_UINT64(ZMM_Q(4), ZMMReg),
        VMSTATE_UINT64(ZMM_Q(5), ZMMReg),
        VMSTATE_UINT64(ZMM_Q(6), ZMMReg),
        VMSTATE_UINT64(ZMM_Q(7), ZMMReg),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_bound = {
    .name = "shadow-vcpu/bound",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(lb, BNDReg),
        VMSTATE_UINT64(ub, BNDReg),
        VMSTATE_END_OF_LIST()
    }
};

/* A field for each of SHADOW_OWN_FIELDS, and what follows them */
static const VMStateDescription vmstate_own = {
    .name = "shadow-vcpu/own",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(fpstt, ShadowOwnRegs),
        VMSTATE_UINT16(fpus, ShadowOwnRegs),
        VMSTATE_UINT16(fpuc, ShadowOwnRegs),
        VMSTATE_UINT8_ARRAY(fptags, ShadowOwnRegs, 8),
        VMSTATE_STRUCT_ARRAY(fpregs, ShadowOwnRegs, 8, 1, vmstate_fpreg,
                             FPReg),
        VMSTATE_UINT16(fpop, ShadowOwnRegs),
        VMSTATE_UINT16(fpcs, ShadowOwnRegs),
        VMSTATE_UINT16(fpds, ShadowOwnRegs),
        VMSTATE_UINT64(fpip, ShadowOwnRegs),
        VMSTATE_UINT64(fpdp, ShadowOwnRegs),
        VMSTATE_UINT32(mxcsr, ShadowOwnRegs),
        VMSTATE_STRUCT_ARRAY(xmm_regs, ShadowOwnRegs, STATE_XMM_REGS, 1,
                             vmstate_zmm, ZMMReg),
        VMSTATE_UINT64_ARRAY(opmask_regs, ShadowOwnRegs, NB_OPMASK_REGS),
        VMSTATE_SEGMENT(ldt, ShadowOwnRegs),
        VMSTATE_SEGMENT(tr, ShadowOwnRegs),
        VMSTATE_UINT32(sysenter_cs, ShadowOwnRegs),
        VMSTATE_REG(sysenter_esp, ShadowOwnRegs),
        VMSTATE_REG(sysenter_eip, ShadowOwnRegs),
        VMSTATE_UINT64(star, ShadowOwnRegs),
        VMSTATE_REG(lstar, ShadowOwnRegs),
        VMSTATE_REG(cstar, ShadowOwnRegs),
        VMSTATE_REG(fmask, ShadowOwnRegs),
        VMSTATE_REG(kernelgsbase, ShadowOwnRegs),
        VMSTATE_UINT64(tsc_aux, ShadowOwnRegs),
        VMSTATE_UINT64(xcr0, ShadowOwnRegs),
        VMSTATE_UINT32(pkru, ShadowOwnRegs),
        VMSTATE_UINT32(pkrs, ShadowOwnRegs),
        VMSTATE_UINT64(pat, ShadowOwnRegs),
        VMSTATE_STRUCT_ARRAY(bnd_regs, ShadowOwnRegs, 4, 1, vmstate_bound,
                             BNDReg),
        VMSTATE_UINT64(bndcs_regs.cfgu, ShadowOwnRegs),
        VMSTATE_UINT64(bndcs_regs.sts, ShadowOwnRegs),
        VMSTATE_UINT64(msr_bndcfgs, ShadowOwnRegs),
        VMSTATE_UINT64(spec_ctrl, ShadowOwnRegs),
        VMSTATE_UINT64(virt_ssbd, ShadowOwnRegs),
        VMSTATE_SEGMENT(fs, ShadowOwnRegs),
        VMSTATE_SEGMENT(gs, ShadowOwnRegs),
        VMSTATE_UINTTL_ARRAY(dr, ShadowOwnRegs, 4),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_regs = {
    .name = "shadow-vcpu/regs",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINTTL_ARRAY(regs, ShadowRegs, CPU_NB_REGS),
        VMSTATE_REG(eip, ShadowRegs),
        VMSTATE_UINT32(eflags, ShadowRegs),
        VMSTATE_BOOL(interrupt_shadow, ShadowRegs),
        VMSTATE_STRUCT_ARRAY(segs, ShadowRegs, 4, 1, vmstate_segment,
                             SegmentCache),
        VMSTATE_SEGMENT(gdt, ShadowRegs),
        VMSTATE_SEGMENT(idt, ShadowRegs),
        VMSTATE_UINTTL_ARRAY(cr, ShadowRegs, 5),
        VMSTATE_UINT64(efer, ShadowRegs),
        VMSTATE_REG(dr6, ShadowRegs),
        VMSTATE_REG(dr7, ShadowRegs),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_vcpu = {
    .name = "shadow-vcpu",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8(place, ShadowVcpu),
        VMSTATE_STRUCT(guest, ShadowVcpu, 1, vmstate_regs, ShadowRegs),
        VMSTATE_STRUCT(own, ShadowVcpu, 1, vmstate_own, ShadowOwnRegs),
        VMSTATE_UINT64(exit_code, ShadowVcpu),
        VMSTATE_UINT64(exit_info_1, ShadowVcpu),
        VMSTATE_UINT64(fault, ShadowVcpu),
        VMSTATE_UINT64(exits, ShadowVcpu),
        VMSTATE_UINT32(icr2, ShadowVcpu),
        VMSTATE_BUFFER_UNSAFE(interrupts, ShadowVcpu, 1, SHADOW_VECTORS / 8),
        VMSTATE_BOOL(nmi_waits, ShadowVcpu),
        VMSTATE_BOOL(nmi_masked, ShadowVcpu),
        VMSTATE_UINT8_ARRAY(bytes, ShadowVcpu, SHADOW_INSN_MAX),
        VMSTATE_UINT8(n_bytes, ShadowVcpu),
        VMSTATE_END_OF_LIST()
    }
};

/* A virtual CPU that the guest has asked for; @vcpu is one more, 0: none */
typedef struct StateStart {
    uint32_t apic_id, vcpu;
    uint8_t vector;
    bool waits;
} StateStart;

static const VMStateDescription vmstate_start = {
    .name = "shadow-vcpu/start",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(apic_id, StateStart),
        VMSTATE_UINT32(vcpu, StateStart),
        VMSTATE_UINT8(vector, StateStart),
        VMSTATE_BOOL(waits, StateStart),
        VMSTATE_END_OF_LIST()
    }
};

typedef struct StateVcpus {
    ShadowPrivate *parent;
    uint8_t n, n_starts;
    ShadowVcpu vcpu[SHADOW_PRIVATE_CPUS];
    StateStart start[SHADOW_PRIVATE_CPUS];
} StateVcpus;

/* One that was not entered yet is not there: the guest waits for it. */
static unsigned state_add_vcpu(StateVcpus *s, const ShadowVcpu *v)
{
    if (!v || v->fresh) {
        return 0;
    }
    s->vcpu[s->n] = *v;
    bitmap_to_le(s->vcpu[s->n].interrupts, v->interrupts, SHADOW_VECTORS);
    return ++s->n;
}

static bool state_is_started(const ShadowPrivate *p, const ShadowVcpu *v)
{
    for (unsigned i = 0; i < p->n_starts; i++) {
        if (p->start[i].vcpu == v) {
            return true;
        }
    }
    return false;
}

static int state_pre_save(void *opaque)
{
    StateVcpus *s = opaque;
    ShadowPrivate *p = s->parent;

    s->n = s->n_starts = 0;
    for (unsigned i = 0; i < p->n_vcpus; i++) {
        if (!state_is_started(p, p->vcpu[i]) &&
            !shadow_vcpu_is_over(p->vcpu[i])) {
            state_add_vcpu(s, p->vcpu[i]);
        }
    }
    for (unsigned i = 0; i < p->n_starts; i++) {
        const ShadowPrivateStart *start = &p->start[i];

        s->start[s->n_starts++] = (StateStart) {
            .apic_id = start->apic_id,
            .vcpu = state_add_vcpu(s, start->vcpu),
            .vector = start->vector,
            .waits = start->waits || (start->vcpu && start->vcpu->fresh),
        };
    }
    return 0;
}

static bool state_numbers_valid(void *opaque, int version_id)
{
    StateVcpus *s = opaque;

    return s->n <= SHADOW_PRIVATE_CPUS && s->n_starts <= SHADOW_PRIVATE_CPUS;
}

/* Each start is of another CPU. */
static bool state_starts_valid(const StateVcpus *s)
{
    for (unsigned i = 0; i < s->n_starts; i++) {
        const StateStart *start = &s->start[i];

        if (start->vcpu > s->n || (start->vcpu && start->waits)) {
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            if (start->apic_id == s->start[j].apic_id ||
                (start->vcpu && start->vcpu == s->start[j].vcpu)) {
                return false;
            }
        }
    }
    return true;
}

static int state_take(const StateVcpus *s)
{
    ShadowPrivate *p = s->parent;

    if (!state_starts_valid(s)) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < s->n; i++) {
        if (s->vcpu[i].n_bytes > SHADOW_INSN_MAX ||
            !shadow_vcpu_arrive(p, &s->vcpu[i])) {
            return -EINVAL;
        }
    }
    for (unsigned i = 0; i < s->n_starts; i++) {
        const StateStart *start = &s->start[i];

        p->start[p->n_starts++] = (ShadowPrivateStart) {
            .apic_id = start->apic_id,
            .vector = start->vector,
            .waits = start->waits,
            .vcpu = start->vcpu ? p->vcpu[start->vcpu - 1] : NULL,
        };
        if (start->vcpu) {
            p->vcpu[start->vcpu - 1]->apic_id = start->apic_id;
        }
    }
    return 0;
}

static int state_wipe(void *opaque)
{
    StateVcpus *s = opaque;

    shadow_wipe(s->vcpu, sizeof(s->vcpu));
    return 0;
}

static int state_post_load(void *opaque, int version_id)
{
    int ret = state_take(opaque);

    state_wipe(opaque);
    return ret;
}

static const VMStateDescription vmstate_tmp = {
    .name = "shadow-vcpus/all",
    .pre_save = state_pre_save,
    .post_save = state_wipe,
    .post_load = state_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8(n, StateVcpus),
        VMSTATE_UINT8(n_starts, StateVcpus),
        VMSTATE_VALIDATE("numbers of virtual CPUs", state_numbers_valid),
        VMSTATE_STRUCT_VARRAY_UINT8(vcpu, StateVcpus, n, 0, vmstate_vcpu,
                                    ShadowVcpu),
        VMSTATE_STRUCT_VARRAY_UINT8(start, StateVcpus, n_starts, 0,
                                    vmstate_start, StateStart),
        VMSTATE_END_OF_LIST()
    }
};

/* Of a ShadowPrivate that nobody runs, or that has no virtual CPU yet */
static const VMStateDescription vmstate_vcpus = {
    .name = "shadow-vcpus",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_WITH_TMP(ShadowPrivate, StateVcpus, vmstate_tmp),
        VMSTATE_END_OF_LIST()
    }
};

const ShadowVcpuOps shadow_vcpu_ops = {
    .can_run = shadow_tcg_has_assists,
    .freeze = shadow_vcpu_freeze,
    .exits = shadow_vcpu_exits,
    .forget_code = shadow_tcg_forget_code,
    .await_lock = shadow_tcg_await_lock,
    .state = &vmstate_vcpus,
};
