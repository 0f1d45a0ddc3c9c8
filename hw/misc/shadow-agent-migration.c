/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shadow guest's sealed state in the migration stream of the nested guest.
 */
#include "qemu/osdep.h"
#include "migration/misc.h"
#include "migration/options.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "system/runstate.h"
#include "shadow/hw/misc/shadow-agent.h"

/* How long a SAVE may take to settle, before the migration is failed */
#define AGENT_SAVE_TIMEOUT_MS 2000

/* Also bounds the allocation when an envelope arrives */
#define AGENT_ENVELOPE_MAX (17 * MiB)

static void agent_end_migration(ShadowAgent *a, uint32_t nr)
{
    int64_t ret = shadow_agent_call(a, nr, NULL, 0, NULL);

    a->frozen = false;
    if (ret) {
        warn_report("shadow-agent: guest '%s': %s: %s", a->guest,
                    nr == ULTRACALL_COMMIT ? "commit" : "abort",
                    strerror(-ret));
    }
}

/*
 * Without a return path the source cannot know whether the destination has
 * taken the state, so the console stays frozen, for an operator to decide.
 */
static int agent_migration_event(NotifierWithReturn *n, MigrationEvent *e,
                                 Error **errp)
{
    ShadowAgent *a = container_of(n, ShadowAgent, migration);

    switch (e->type) {
    case MIG_EVENT_PRECOPY_SETUP:
        if (!migrate_return_path()) {
            warn_report("shadow-agent: without the return-path capability "
                        "the console of '%s' stays frozen here", a->guest);
        }
        break;
    case MIG_EVENT_PRECOPY_DONE:
        if (a->frozen && migrate_return_path()) {
            agent_end_migration(a, ULTRACALL_COMMIT);
        }
        break;
    default:
        if (a->frozen) {
            agent_end_migration(a, ULTRACALL_ABORT);
        }
        break;
    }
    return 0;
}

/*
 * The guest goes on here, so its migration has failed: its port must work
 * before it runs, and this comes earlier than the notifier.
 */
static void agent_vm_state(void *opaque, bool running, RunState state)
{
    ShadowAgent *a = opaque;

    if (running && a->frozen) {
        agent_end_migration(a, ULTRACALL_ABORT);
    }
}

static int64_t agent_save(ShadowAgent *a)
{
    int64_t end = g_get_monotonic_time() + AGENT_SAVE_TIMEOUT_MS * 1000;
    int64_t ret;
    uint64_t size;

    ret = shadow_agent_call(a, ULTRACALL_STATE_SIZE, NULL, 0, &size);
    if (ret) {
        return ret;
    }
    if (size > AGENT_ENVELOPE_MAX) {
        return -EFBIG;
    }
    a->envelope = g_malloc0(size);
    a->envelope_len = size;
    for (;;) {
        ret = shadow_agent_call(a, ULTRACALL_SAVE, a->envelope, size, NULL);
        if (ret != -EAGAIN || g_get_monotonic_time() > end) {
            return ret;
        }
        g_usleep(100);
    }
}

static int agent_pre_save(void *opaque)
{
    ShadowAgent *a = opaque;
    int64_t ret;

    if (runstate_check(RUN_STATE_SAVE_VM)) {
        error_report("shadow-agent: a snapshot would let the console of '%s' "
                     "be rolled back: refused", a->guest);
        return -ENOTSUP;
    }
    ret = agent_save(a);
    if (ret) {
        error_report("shadow-agent: the outer QEMU did not save the console "
                     "of '%s': %s", a->guest, strerror(-ret));
        g_clear_pointer(&a->envelope, g_free);
        return ret;
    }
    a->frozen = true;
    return 0;
}

static int agent_post_save(void *opaque)
{
    g_clear_pointer(&SHADOW_AGENT(opaque)->envelope, g_free);
    return 0;
}

static const char *agent_restore_hint(int64_t ret)
{
    switch (ret) {
    case -EBADMSG:
        return "the state is not this guest's, or sealed with another key";
    case -ESTALE:
        return "the state is not newer than what that host has seen";
    case -EINVAL:
        return "the guest has other devices there";
    case -EBUSY:
        return "the guest does not wait for its state there; give its "
               "shadow-guest incoming=on";
    default:
        return strerror(-ret);
    }
}

static int agent_post_load(void *opaque, int version_id)
{
    ShadowAgent *a = opaque;
    int64_t ret = shadow_agent_call(a, ULTRACALL_RESTORE, a->envelope,
                             a->envelope_len, NULL);

    g_clear_pointer(&a->envelope, g_free);
    if (ret) {
        error_report("shadow-agent: the outer QEMU refused the console of "
                     "'%s': %s", a->guest, agent_restore_hint(ret));
        return ret;
    }
    a->resync = true;
    shadow_agent_poll(a);
    return 0;
}

static bool agent_envelope_len_valid(void *opaque, int version_id)
{
    return SHADOW_AGENT(opaque)->envelope_len <= AGENT_ENVELOPE_MAX;
}

const VMStateDescription vmstate_shadow_agent = {
    .name = TYPE_SHADOW_AGENT,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = agent_pre_save,
    .post_save = agent_post_save,
    .post_load = agent_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(envelope_len, ShadowAgent),
        VMSTATE_VALIDATE("envelope length", agent_envelope_len_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(envelope, ShadowAgent, 1, NULL,
                                     envelope_len),
        VMSTATE_END_OF_LIST()
    }
};

void shadow_agent_migration_start(ShadowAgent *a)
{
    migration_add_notifier(&a->migration, agent_migration_event);
    qemu_add_vm_change_state_handler(agent_vm_state, a);
}
