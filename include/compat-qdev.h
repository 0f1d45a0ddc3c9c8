/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where devices, their properties and IRQs are declared differs. */
#ifndef SHADOW_COMPAT_QDEV_H
#define SHADOW_COMPAT_QDEV_H

#include "shadow/include/compat.h"

#if SHADOW_QEMU_AT_LEAST(11, 0)
#include "hw/core/hotplug.h"
#include "hw/core/irq.h"
#include "hw/core/qdev.h"
#include "hw/core/qdev-properties.h"
#include "hw/core/qdev-properties-system.h"
#else
#include "hw/hotplug.h"
#include "hw/irq.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#endif

#endif /* SHADOW_COMPAT_QDEV_H */
