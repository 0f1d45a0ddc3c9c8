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

/*
 * A ROM device that is not migrated: reads as the RAM that is allocated for it,
 * written through @ops.  False with @errp set if there is no memory for it.
 */
static inline bool shadow_init_rom_device(MemoryRegion *mr, Object *owner,
                                          const MemoryRegionOps *ops,
                                          void *opaque, const char *name,
                                          uint64_t size, Error **errp)
{
#if SHADOW_QEMU_AT_LEAST(11, 0)
    /* What QEMU has for this now is for devices, and migrates. */
    if (!memory_region_init_ram_flags_nomigrate(mr, owner, name, size, 0,
                                                errp)) {
        return false;
    }
    mr->ram = false;
    mr->rom_device = true;
    mr->ops = ops;
    mr->opaque = opaque;
    return true;
#else
    return memory_region_init_rom_device_nomigrate(mr, owner, ops, opaque,
                                                   name, size, errp);
#endif
}

#endif /* SHADOW_COMPAT_MEMORY_H */
