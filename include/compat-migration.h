/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a mode of migration is refused differs between QEMU series. */
#ifndef SHADOW_COMPAT_MIGRATION_H
#define SHADOW_COMPAT_MIGRATION_H

#include "migration/blocker.h"
#include "shadow/include/compat.h"

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
