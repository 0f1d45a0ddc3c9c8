/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls under KVM.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "cpu.h"
#include "shadow/target/i386/shadow-x86.h"

static uint32_t kvm_features(void)
{
    return 0;
}

static ShadowProtection kvm_protection(Error **errp)
{
    error_setg(errp, "not written yet");
    return SHADOW_PROTECTION_NONE;
}

static void kvm_start(void)
{
}

static void kvm_changed(void)
{
}

static void kvm_doorbell(CPUState *cpu)
{
}

const ShadowAccel shadow_accel_kvm = {
    .features = kvm_features,
    .protection = kvm_protection,
    .start = kvm_start,
    .changed = kvm_changed,
    .doorbell = kvm_doorbell,
};
