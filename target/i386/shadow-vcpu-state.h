/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual CPUs of a private guest, to another host.
 */
#ifndef TARGET_I386_SHADOW_VCPU_STATE_H
#define TARGET_I386_SHADOW_VCPU_STATE_H

#include "shadow/hw/core/shadow-accel.h"

extern const ShadowVcpuOps shadow_vcpu_ops;

#endif /* TARGET_I386_SHADOW_VCPU_STATE_H */
