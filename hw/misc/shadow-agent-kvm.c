/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent where KVM runs the nested guest, in the context of this process. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "io/channel-command.h"
#include "io/channel-file.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/options.h"
#include "shadow/hw/misc/shadow-agent.h"

/* The cookie tells the outer QEMU that this process is still there. */
static bool kvm_bind(ShadowAgent *a, Error **errp)
{
    uint64_t *cookie = shadow_agent_page_new(errp);
    int64_t ret;

    if (!cookie) {
        return false;
    }
    ret = shadow_agent_call(a, ULTRACALL_BIND, cookie, sizeof(*cookie), NULL);
    if (ret) {
        error_setg_errno(errp, -ret, "cannot bind guest '%s'", a->guest);
        return false;
    }
    return shadow_agent_run_dummy(a, errp);
}

/*
 * What is being written may be loaded again later if nobody answers, as with a
 * file; a program without a return path may be anything.
 */
static bool kvm_is_snapshot(void)
{
    Object *ioc = shadow_agent_channel();

    return runstate_check(RUN_STATE_SAVE_VM) ||
           migrate_background_snapshot() ||
           object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_FILE) ||
           (object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_COMMAND) &&
            !migrate_return_path());
}

/*
 * Without a return path nobody can know, so the console stays frozen, for an
 * operator to decide.
 *
 * With postcopy QEMU says "done" a first time when it has sent the devices,
 * and before it knows whether they were taken: only the state tells.
 */
static bool kvm_has_moved(ShutdownCause cause)
{
    return shadow_agent_has_return_path() &&
           migrate_get_current()->state == MIGRATION_STATUS_COMPLETED;
}

const ShadowAgentHypervisor shadow_agent_kvm = {
    .bind = kvm_bind,
    .is_snapshot = kvm_is_snapshot,
    .has_moved = kvm_has_moved,
};
