/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz what a hypervisor sees of a private virtual CPU at an exit, and what it
 * may change before the next entry: shadow_vcpu_show(), _may_inject() and
 * _merge().  All of the guest's registers are marked; which exit shows and
 * changes which of them is said here once more, and in another way.
 *
 * Input: exit code (1 byte, see exits[]), EXITINFO1 (4), how the guest is (1),
 * the faulting address (8), two registers of its choice (1 each) with values
 * (8 each), then what the hypervisor does: the RIP (1: see rip_of()), an event
 * (4), a byte that its registers are made of; the instruction is the rest.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "qemu/units.h"
#include "svm.h"
#include "shadow/target/i386/shadow-vcpu.h"
#include "shadow/target/i386/shadow-vcpu-starts.h"
#include "shadow/tests/fuzz/fuzz.h"

/* What follows a number, in each word of what is secret */
#define MARK 0x5ec2e700u

#define ALL UINT64_MAX
#define HALF UINT32_MAX

static const uint64_t exits[] = {
    SVM_EXIT_CPUID, SVM_EXIT_MSR, SVM_EXIT_RDPMC, SVM_EXIT_XSETBV,
    SVM_EXIT_IOIO, SVM_EXIT_VMMCALL, SVM_EXIT_WRITE_CR0, SVM_EXIT_WRITE_CR4,
    SVM_EXIT_WRITE_CR8, SVM_EXIT_CR0_SEL_WRITE, SVM_EXIT_HLT, SVM_EXIT_PAUSE,
    SVM_EXIT_MONITOR, SVM_EXIT_MWAIT, SVM_EXIT_INVD, SVM_EXIT_WBINVD,
    SVM_EXIT_NPF, SVM_EXIT_INTR, SVM_EXIT_NMI, SVM_EXIT_VINTR, SVM_EXIT_IRET,
    SVM_EXIT_SHUTDOWN, SVM_EXIT_READ_CR0, SVM_EXIT_RDTSC, SVM_EXIT_ERR,
};

static ShadowPrivate *private;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    private = shadow_private_new(SHADOW_PRIVATE_BASE(0), MiB);
    return 0;
}

static uint64_t fuzz_u64(FuzzInput *in)
{
    uint64_t high = fuzz_u32(in);

    return high << 32 | fuzz_u32(in);
}

/* Guests */

static uint64_t secret(unsigned n)
{
    return (MARK | n) * 0x100000001ull;
}

enum { IS_64 = 1, IS_32 = 2, HAS_IF = 4, HAS_SHADOW = 8, HAS_TF = 16 };

static void guest_init(ShadowVcpu *v, uint8_t how)
{
    uint64_t *words = (uint64_t *)&v->own;

    memset(v, 0, sizeof(*v));
    v->p = private;
    for (unsigned i = 0; i < sizeof(v->own) / sizeof(*words); i++) {
        words[i] = secret(0x20);
    }
    for (unsigned i = 0; i < CPU_NB_REGS; i++) {
        v->guest.regs[i] = secret(i);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(v->guest.segs); i++) {
        v->guest.segs[i].selector = MARK | 0x21;
        v->guest.segs[i].base = secret(0x21);
    }
    v->guest.segs[R_CS].flags = DESC_CS_MASK | DESC_R_MASK |
                                (how & IS_64 ? DESC_L_MASK : 0) |
                                (how & IS_32 ? DESC_B_MASK : 0);
    v->guest.eip = secret(0x22);
    v->guest.gdt.base = v->guest.idt.base = secret(0x23);
    v->guest.cr[0] = CR0_PE_MASK | CR0_PG_MASK;
    v->guest.cr[2] = v->guest.cr[3] = secret(0x24);
    v->guest.dr6 = v->guest.dr7 = secret(0x25);
    v->guest.efer = MSR_EFER_SVME | (how & IS_64 ? MSR_EFER_LMA | MSR_EFER_LME
                                                 : 0);
    v->guest.eflags = 2 | CC_Z | CC_P | RF_MASK | (how & HAS_IF ? IF_MASK : 0) |
                      (how & HAS_TF ? TF_MASK : 0);
    v->guest.interrupt_shadow = how & HAS_SHADOW;
}

/* Seen */

/* Which registers an exit shows, and how much of each, if it tells anything */
static uint64_t shown(const ShadowVcpu *v, unsigned reg)
{
    bool is_64 = v->guest.efer & MSR_EFER_LMA &&
                 v->guest.segs[R_CS].flags & DESC_L_MASK;
    uint32_t regs;

    switch (v->exit_code) {
    case SVM_EXIT_CPUID:
        regs = 1 << R_EAX | 1 << R_ECX;
        break;
    case SVM_EXIT_MSR:
        regs = v->exit_info_1 ? 1 << R_EAX | 1 << R_EDX | 1 << R_ECX
                              : 1 << R_ECX;
        break;
    case SVM_EXIT_RDPMC:
        regs = 1 << R_ECX;
        break;
    case SVM_EXIT_XSETBV:
        regs = 1 << R_EAX | 1 << R_EDX | 1 << R_ECX;
        break;
    case SVM_EXIT_VMMCALL:
        regs = 1 << R_EAX | 1 << R_EBX | 1 << R_ECX | 1 << R_EDX | 1 << R_ESI;
        return !(regs >> reg & 1) ? 0 : is_64 ? ALL : HALF;
    default:
        return 0;
    }
    return regs >> reg & 1 ? HALF : 0;
}

/* What is written, which RAX shows then: a port, a register, or memory */
static uint64_t shown_written(const ShadowVcpu *v)
{
    switch (v->kind) {
    case SHADOW_EXIT_OUT:
        fuzz_assert(v->exit_code == SVM_EXIT_IOIO && !(v->exit_info_1 & 1));
        return v->exit_info_1 & 0x10 ? 0xff : v->exit_info_1 & 0x20 ? 0xffff
                                                                    : HALF;
    case SHADOW_EXIT_WRITE_CR:
        fuzz_assert(v->exit_code == SVM_EXIT_CR0_SEL_WRITE ||
                    (v->exit_code >= SVM_EXIT_WRITE_CR0 &&
                     v->exit_code <= SVM_EXIT_WRITE_CR8));
        return ALL;
    case SHADOW_EXIT_STORE:
        fuzz_assert(v->exit_code == SVM_EXIT_NPF);
        return ALL >> (64 - 8 * v->move.size);
    default:
        return 0;
    }
}

static bool is_marked(uint64_t val)
{
    for (unsigned shift = 0; shift <= 40; shift++) {
        if ((val >> shift & 0xffffff) == MARK >> 8) {
            return true;
        }
    }
    return false;
}

static void check_view(const ShadowVcpu *v, const ShadowRegs *view)
{
    uint64_t written = shown_written(v);

    for (unsigned i = 0; i < CPU_NB_REGS; i++) {
        uint64_t mask = v->kind == SHADOW_EXIT_WAIT ? 0 : shown(v, i);

        if (i == R_EAX && written) {
            fuzz_assert(!(view->regs[i] & ~written));
        } else if (i == R_EDI && (v->kind == SHADOW_EXIT_LOAD ||
                                  v->kind == SHADOW_EXIT_STORE)) {
            fuzz_assert(view->regs[i] == v->fault);
        } else {
            fuzz_assert(view->regs[i] == (v->guest.regs[i] & mask));
        }
    }
    fuzz_assert(!is_marked(view->eip) && view->eip == v->rip);
    fuzz_assert(!(view->eflags & ~(2 | IF_MASK)));
    fuzz_assert(!view->cr[2] && !view->cr[3] && !view->gdt.base &&
                !view->idt.base);
    fuzz_assert(view->dr6 == SHADOW_DR6_FIXED && view->dr7 == SHADOW_DR7_FIXED);
    for (unsigned i = 0; i < ARRAY_SIZE(view->segs); i++) {
        fuzz_assert(!view->segs[i].base && !view->segs[i].selector);
    }
    fuzz_assert(!v->next_rip || v->next_rip - v->rip - 1 < SHADOW_INSN_MAX);
}

/* Changed */

/* Such an answer has 32 bits, and clears the rest. */
static bool answers_words(const ShadowVcpu *v)
{
    return v->kind == SHADOW_EXIT_CPUID || v->kind == SHADOW_EXIT_RDMSR ||
           v->kind == SHADOW_EXIT_RDPMC;
}

static uint64_t changed_bits(const ShadowVcpu *v, unsigned reg)
{
    switch (v->kind) {
    case SHADOW_EXIT_CPUID:
        return reg <= R_EBX ? ALL : 0;
    case SHADOW_EXIT_RDMSR:
    case SHADOW_EXIT_RDPMC:
        return reg == R_EAX || reg == R_EDX ? ALL : 0;
    case SHADOW_EXIT_IN:
        return reg != R_EAX ? 0 : v->exit_info_1 & 0x10 ? 0xff :
               v->exit_info_1 & 0x20 ? 0xffff : ALL;
    case SHADOW_EXIT_HYPERCALL:
        return reg == R_EAX ? ALL : 0;
    case SHADOW_EXIT_LOAD:
        return reg != v->move.reg ? 0 : v->move.high ? 0xff00 :
               v->move.to == 1 ? 0xff : v->move.to == 2 ? 0xffff : ALL;
    default:
        return 0;
    }
}

/* What the instruction itself says, which is the guest's own */
static void allow_own(const ShadowVcpu *was, ShadowVcpu *now)
{
    uint64_t edx_eax = (was->guest.regs[R_EDX] << 32) |
                       (uint32_t)was->guest.regs[R_EAX];

    if (was->kind == SHADOW_EXIT_XSETBV) {
        fuzz_assert(now->own.xcr0 == edx_eax);
        now->own.xcr0 = was->own.xcr0;
    } else if (was->kind == SHADOW_EXIT_WRITE_CR && was->cr != 8) {
        fuzz_assert(was->cr == 0 || was->cr == 4);
        fuzz_assert(now->guest.cr[was->cr] == was->val);
        now->guest.cr[was->cr] = was->guest.cr[was->cr];
        fuzz_assert(!((now->guest.efer ^ was->guest.efer) & ~MSR_EFER_LMA));
        now->guest.efer = was->guest.efer;
    } else if (was->kind == SHADOW_EXIT_WRMSR) {
        uint64_t differs = now->guest.efer ^ was->guest.efer;

        fuzz_assert(!(differs & ~(MSR_EFER_SCE | MSR_EFER_LME | MSR_EFER_NXE |
                                  MSR_EFER_FFXSR)));
        fuzz_assert(!differs || (uint32_t)was->guest.regs[R_ECX] == MSR_EFER);
        fuzz_assert(!((now->guest.efer ^ edx_eax) & differs));
        now->guest.efer = was->guest.efer;
    }
}

/* @now is @was with the instruction completed, and nothing else. */
static void check_completed(const ShadowVcpu *was, const ShadowVcpu *completed)
{
    g_autofree ShadowVcpu *now = g_memdup2(completed, sizeof(*completed));
    uint64_t next = was->guest.eip + was->insn.length;

    for (unsigned i = 0; i < CPU_NB_REGS; i++) {
        fuzz_assert(!((now->guest.regs[i] ^ was->guest.regs[i]) &
                      ~changed_bits(was, i)));
        fuzz_assert(!changed_bits(was, i) || !answers_words(was) ||
                    now->guest.regs[i] <= HALF);
        now->guest.regs[i] = was->guest.regs[i];
    }
    allow_own(was, now);
    fuzz_assert(now->guest.eip == next || now->guest.eip == (uint32_t)next);
    now->guest.eip = was->guest.eip;
    fuzz_assert(now->guest.eflags == (was->guest.eflags & ~RF_MASK));
    now->guest.eflags = was->guest.eflags;
    fuzz_assert(!now->guest.interrupt_shadow);
    now->guest.interrupt_shadow = was->guest.interrupt_shadow;
    fuzz_assert(!memcmp(now, was, sizeof(*now)));
}

static void check_event(const ShadowVcpu *v, uint32_t event, bool completed)
{
    unsigned vector = event & 0xff, type = event >> 8 & 7;
    bool may = shadow_vcpu_may_inject(v, event, completed);

    fuzz_assert(type == 0 || type == 2 || type == 3 || !may);
    if (type == 0 && may) {
        fuzz_assert(vector >= 32 && vector != 0x80 &&
                    v->guest.eflags & IF_MASK &&
                    (completed || !v->guest.interrupt_shadow));
    }
    if (type == 3 && may) {
        fuzz_assert(!completed && (vector == 6 || vector == 13) &&
                    v->kind != SHADOW_EXIT_WAIT);
    }
}

static uint64_t rip_of(const ShadowVcpu *v, uint8_t n)
{
    switch (n >> 6) {
    case 0:
        return v->rip;
    case 1:
        return v->next_rip;
    case 2:
        return v->rip + (n & 0x3f);
    default:
        return (uint64_t)n << (n & 0x3f);
    }
}

static void check_merge(ShadowVcpu *v, uint64_t rip, uint8_t given)
{
    g_autofree ShadowVcpu *was = g_memdup2(v, sizeof(*v));
    target_ulong regs[CPU_NB_REGS];
    bool ok;

    if (v->kind == SHADOW_EXIT_CPUID && rip == v->next_rip) {
        /* what becomes of the answer depends on a processor, and here is none */
        return;
    }
    memset(regs, given, sizeof(regs));
    ok = shadow_vcpu_merge(v, rip, regs);
    fuzz_assert(ok == (rip == was->rip ||
                       (was->next_rip && rip == was->next_rip)));
    if (!ok || rip == was->rip) {
        fuzz_assert(!memcmp(v, was, sizeof(*v)));
    } else {
        fuzz_assert(was->kind != SHADOW_EXIT_WAIT);
        check_completed(was, v);
    }
}

/* It moves what the guest's own instruction moves, at another place. */
static void check_canonical(const ShadowVcpu *v)
{
    ShadowInsnMode mode = shadow_vcpu_mode(v);
    uint8_t bytes[SHADOW_INSN_MAX];
    ShadowInsn insn;
    ShadowMove move;
    size_t len;

    if (v->kind != SHADOW_EXIT_LOAD && v->kind != SHADOW_EXIT_STORE) {
        return;
    }
    len = shadow_vcpu_canonical_move(&v->move, mode, bytes);
    if (len) {
        fuzz_assert(shadow_insn_decode(bytes, len, mode, &insn));
        fuzz_assert(insn.length == len && shadow_insn_move(&insn, &move));
        fuzz_assert(move.size == v->move.size && move.store == v->move.store);
    }
}

static void check_starts(ShadowVcpu *v)
{
    shadow_vcpu_note_starts(v);
    fuzz_assert(private->n_starts <= SHADOW_PRIVATE_CPUS);
    fuzz_assert(v->kind == SHADOW_EXIT_WRMSR ||
                v->kind == SHADOW_EXIT_STORE || !private->n_starts);
    private->n_starts = 0;
}

static void guest_exits(ShadowVcpu *v, FuzzInput *in)
{
    uint8_t code = fuzz_u8(in);
    uint32_t info = fuzz_u32(in);

    guest_init(v, fuzz_u8(in));
    v->exit_code = exits[code % ARRAY_SIZE(exits)];
    v->exit_info_1 = info;
    if (v->exit_code == SVM_EXIT_IOIO) {
        /* the processor's word: one size, and no string comes here */
        info = deposit32(info, SVM_IOIO_SIZE_SHIFT, 3,
                         1 << extract32(info, SVM_IOIO_SIZE_SHIFT, 3) / 2 % 3);
        v->exit_info_1 = info & ~SVM_IOIO_STR_MASK;
    }
    v->fault = fuzz_u64(in);
    for (int i = 0; i < 2; i++) {
        uint8_t reg = fuzz_u8(in);

        v->guest.regs[reg % CPU_NB_REGS] = fuzz_u64(in);
    }
}

/* Of an instruction that ends where its memory does */
static void show(ShadowVcpu *v, FuzzInput in, ShadowRegs *view)
{
    size_t n = MIN(in.len, SHADOW_INSN_MAX);
    g_autofree uint8_t *insn = g_memdup2(in.data, n);

    shadow_vcpu_show(v, insn, n, view);
    fuzz_assert(v->kind == SHADOW_EXIT_WAIT || v->insn.length <= n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    g_autofree ShadowVcpu *v = g_new(ShadowVcpu, 1);
    uint8_t rip, given;
    uint32_t event;
    ShadowRegs view;

    guest_exits(v, &in);
    rip = fuzz_u8(&in);
    event = fuzz_u32(&in);
    given = fuzz_u8(&in);
    show(v, in, &view);
    check_view(v, &view);
    check_canonical(v);
    check_starts(v);
    check_event(v, event, rip_of(v, rip) != v->rip);
    check_merge(v, rip_of(v, rip), given);
    return 0;
}
