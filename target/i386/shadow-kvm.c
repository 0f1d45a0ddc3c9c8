/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls under KVM, which leave to user space in one of three ways:
 *
 * - Xen's interception of hypercalls takes every vmmcall and vmcall of the
 *   cloud VM, from user mode too.  Those that are KVM's own then arrive here
 *   as well, and are answered as unknown.
 * - Where the kernel lacks that, KVM_HC_MAP_GPA_RANGE leaves, from the cloud
 *   VM's kernel only.
 * - The doorbell always works.
 *
 * Linux, Documentation/virt/kvm/api.rst, 4.59, 5 and 8.22.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/xen/xen.h"
#include "linux/kvm_para.h"
#include "qemu/error-report.h"
#include "qemu/rcu.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "shadow/target/i386/shadow-kvm.h"
#include "shadow/target/i386/shadow-x86.h"

/* The MSR by which a Xen guest would ask for its hypercall page */
#define XEN_HYPERCALL_MSR 0x40000200

static uint32_t kvm_found_features;

static uint32_t kvm_features(void)
{
    return kvm_found_features;
}

/*
 * Only what a call needs is asked of KVM: all of a CPU's state takes some ten
 * times as long.
 */
typedef struct KvmCaller {
    ShadowX86Caller parent;
    CPUState *cpu;
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    ShadowWalk walk;
} KvmCaller;

/*
 * While this CPU is here it acknowledges no TLB flush, so that the cloud VM's
 * kernel cannot reuse a page that it takes away meanwhile.
 */
static int kvm_caller_map(UltracallCaller *c, uint64_t va, size_t len,
                          bool write, UltracallBuffer *buf, uint64_t *fault)
{
    KvmCaller *caller = container_of(c, KvmCaller, parent.parent);
    uint64_t pa, n;
    void *host;

    *fault = va;
    if (va + len < va) {
        return -EFAULT;
    }
    for (; len; va += n, len -= n) {
        *fault = va;
        if (shadow_walk(&caller->walk, va, write, &pa, &n) < 0) {
            return -EFAULT;
        }
        n = MIN(n, len);
        host = ultracall_ram(pa, &n, write);
        if (!host) {
            return -EFAULT;
        }
        ultracall_buffer_add(buf, host, n);
    }
    return 0;
}

static void kvm_caller_entry(UltracallCaller *c, ShadowEntry *entry)
{
    KvmCaller *caller = container_of(c, KvmCaller, parent.parent);

    *entry = (ShadowEntry) {
        .process = SHADOW_PROCESS(caller->sregs.cr3),
        .alias = shadow_process_alias(caller->sregs.cr3,
                                      caller->sregs.ss.dpl == 3),
    };
}

static bool kvm_read(ShadowX86Caller *c, uint64_t va, void *buf, size_t len)
{
    ShadowWalk walk = container_of(c, KvmCaller, parent)->walk;

    walk.user = false;
    walk.smap = false;
    walk.pke = false;
    return shadow_x86_read(&walk, va, buf, len);
}

/* 0 is PKRU's value for as long as XSAVE has none. */
static uint32_t kvm_pkru(CPUState *cpu)
{
    CPUX86State *env = cpu_env(cpu);
    const X86LegacyXSaveArea *legacy = env->xsave_buf;
    const X86XSaveHeader *header = (const void *)(legacy + 1);
    const ExtSaveArea *area = &x86_ext_save_areas[XSTATE_PKRU_BIT];
    bool large = kvm_check_extension(kvm_state, KVM_CAP_XSAVE2) > 0;

    if (kvm_vcpu_ioctl(cpu, large ? KVM_GET_XSAVE2 : KVM_GET_XSAVE,
                       env->xsave_buf) < 0) {
        return UINT32_MAX;
    }
    return header->xstate_bv & XSTATE_PKRU_MASK
           ? ldl_le_p((uint8_t *)env->xsave_buf + area->offset) : 0;
}

static void kvm_caller_init(KvmCaller *c, bool doorbell)
{
    const struct kvm_sregs *s = &c->sregs;
    const struct kvm_regs *r = &c->regs;
    CPUX86State *env = cpu_env(c->cpu);

    c->parent = (ShadowX86Caller) {
        .parent.cpu_index = c->cpu->cpu_index,
        .parent.map = kvm_caller_map,
        .parent.entry = kvm_caller_entry,
        .arg = { r->rdi, r->rsi, r->r8, r->r9, r->r10 },
        .doorbell = doorbell,
        .guest_mode = shadow_kvm_nested(c->cpu),
        .cpl = s->ss.dpl,
        .iopl = (r->rflags & IOPL_MASK) >> 12,
        .tss_base = s->tr.base,
        .tss_limit = s->tr.limit,
        .tss_type = s->tr.present ? s->tr.type : 0,
        .read = kvm_read,
    };
    c->walk = (ShadowWalk) {
        .cr3 = s->cr3,
        .la57 = s->cr4 & CR4_LA57_MASK,
        /* see tcg_mmu_index() */
        .user = doorbell || s->ss.dpl == 3,
        .wp = s->cr0 & CR0_WP_MASK,
        .smap = s->cr4 & CR4_SMAP_MASK && !(r->rflags & AC_MASK),
        .pke = s->cr4 & CR4_PKE_MASK,
        .pkru = s->cr4 & CR4_PKE_MASK ? kvm_pkru(c->cpu) : 0,
        .gbpages = env->features[FEAT_8000_0001_EDX] & CPUID_EXT2_PDPE1GB,
        .phys_bits = env_archcpu(env)->phys_bits,
        .read = shadow_x86_read_entry,
    };
}

/*
 * A nested guest comes here only if the cloud VM lets its calls, or its writes
 * to the doorbell, pass: it may call nothing, since its buffers would need two
 * walks.
 *
 * @nr: the register that holds the call's number; NULL: RAX.  Returns what RAX
 * becomes; an instruction's RAX is set by KVM, all else here.
 */
static uint64_t kvm_call(CPUState *cpu, const uint64_t *nr)
{
    RCU_READ_LOCK_GUARD();
    KvmCaller c = { .cpu = cpu };

    if (nr && !shadow_x86_is_call(*nr, true)) {
        return -KVM_ENOSYS;
    }
    if (kvm_vcpu_ioctl(cpu, KVM_GET_REGS, &c.regs) < 0 ||
        kvm_vcpu_ioctl(cpu, KVM_GET_SREGS, &c.sregs) < 0 ||
        !shadow_x86_is_call(nr ? *nr : c.regs.rax, c.sregs.cs.l)) {
        return -KVM_ENOSYS;
    }
    kvm_caller_init(&c, !nr);
    c.parent.number = nr ? *nr : c.regs.rax;
    c.parent.rax = -EPERM;
    if (!c.parent.guest_mode) {
        shadow_x86_call(&c.parent);
    }
    c.regs.rax = c.parent.rax;
    c.regs.rdx = c.parent.rdx;
    kvm_vcpu_ioctl(cpu, KVM_SET_REGS, &c.regs);
    return c.parent.rax;
}

static void kvm_doorbell(CPUState *cpu)
{
    kvm_call(cpu, NULL);
}

static bool kvm_handle_xen(CPUState *cpu, struct kvm_xen_exit *exit)
{
    if (exit->type != KVM_EXIT_XEN_HCALL ||
        (xen_mode == XEN_EMULATE &&
         (exit->u.hcall.input & ~0xffULL) != ULTRACALL_MAGIC)) {
        return false;
    }
    exit->u.hcall.result = kvm_call(cpu, (uint64_t *)&exit->u.hcall.input);
    return true;
}

bool shadow_kvm_handle_exit(CPUState *cpu, struct kvm_run *run, int *ret)
{
    *ret = 0;
    switch (run->exit_reason) {
    case KVM_EXIT_XEN:
        return kvm_found_features & ULTRACALL_F_INSTRUCTION &&
               kvm_handle_xen(cpu, &run->xen);
    case KVM_EXIT_HYPERCALL:
        if (!(kvm_found_features & ULTRACALL_F_HYPERCALL) ||
            run->hypercall.nr != KVM_HC_MAP_GPA_RANGE) {
            return false;
        }
        run->hypercall.ret =
            run->hypercall.args[0] == ULTRACALL_HYPERCALL_PAGE
            ? kvm_call(cpu, (uint64_t *)&run->hypercall.args[2]) : -KVM_ENOSYS;
        return true;
    default:
        return false;
    }
}

void shadow_kvm_pre_run(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_INTR;
}

static bool kvm_take_instruction(void)
{
    struct kvm_xen_hvm_config config = {
        .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
        .msr = XEN_HYPERCALL_MSR,
    };

    if (!(kvm_check_extension(kvm_state, KVM_CAP_XEN_HVM) &
          KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL)) {
        return false;
    }
    return xen_mode == XEN_EMULATE ||
           kvm_vm_ioctl(kvm_state, KVM_XEN_HVM_CONFIG, &config) == 0;
}

static bool kvm_take_hypercall(void)
{
    uint64_t mask = BIT_ULL(KVM_HC_MAP_GPA_RANGE);

    return kvm_check_extension(kvm_state, KVM_CAP_EXIT_HYPERCALL) & mask &&
           kvm_vm_enable_cap(kvm_state, KVM_CAP_EXIT_HYPERCALL, 0, mask) == 0;
}

/*
 * Features of KVM that do not go together with ultracalls.  The first three
 * are hypercalls that are no more answered.  With the last, the kernel of the
 * cloud VM takes a CPU that is here for one that need not acknowledge.
 */
static const struct {
    unsigned bit;
    const char *name;
    bool hypercall;
} kvm_conflicts[] = {
    { KVM_FEATURE_PV_UNHALT, "kvm-pv-unhalt", true },
    { KVM_FEATURE_PV_SEND_IPI, "kvm-pv-ipi", true },
    { KVM_FEATURE_PV_SCHED_YIELD, "kvm-pv-sched-yield", true },
    { KVM_FEATURE_PV_TLB_FLUSH, "kvm-pv-tlb-flush", false },
};

static void kvm_warn_of_conflicts(void)
{
    uint32_t features = cpu_env(first_cpu)->features[FEAT_KVM];
    g_autoptr(GString) options = g_string_new("");

    for (unsigned i = 0; i < ARRAY_SIZE(kvm_conflicts); i++) {
        if (features & BIT(kvm_conflicts[i].bit) &&
            (kvm_found_features & ULTRACALL_F_INSTRUCTION ||
             !kvm_conflicts[i].hypercall)) {
            g_string_append_printf(options, ",%s=off", kvm_conflicts[i].name);
        }
    }
    if (options->len) {
        warn_report("the cloud VM may hang, or its memory be damaged, by CPU "
                    "features that do not go together with ultracalls; switch "
                    "them off: -cpu ...%s", options->str);
    }
}

static void kvm_start(void)
{
    if (kvm_take_instruction()) {
        kvm_found_features = ULTRACALL_F_INSTRUCTION;
    } else if (kvm_take_hypercall()) {
        kvm_found_features = ULTRACALL_F_HYPERCALL;
    }
    kvm_warn_of_conflicts();
}

const ShadowAccel shadow_accel_kvm = {
    .features = kvm_features,
    .protection = shadow_kvm_protection,
    .start = kvm_start,
    .changed = shadow_kvm_changed,
    .peek = shadow_kvm_peek,
    .doorbell = kvm_doorbell,
};
