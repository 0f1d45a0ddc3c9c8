/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which virtual CPUs a private guest has.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "shadow/target/i386/shadow-tcg-private.h"
#include "shadow/target/i386/shadow-vcpu-starts.h"

/* Of a virtual CPU that is over: no page begins there. */
#define VMCB_NONE 1

/* Of one that waits to be entered for the first time on this host */
#define VMCB_WAITS 2

ShadowVcpu *shadow_vcpu_find(ShadowPrivate *p, uint64_t vmcb)
{
    unsigned n = qatomic_load_acquire(&p->n_vcpus);

    for (unsigned i = 0; i < n; i++) {
        if (qatomic_read(&p->vcpu[i]->vmcb) == vmcb) {
            return p->vcpu[i];
        }
    }
    return NULL;
}

static void free_vcpu(ShadowVcpu *v)
{
    memset(v, 0, sizeof(*v));
    g_free(v);
}

/* One that is over and has been left, to be used again */
static ShadowVcpu *spare_vcpu(ShadowPrivate *p)
{
    for (unsigned i = 0; i < p->n_vcpus; i++) {
        if (p->vcpu[i]->vmcb == VMCB_NONE &&
            !qatomic_cmpxchg(&p->vcpu[i]->running, false, true)) {
            return p->vcpu[i];
        }
    }
    return NULL;
}

/* L1 may keep one inside that is over: it goes on for as long. */
static bool still_runs(const ShadowPrivate *p, uint32_t apic_id)
{
    for (unsigned i = 0; i < p->n_vcpus; i++) {
        const ShadowVcpu *v = p->vcpu[i];

        if (v->vmcb == VMCB_NONE && v->apic_id == apic_id &&
            qatomic_read(&v->running)) {
            return true;
        }
    }
    return false;
}

static bool place_is_taken(const ShadowPrivate *p, unsigned place)
{
    for (unsigned i = 0; i < p->n_vcpus; i++) {
        if (p->vcpu[i]->place == place) {
            return true;
        }
    }
    return false;
}

/* One more, which is published by the caller; NULL if there are too many. */
static ShadowVcpu *more_vcpu(ShadowPrivate *p)
{
    ShadowVcpu *v;

    if (p->n_vcpus == SHADOW_PRIVATE_CPUS) {
        return NULL;
    }
    v = g_new0(ShadowVcpu, 1);
    v->p = p;
    while (place_is_taken(p, v->place)) {
        v->place++;
    }
    p->free_vcpu = free_vcpu;
    return v;
}

static void publish_vcpu(ShadowPrivate *p, ShadowVcpu *v)
{
    p->vcpu[p->n_vcpus] = v;
    qatomic_store_release(&p->n_vcpus, p->n_vcpus + 1);
}

/* It runs on this CPU.  NULL if there are too many. */
static ShadowVcpu *new_vcpu(CPUX86State *env, ShadowPrivate *p)
{
    ShadowVcpu *v = spare_vcpu(p);

    if (v) {
        shadow_vcpu_reset(env, v);
        qatomic_set(&v->vmcb, env->vm_vmcb);
        return v;
    }
    v = more_vcpu(p);
    if (v) {
        v->vmcb = env->vm_vmcb;
        v->running = true;
        shadow_vcpu_reset(env, v);
        publish_vcpu(p, v);
    }
    return v;
}

static ShadowVcpu *arrived_vcpu(CPUX86State *env, ShadowPrivate *p,
                                uint64_t rip)
{
    for (unsigned i = 0; i < p->n_vcpus; i++) {
        ShadowVcpu *v = p->vcpu[i];

        if (v->vmcb == VMCB_WAITS && shadow_vcpu_is_at(v, rip)) {
            qatomic_set(&v->running, true);
            qatomic_set(&v->vmcb, env->vm_vmcb);
            return v;
        }
    }
    return NULL;
}

ShadowVcpu *shadow_vcpu_start(CPUX86State *env, ShadowPrivate *p, uint64_t rip)
{
    ShadowVcpu *v;

    QEMU_LOCK_GUARD(&p->lock);
    if (p->frozen) {
        return NULL;
    }
    v = arrived_vcpu(env, p, rip);
    for (unsigned i = 0; i < p->n_starts && !v; i++) {
        ShadowPrivateStart *start = &p->start[i];

        v = start->waits && !still_runs(p, start->apic_id) ? new_vcpu(env, p)
                                                           : NULL;
        if (v) {
            v->apic_id = start->apic_id;
            start->waits = false;
            start->vcpu = v;
            v->guest.segs[R_CS].selector = start->vector << 8;
            v->guest.segs[R_CS].base = start->vector << 12;
            v->fresh = true;
        }
    }
    return v;
}

static void segment(SegmentCache *sc, unsigned selector, uint32_t flags)
{
    *sc = (SegmentCache) {
        .selector = selector, .base = 0, .limit = 0xffffffff,
        .flags = flags | DESC_G_MASK | DESC_P_MASK | DESC_S_MASK | DESC_A_MASK,
    };
}

/* As Linux's 64-bit boot protocol has it */
static void first_state(ShadowVcpu *v, const ShadowStart *start)
{
    ShadowRegs *r = &v->guest;

    r->eip = start->rip;
    r->regs[R_EDX] = 0;
    r->regs[R_ESI] = start->rsi;
    r->regs[R_ESP] = start->rsp;
    for (int i = 0; i < ARRAY_SIZE(r->segs); i++) {
        segment(&r->segs[i], 0x18, DESC_W_MASK | DESC_B_MASK);
    }
    segment(&r->segs[R_CS], 0x10, DESC_CS_MASK | DESC_R_MASK | DESC_L_MASK);
    r->cr[0] = CR0_PE_MASK | CR0_PG_MASK | CR0_ET_MASK;
    r->cr[3] = start->cr3;
    r->cr[4] = CR4_PAE_MASK;
    r->efer = MSR_EFER_LME | MSR_EFER_LMA | MSR_EFER_SVME;
    v->own.gs = v->own.fs = r->segs[R_DS];
}

ShadowVcpu *shadow_vcpu_first(CPUX86State *env, ShadowPrivate *p,
                              const ShadowStart *start)
{
    ShadowVcpu *v;

    QEMU_LOCK_GUARD(&p->lock);
    v = new_vcpu(env, p);
    first_state(v, start);
    return v;
}

/* What L1 has of it, as of others in the guest, it has had until now. */
ShadowVcpu *shadow_vcpu_locked(CPUX86State *env, ShadowPrivate *p)
{
    ShadowVcpu *v;

    QEMU_LOCK_GUARD(&p->lock);
    v = new_vcpu(env, p);
    shadow_vcpu_save(env, v);
    v->nmi_masked = env->hflags2 & HF2_NMI_MASK;
    return v;
}

/*
 * Who enters sets @running first and then looks at @frozen.  Here it is the
 * other way round, each with a full barrier between the two: one of them sees
 * the other.
 */
bool shadow_vcpu_freeze(ShadowPrivate *p)
{
    QEMU_LOCK_GUARD(&p->lock);
    qatomic_xchg(&p->frozen, true);
    for (unsigned i = 0; i < p->n_vcpus; i++) {
        if (qatomic_read(&p->vcpu[i]->running)) {
            qatomic_set(&p->frozen, false);
            return false;
        }
    }
    return true;
}

uint64_t shadow_vcpu_exits(ShadowPrivate *p, bool *runs)
{
    unsigned n = qatomic_load_acquire(&p->n_vcpus);
    uint64_t exits = 0;

    *runs = false;
    for (unsigned i = 0; i < n; i++) {
        /* it is left after it has been counted */
        *runs |= qatomic_load_acquire(&p->vcpu[i]->running);
        exits += qatomic_read(&p->vcpu[i]->exits);
    }
    return exits;
}

bool shadow_vcpu_is_over(const ShadowVcpu *v)
{
    return v->vmcb == VMCB_NONE;
}

bool shadow_vcpu_arrive(ShadowPrivate *p, const ShadowVcpu *from)
{
    ShadowRegs view;
    ShadowVcpu *v;

    if (from->place >= SHADOW_PRIVATE_CPUS || place_is_taken(p, from->place)) {
        return false;
    }
    v = more_vcpu(p);
    if (!v) {
        return false;
    }
    v->place = from->place;
    v->vmcb = VMCB_WAITS;
    v->guest = from->guest;
    v->own = from->own;
    v->exit_code = from->exit_code;
    v->exit_info_1 = from->exit_info_1;
    v->fault = from->fault;
    v->icr2 = from->icr2;
    bitmap_from_le(v->interrupts, from->interrupts, SHADOW_VECTORS);
    v->nmi_waits = from->nmi_waits;
    v->nmi_masked = from->nmi_masked;
    v->exits = from->exits - 1;
    shadow_vcpu_show(v, from->bytes, from->n_bytes, &view);
    publish_vcpu(p, v);
    qatomic_set(&shadow_private_used, true);
    return true;
}

/* What the guest has asked of other CPUs' local APICs (AMD APM vol. 2, 16.5) */

#define ICR_MODE(val) ((val) >> 8 & 7)
#define ICR_INIT 5
#define ICR_STARTUP 6
#define ICR_SHORTHAND (3 << 18)

static ShadowPrivateStart *find_start(ShadowPrivate *p, uint32_t apic_id)
{
    for (unsigned i = 0; i < p->n_starts; i++) {
        if (p->start[i].apic_id == apic_id) {
            return &p->start[i];
        }
    }
    if (p->n_starts == SHADOW_PRIVATE_CPUS) {
        return NULL;
    }
    p->start[p->n_starts] = (ShadowPrivateStart) { .apic_id = apic_id };
    return &p->start[p->n_starts++];
}

/* Those that have that ID; all machines begin with 0. */
static void end_vcpus(ShadowPrivate *p, uint32_t apic_id)
{
    for (unsigned i = 0; i < p->n_vcpus; i++) {
        if (p->vcpu[i]->apic_id == apic_id) {
            qatomic_set(&p->vcpu[i]->vmcb, VMCB_NONE);
        }
    }
}

/* A CPU that is started anew is another one. */
static void note_icr(ShadowPrivate *p, uint32_t apic_id, uint32_t val)
{
    ShadowPrivateStart *start;

    if (val & ICR_SHORTHAND || (ICR_MODE(val) != ICR_INIT &&
                                ICR_MODE(val) != ICR_STARTUP)) {
        return;
    }
    QEMU_LOCK_GUARD(&p->lock);
    start = find_start(p, apic_id);
    if (!start) {
        return;
    }
    if (ICR_MODE(val) == ICR_INIT) {
        end_vcpus(p, apic_id);
        start->vcpu = NULL;
        start->waits = false;
    } else if (!start->vcpu) {
        start->vector = val;
        start->waits = true;
    }
}

#define MSR_X2APIC_ICR 0x830
#define APIC_PAGE 0xfee00000
#define APIC_ICR 0x300
#define APIC_ICR2 0x310

void shadow_vcpu_note_starts(ShadowVcpu *v)
{
    if (v->kind == SHADOW_EXIT_WRMSR &&
        (uint32_t)v->guest.regs[R_ECX] == MSR_X2APIC_ICR) {
        note_icr(v->p, v->guest.regs[R_EDX], v->guest.regs[R_EAX]);
    } else if (v->kind == SHADOW_EXIT_STORE && v->move.size == 4) {
        uint32_t val = shadow_move_stored(&v->move,
                                          v->guest.regs[v->move.reg]);

        if (v->fault == APIC_PAGE + APIC_ICR2) {
            v->icr2 = val;
        } else if (v->fault == APIC_PAGE + APIC_ICR) {
            note_icr(v->p, v->icr2 >> 24, val);
        }
    }
}
