/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a migration's events are called, and how a mode of it is refused,
 * differs between QEMU series.
 */
#ifndef SHADOW_COMPAT_MIGRATION_H
#define SHADOW_COMPAT_MIGRATION_H

#include "migration/blocker.h"
#include "migration/misc.h"
#include "shadow/include/compat.h"

#if SHADOW_QEMU_AT_LEAST(11, 0)
#define SHADOW_MIG_SETUP MIG_EVENT_SETUP
#define SHADOW_MIG_DONE MIG_EVENT_DONE
#define SHADOW_MIG_FAILED MIG_EVENT_FAILED
#else
#define SHADOW_MIG_SETUP MIG_EVENT_PRECOPY_SETUP
#define SHADOW_MIG_DONE MIG_EVENT_PRECOPY_DONE
#define SHADOW_MIG_FAILED MIG_EVENT_PRECOPY_FAILED
#endif

/*
 * Refuse migrations in the CPR modes for the reason *@reason, which QEMU then
 * owns.  Returns 0, or a negative errno with @errp set; *@reason is freed then.
 */
static inline int shadow_block_cpr(Error **reason, Error **errp)
{
#if SHADOW_QEMU_AT_LEAST(10, 2)
    return migrate_add_blocker_modes(reason, BIT(MIG_MODE_CPR_REBOOT) |
                                     BIT(MIG_MODE_CPR_TRANSFER) |
                                     BIT(MIG_MODE_CPR_EXEC), errp);
#else
    return migrate_add_blocker_modes(reason, errp, MIG_MODE_CPR_REBOOT,
                                     MIG_MODE_CPR_TRANSFER, -1);
#endif
}

#endif /* SHADOW_COMPAT_MIGRATION_H */
