/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls on x86, whatever the accelerator: registers and rights.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "system/kvm.h"
#include "system/qtest.h"
#include "system/tcg.h"
#include "shadow/include/compat-memory.h"
#include "shadow/target/i386/shadow-x86.h"

#define DOORBELL_SIZE 4

/* TSS, AMD APM vol. 2, 12.2.4 and 12.2.5 */
#define TSS_TYPE_AVAILABLE 9
#define TSS_TYPE_BUSY 11
#define TSS_IOPB_BASE 0x66
#define TSS_MIN_LIMIT 0x67

bool shadow_x86_is_call(uint64_t reg, bool code64)
{
    return (reg & ~0xffULL) == ULTRACALL_MAGIC && code64 &&
           ultracall_doorbell_port() >= 0;
}

static bool tss_read_word(ShadowX86Caller *c, uint32_t offset, uint16_t *val)
{
    if (offset + 1 > c->tss_limit ||
        !c->read(c, c->tss_base + offset, val, sizeof(*val))) {
        return false;
    }
    le16_to_cpus(val);
    return true;
}

/* Whether the I/O permission bitmap allows a write to the doorbell. */
static bool tss_allows(ShadowX86Caller *c, uint16_t port)
{
    uint16_t base, bits;

    if (c->tss_limit < TSS_MIN_LIMIT || (c->tss_type != TSS_TYPE_AVAILABLE &&
                                         c->tss_type != TSS_TYPE_BUSY)) {
        return false;
    }
    return tss_read_word(c, TSS_IOPB_BASE, &base) &&
           tss_read_word(c, base + port / 8, &bits) &&
           !((bits >> (port % 8)) & ((1 << DOORBELL_SIZE) - 1));
}

/* Who rings the doorbell was let do that by the processor. */
static bool caller_may_call(ShadowX86Caller *c)
{
    if (c->doorbell || c->cpl == 0) {
        return true;
    }
    if (c->parent.nested) {
        return false;
    }
    return c->cpl <= c->iopl || tss_allows(c, ultracall_doorbell_port());
}

static bool caller_peek(UltracallCaller *caller, uint64_t va, uint64_t *val)
{
    ShadowX86Caller *c = container_of(caller, ShadowX86Caller, parent);

    if (!c->read(c, va, val, sizeof(*val))) {
        return false;
    }
    le64_to_cpus(val);
    return true;
}

void shadow_x86_call(ShadowX86Caller *c)
{
    UltracallRegs regs;

    /*
     * In guest mode L1's hypervisor lets its control domain write to the port,
     * so it is L1 that calls; and at CPL 0 it writes for one.
     */
    c->parent.nested = c->guest_mode && !c->doorbell;
    c->parent.no_process = c->doorbell && (c->guest_mode || c->cpl != 3);
    c->parent.unprivileged = !caller_may_call(c);
    c->parent.peek = caller_peek;
    memcpy(regs.arg, c->arg, sizeof(regs.arg));
    ultracall_dispatch(&c->parent, c->number & 0xff, &regs);
    c->rax = regs.status;
    c->rdx = regs.value;
}

/* L1's memory */

bool shadow_x86_read_entry(void *opaque, uint64_t pa, uint64_t *entry)
{
    uint64_t len = sizeof(*entry);
    void *host = ultracall_ram(pa, &len, false);

    if (!host || len < sizeof(*entry)) {
        return false;
    }
    *entry = ldq_le_p(host);
    return true;
}

void shadow_x86_kernel_walk(ShadowWalk *walk, uint64_t cr3, bool la57)
{
    *walk = (ShadowWalk) {
        .cr3 = cr3,
        .la57 = la57,
        .gbpages = true,
        .phys_bits = env_archcpu(cpu_env(first_cpu))->phys_bits,
        .read = shadow_x86_read_entry,
    };
}

bool shadow_x86_read(const ShadowWalk *walk, uint64_t va, void *buf,
                     size_t len)
{
    uint64_t pa, n;

    for (; len; va += n, buf += n, len -= n) {
        void *host;

        if (shadow_walk(walk, va, false, &pa, &n) < 0) {
            return false;
        }
        n = MIN(n, len);
        host = ultracall_ram(pa, &n, false);
        if (!host) {
            return false;
        }
        memcpy(buf, host, n);
    }
    return true;
}

bool shadow_x86_peek(void *walk, uint64_t va, uint64_t *val)
{
    if (!shadow_x86_read(walk, va, val, sizeof(*val))) {
        return false;
    }
    le64_to_cpus(val);
    return true;
}

/*
 * AMD APM vol. 2, 15.25.5: the tables are of the kind that L1 itself uses.  All
 * CPUs of a hypervisor have the same paging mode.
 *
 * Where a page is, whether or not its guest may have it now.  Xen takes the
 * user's bit away at any level, as when it begins to log what is written, and
 * gives it back when the guest next goes there: to this page perhaps never.
 */
bool shadow_x86_peek_nested(uint64_t root, uint64_t address, uint64_t *val)
{
    ShadowWalk walk;

    shadow_x86_kernel_walk(&walk, root,
                           qatomic_read(&cpu_env(first_cpu)->cr[4]) &
                           CR4_LA57_MASK);
    return shadow_x86_peek(&walk, address, val);
}

/*
 * For qtest, whose CPU is a device that asks for nothing, and which can say
 * what is missing; and for accelerators that run no nested guests.
 */
#define QTEST_MISSING "SHADOW_QTEST_MISSING"

static uint32_t none_features(void)
{
    return 0;
}

static ShadowProtection none_protection(Error **errp)
{
    const char *missing = qtest_enabled() ? getenv(QTEST_MISSING) :
                          "port accesses of nested guests do not come here "
                          "with this accelerator (use -accel kvm, or tcg)";

    if (!missing) {
        return SHADOW_PROTECTION_FORCED;
    }
    error_setg(errp, "%s", missing);
    return SHADOW_PROTECTION_NONE;
}

static void none_nothing(void)
{
}

/* shadow-testdev's address spaces are physical memory. */
static bool none_peek(uint64_t process, uint64_t va, uint64_t *val)
{
    MemTxResult result;

    *val = address_space_ldq_le(&address_space_memory, va,
                                MEMTXATTRS_UNSPECIFIED, &result);
    return result == MEMTX_OK;
}

static void none_doorbell(CPUState *cpu)
{
}

static ShadowAccel shadow_accel_none = {
    .nested_calls = true,
    .sees_entries = true,
    .features = none_features,
    .protection = none_protection,
    .start = none_nothing,
    .changed = none_nothing,
    .peek = none_peek,
    .peek_nested = shadow_x86_peek_nested,
    .doorbell = none_doorbell,
};

/* With qtest private guests can be brought, and sent; nothing runs them. */
const ShadowAccel *shadow_accel(void)
{
    if (tcg_enabled()) {
        return &shadow_accel_tcg;
    }
    if (kvm_enabled()) {
        return &shadow_accel_kvm;
    }
#ifdef CONFIG_TCG
    if (qtest_enabled()) {
        shadow_accel_none.vcpus = shadow_accel_tcg.vcpus;
    }
#endif
    return &shadow_accel_none;
}
