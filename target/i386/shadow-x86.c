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
#include "shadow/target/i386/shadow-x86.h"

#define DOORBELL_SIZE 4

/* TSS, AMD APM vol. 2, 12.2.4 and 12.2.5 */
#define TSS_TYPE_AVAILABLE 9
#define TSS_TYPE_BUSY 11
#define TSS_IOPB_BASE 0x66
#define TSS_MIN_LIMIT 0x67

bool shadow_x86_is_call(CPUState *cpu)
{
    CPUX86State *env = cpu_env(cpu);

    return (env->regs[R_EAX] & ~0xffULL) == ULTRACALL_MAGIC &&
           env->hflags & HF_CS64_MASK && ultracall_doorbell_port() >= 0;
}

static bool tss_read_word(CPUState *cpu, uint32_t offset, uint16_t *val)
{
    CPUX86State *env = cpu_env(cpu);
    uint8_t buf[2];

    if (offset + 1 > env->tr.limit ||
        cpu_memory_rw_debug(cpu, env->tr.base + offset, buf, sizeof(buf),
                            false) < 0) {
        return false;
    }
    *val = lduw_le_p(buf);
    return true;
}

/* Whether the I/O permission bitmap allows a write to the doorbell. */
static bool tss_allows(CPUState *cpu, uint16_t port)
{
    CPUX86State *env = cpu_env(cpu);
    unsigned type = (env->tr.flags >> DESC_TYPE_SHIFT) & 0xf;
    uint16_t base, bits;

    if (!(env->tr.flags & DESC_P_MASK) || env->tr.limit < TSS_MIN_LIMIT ||
        (type != TSS_TYPE_AVAILABLE && type != TSS_TYPE_BUSY)) {
        return false;
    }
    return tss_read_word(cpu, TSS_IOPB_BASE, &base) &&
           tss_read_word(cpu, base + port / 8, &bits) &&
           !((bits >> (port % 8)) & ((1 << DOORBELL_SIZE) - 1));
}

static bool caller_may_call(CPUState *cpu, UltracallCaller *caller)
{
    CPUX86State *env = cpu_env(cpu);
    unsigned cpl = env->hflags & HF_CPL_MASK;
    unsigned iopl = (env->eflags & IOPL_MASK) >> 12;

    if (cpl == 0) {
        return true;
    }
    if (caller->nested) {
        return false;
    }
    return cpl <= iopl || tss_allows(cpu, ultracall_doorbell_port());
}

void shadow_x86_call(CPUState *cpu, UltracallCaller *caller, uint64_t nr)
{
    CPUX86State *env = cpu_env(cpu);
    UltracallRegs regs = {
        .arg = { env->regs[R_EDI], env->regs[R_ESI], env->regs[8],
                 env->regs[9], env->regs[10] },
        .status = -EPERM,
    };

    if (caller_may_call(cpu, caller)) {
        ultracall_dispatch(caller, nr & 0xff, &regs);
    }
    env->regs[R_EAX] = regs.status;
    env->regs[R_EDX] = regs.value;
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

static void none_doorbell(CPUState *cpu)
{
}

static const ShadowAccel shadow_accel_none = {
    .features = none_features,
    .protection = none_protection,
    .start = none_nothing,
    .changed = none_nothing,
    .doorbell = none_doorbell,
};

const ShadowAccel *shadow_accel(void)
{
    return tcg_enabled() ? &shadow_accel_tcg :
           kvm_enabled() ? &shadow_accel_kvm : &shadow_accel_none;
}
