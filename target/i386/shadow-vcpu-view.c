/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hypervisor sees of a private virtual CPU, and what it may change.
 *
 * The idea is that of SEV-ES, where the guest itself says by a protocol what
 * an exit needs (AMD APM vol. 2, 15.35); here it follows from the instruction.
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "shadow/target/i386/shadow-cpuid.h"
#include "shadow/target/i386/shadow-vcpu.h"

/* The hypervisor sees a virtual CPU at one of two addresses, by turns. */
#define VIEW_RIP 0x1000
#define VIEW_RIP_VCPU 0x200
#define VIEW_RIP_TURN 0x100

/* Exception vectors (AMD APM vol. 2, 8.2) */
#define FIRST_INTERRUPT 32
#define SYSCALL_VECTOR 0x80     /* Linux's, from 32-bit programs */

#define EFER_GUESTS (MSR_EFER_SCE | MSR_EFER_LME | MSR_EFER_NXE | \
                     MSR_EFER_FFXSR)

/* Shown */

static void segment_flat(SegmentCache *sc, uint32_t flags)
{
    *sc = (SegmentCache) { 0, 0, 0xffffffff, flags };
}

/* What it needs to know of the mode, and nothing of where the guest is */
static void view_init(ShadowVcpu *v, ShadowRegs *view)
{
    uint32_t cs = v->guest.segs[R_CS].flags, ss = v->guest.segs[R_SS].flags;
    uint32_t common = DESC_G_MASK | DESC_P_MASK | DESC_S_MASK | DESC_A_MASK |
                      (ss & DESC_DPL_MASK);

    *view = (ShadowRegs) {
        .eip = VIEW_RIP + v->place * VIEW_RIP_VCPU +
               (v->exits & 1 ? VIEW_RIP_TURN : 0),
        .eflags = 2 | (v->guest.eflags & IF_MASK),
        .interrupt_shadow = v->guest.interrupt_shadow,
        .efer = v->guest.efer,
        .dr6 = SHADOW_DR6_FIXED,
        .dr7 = SHADOW_DR7_FIXED,
    };
    view->cr[0] = v->guest.cr[0];
    view->cr[4] = v->guest.cr[4];
    for (int i = 0; i < ARRAY_SIZE(view->segs); i++) {
        segment_flat(&view->segs[i], common | DESC_B_MASK | DESC_W_MASK);
    }
    segment_flat(&view->segs[R_CS], common | DESC_CS_MASK | DESC_R_MASK |
                                    (cs & (DESC_L_MASK | DESC_B_MASK)));
}

/* Which general registers the exit's kind needs */
static uint32_t kind_shows(ShadowExitKind kind)
{
    switch (kind) {
    case SHADOW_EXIT_CPUID:
        return BIT(R_EAX) | BIT(R_ECX);
    case SHADOW_EXIT_RDMSR:
    case SHADOW_EXIT_RDPMC:
        return BIT(R_ECX);
    case SHADOW_EXIT_WRMSR:
    case SHADOW_EXIT_XSETBV:
        return BIT(R_ECX) | BIT(R_EAX) | BIT(R_EDX);
    case SHADOW_EXIT_HYPERCALL:
        return BIT(R_EAX) | BIT(R_EBX) | BIT(R_ECX) | BIT(R_EDX) | BIT(R_ESI);
    default:
        return 0;
    }
}

static unsigned io_bits(uint64_t info)
{
    return 8 * ((info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT);
}

static ShadowExitKind kind_of(uint64_t code, uint64_t info_1)
{
    switch (code) {
    case SVM_EXIT_CPUID:
        return SHADOW_EXIT_CPUID;
    case SVM_EXIT_MSR:
        return info_1 ? SHADOW_EXIT_WRMSR : SHADOW_EXIT_RDMSR;
    case SVM_EXIT_RDPMC:
        return SHADOW_EXIT_RDPMC;
    case SVM_EXIT_XSETBV:
        return SHADOW_EXIT_XSETBV;
    case SVM_EXIT_IOIO:
        return info_1 & SVM_IOIO_STR_MASK ? SHADOW_EXIT_WAIT :
               info_1 & SVM_IOIO_TYPE_MASK ? SHADOW_EXIT_IN :
               SHADOW_EXIT_OUT;
    case SVM_EXIT_VMMCALL:
        return SHADOW_EXIT_HYPERCALL;
    case SVM_EXIT_WRITE_CR0:
    case SVM_EXIT_CR0_SEL_WRITE:
    case SVM_EXIT_WRITE_CR4:
    case SVM_EXIT_WRITE_CR8:
        return SHADOW_EXIT_WRITE_CR;
    case SVM_EXIT_HLT:
    case SVM_EXIT_PAUSE:
    case SVM_EXIT_MONITOR:
    case SVM_EXIT_MWAIT:
    case SVM_EXIT_INVD:
    case SVM_EXIT_WBINVD:
        return SHADOW_EXIT_SKIP;
    case SVM_EXIT_NPF:
        return SHADOW_EXIT_LOAD;
    default:
        return SHADOW_EXIT_WAIT;
    }
}

/* With IRET it learns that the guest takes NMIs again, and nothing else. */
bool shadow_vcpu_is_told(uint64_t code)
{
    return code == SVM_EXIT_IRET || kind_of(code, 0) != SHADOW_EXIT_WAIT;
}

/*
 * MOV, CLTS, or LMSW of a register; false if it is none of them.  With LOCK,
 * CR0 is CR8 (AMD APM vol. 3, MOV CRn).
 */
static bool decode_write_cr(ShadowVcpu *v)
{
    const ShadowInsn *insn = &v->insn;

    switch (insn->opcode) {
    case 0x0f22:
        v->cr = shadow_insn_reg(insn);
        if (insn->lock && v->cr == 0) {
            v->cr = 8;
        }
        v->val = v->guest.regs[shadow_insn_rm(insn)];
        if (shadow_vcpu_mode(v) != SHADOW_INSN_64) {
            v->val = (uint32_t)v->val;
        }
        return v->cr == 0 || v->cr == 4 || v->cr == 8;
    case 0x0f06:
        v->cr = 0;
        v->val = v->guest.cr[0] & ~CR0_TS_MASK;
        return true;
    case 0x0f01:
        v->cr = 0;
        v->val = (v->guest.cr[0] & ~0xeULL) |
                 (v->guest.regs[shadow_insn_rm(insn)] & 0xf);
        return insn->modrm >> 6 == 3 && (insn->modrm >> 3 & 7) == 6;
    default:
        return false;
    }
}

/*
 * Whether all of the move is at the address that has faulted.  Of one that
 * begins in another page the rest may be private: it is not L1's to complete.
 */
static bool move_is_there(const ShadowVcpu *v)
{
    uint64_t page = ~(uint64_t)TARGET_PAGE_MASK, at;
    unsigned segment = v->insn.memory.segment;

    at = shadow_insn_offset(&v->insn, v->guest.regs, v->guest.eip);
    if (shadow_vcpu_mode(v) != SHADOW_INSN_64 || segment >= R_FS) {
        at += segment == R_FS ? v->own.fs.base :
              segment == R_GS ? v->own.gs.base : v->guest.segs[segment].base;
    }
    return (at & page) == (v->fault & page) &&
           (at & page) + v->move.size <= page + 1;
}

static ShadowExitKind kind_with_insn(ShadowVcpu *v, const uint8_t *bytes,
                                     size_t len)
{
    ShadowExitKind kind = kind_of(v->exit_code, v->exit_info_1);

    if (kind == SHADOW_EXIT_WAIT ||
        !shadow_insn_decode(bytes, len, shadow_vcpu_mode(v), &v->insn)) {
        return SHADOW_EXIT_WAIT;
    }
    if (kind == SHADOW_EXIT_LOAD) {
        return !shadow_insn_move(&v->insn, &v->move) || !move_is_there(v) ?
               SHADOW_EXIT_WAIT :
               v->move.store ? SHADOW_EXIT_STORE : SHADOW_EXIT_LOAD;
    }
    return kind == SHADOW_EXIT_WRITE_CR && !decode_write_cr(v) ?
           SHADOW_EXIT_WAIT : kind;
}

size_t shadow_vcpu_canonical_move(const ShadowMove *move, ShadowInsnMode mode,
                                  uint8_t bytes[SHADOW_INSN_MAX])
{
    size_t n = 0;

    if (move->size == 8 && mode != SHADOW_INSN_64) {
        return 0;
    }
    if (mode == SHADOW_INSN_16) {
        bytes[n++] = 0x67;
    }
    if (move->size == (mode == SHADOW_INSN_16 ? 4 : 2)) {
        bytes[n++] = 0x66;
    } else if (move->size == 8) {
        bytes[n++] = 0x48;
    }
    bytes[n++] = (move->store ? 0x88 : 0x8a) | (move->size != 1);
    bytes[n++] = 0x07;          /* RAX, (RDI), or EAX, (EDI) */
    return n;
}

void shadow_vcpu_show(ShadowVcpu *v, const uint8_t *bytes, size_t len,
                      ShadowRegs *view)
{
    uint8_t canonical[SHADOW_INSN_MAX];
    uint32_t shown;
    bool wide;

    qatomic_set(&v->exits, v->exits + 1);
    v->n_bytes = MIN(len, sizeof(v->bytes));
    if (len) {
        memmove(v->bytes, bytes, v->n_bytes);
    }
    v->kind = kind_with_insn(v, v->bytes, v->n_bytes);
    wide = v->kind == SHADOW_EXIT_HYPERCALL &&
           shadow_vcpu_mode(v) == SHADOW_INSN_64;
    view_init(v, view);
    shown = kind_shows(v->kind);
    for (int i = 0; i < CPU_NB_REGS; i++) {
        if (shown & BIT(i)) {
            view->regs[i] = wide ? v->guest.regs[i]
                                 : (uint32_t)v->guest.regs[i];
        }
    }
    v->rip = view->eip;
    v->next_rip = v->kind == SHADOW_EXIT_WAIT ? 0 : v->rip + v->insn.length;
    switch (v->kind) {
    case SHADOW_EXIT_OUT:
        view->regs[R_EAX] = extract64(v->guest.regs[R_EAX], 0,
                                      io_bits(v->exit_info_1));
        break;
    case SHADOW_EXIT_WRITE_CR:
        view->regs[R_EAX] = v->val;
        break;
    case SHADOW_EXIT_STORE:
        view->regs[R_EAX] = shadow_move_stored(&v->move,
                                               v->guest.regs[v->move.reg]);
        /* fall through */
    case SHADOW_EXIT_LOAD:
        view->regs[R_EDI] = v->fault;
        len = shadow_vcpu_canonical_move(&v->move, shadow_vcpu_mode(v),
                                         canonical);
        v->next_rip = len ? v->rip + len : 0;
        break;
    default:
        break;
    }
}

/* Changed */

static void merge_cpuid(ShadowVcpu *v, const target_ulong *given)
{
    uint32_t regs[4] = {
        [R_EAX] = given[R_EAX], [R_ECX] = given[R_ECX],
        [R_EDX] = given[R_EDX], [R_EBX] = given[R_EBX],
    };

    shadow_cpuid_bound(v->guest.regs[R_EAX], v->guest.regs[R_ECX],
                       v->guest.cr[4], regs);
    shadow_cpuid_identify(v->guest.regs[R_EAX], v->apic_id, regs);
    for (int i = 0; i < ARRAY_SIZE(regs); i++) {
        v->guest.regs[i] = regs[i];
    }
}

static void merge_in(ShadowVcpu *v, uint64_t val)
{
    unsigned bits = io_bits(v->exit_info_1);

    v->guest.regs[R_EAX] = bits == 32 ? (uint32_t)val :
                           deposit64(v->guest.regs[R_EAX], 0, bits, val);
}

static void merge_efer(ShadowVcpu *v)
{
    uint64_t val = (uint32_t)v->guest.regs[R_EAX];

    if ((uint32_t)v->guest.regs[R_ECX] == MSR_EFER) {
        v->guest.efer = (v->guest.efer & ~EFER_GUESTS) | (val & EFER_GUESTS);
    }
}

#define MSR_X2APIC_ID 0x802

static void merge_rdmsr(ShadowVcpu *v, uint32_t eax, uint32_t edx)
{
    bool is_id = (uint32_t)v->guest.regs[R_ECX] == MSR_X2APIC_ID;

    v->guest.regs[R_EAX] = is_id ? v->apic_id : eax;
    v->guest.regs[R_EDX] = is_id ? 0 : edx;
}

#define APIC_ID 0xfee00020
#define APIC_ID_SHIFT 24

static void merge_load(ShadowVcpu *v, uint64_t val)
{
    if (v->fault == APIC_ID) {
        val = (uint64_t)v->apic_id << APIC_ID_SHIFT;
    }
    v->guest.regs[v->move.reg] =
        shadow_move_loaded(&v->move, v->guest.regs[v->move.reg], val);
}

/* CR0.PG and EFER.LME make long mode (AMD APM vol. 2, 14.6). */
static void merge_cr(ShadowVcpu *v)
{
    if (v->cr == 8) {
        return;                 /* is in the VMCB */
    }
    v->guest.cr[v->cr] = v->val;
    if (v->cr == 0) {
        bool longer = v->val & CR0_PG_MASK && v->guest.efer & MSR_EFER_LME;

        v->guest.efer = longer ? v->guest.efer | MSR_EFER_LMA :
                        v->guest.efer & ~MSR_EFER_LMA;
    }
}

bool shadow_vcpu_is_at(const ShadowVcpu *v, uint64_t rip)
{
    return rip == v->rip || (v->next_rip && rip == v->next_rip);
}

bool shadow_vcpu_merge(ShadowVcpu *v, uint64_t rip, const target_ulong *regs)
{
    if (rip == v->rip) {
        return true;
    }
    if (!shadow_vcpu_is_at(v, rip)) {
        return false;
    }
    switch (v->kind) {
    case SHADOW_EXIT_CPUID:
        merge_cpuid(v, regs);
        break;
    case SHADOW_EXIT_RDMSR:
        merge_rdmsr(v, regs[R_EAX], regs[R_EDX]);
        break;
    case SHADOW_EXIT_RDPMC:
        v->guest.regs[R_EAX] = (uint32_t)regs[R_EAX];
        v->guest.regs[R_EDX] = (uint32_t)regs[R_EDX];
        break;
    case SHADOW_EXIT_WRMSR:
        merge_efer(v);
        break;
    case SHADOW_EXIT_XSETBV:
        v->own.xcr0 = deposit64(v->guest.regs[R_EAX], 32, 32,
                                v->guest.regs[R_EDX]);
        break;
    case SHADOW_EXIT_IN:
        merge_in(v, regs[R_EAX]);
        break;
    case SHADOW_EXIT_HYPERCALL:
        v->guest.regs[R_EAX] = regs[R_EAX];
        break;
    case SHADOW_EXIT_WRITE_CR:
        merge_cr(v);
        break;
    case SHADOW_EXIT_LOAD:
        merge_load(v, regs[R_EAX]);
        break;
    default:
        break;
    }
    v->guest.eip += v->insn.length;
    if (shadow_vcpu_mode(v) != SHADOW_INSN_64) {
        v->guest.eip = (uint32_t)v->guest.eip;
    }
    v->guest.eflags &= ~RF_MASK;
    v->guest.interrupt_shadow = false;
    return true;
}

/* What the processor raises for the instruction that has exited */
static bool may_fault(const ShadowVcpu *v, unsigned vector)
{
    switch (v->kind) {
    case SHADOW_EXIT_RDMSR:
    case SHADOW_EXIT_WRMSR:
    case SHADOW_EXIT_RDPMC:
    case SHADOW_EXIT_XSETBV:
    case SHADOW_EXIT_WRITE_CR:
        return vector == EXCP0D_GPF;
    case SHADOW_EXIT_HYPERCALL:
    case SHADOW_EXIT_SKIP:
        return vector == EXCP06_ILLOP;
    default:
        return false;
    }
}

bool shadow_vcpu_may_inject(const ShadowVcpu *v, uint32_t event,
                            bool completed)
{
    unsigned vector = event & SVM_EVTINJ_VEC_MASK;

    switch (event & SVM_EVTINJ_TYPE_MASK) {
    case SVM_EVTINJ_TYPE_INTR:
        return vector >= FIRST_INTERRUPT && vector != SYSCALL_VECTOR &&
               v->guest.eflags & IF_MASK &&
               (completed || !v->guest.interrupt_shadow);
    case SVM_EVTINJ_TYPE_NMI:
        return true;
    case SVM_EVTINJ_TYPE_EXEPT:
        return !completed && may_fault(v, vector);
    default:
        return false;
    }
}
