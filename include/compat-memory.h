/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the memory API is declared differs between QEMU series. */
#ifndef SHADOW_COMPAT_MEMORY_H
#define SHADOW_COMPAT_MEMORY_H

#include "shadow/include/compat.h"

#if SHADOW_QEMU_AT_LEAST(10, 1)
#include "system/address-spaces.h"
#include "system/memory.h"
#else
#include "exec/address-spaces.h"
#include "exec/memory.h"
#endif

#endif /* SHADOW_COMPAT_MEMORY_H */
