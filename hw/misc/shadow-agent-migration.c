/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shadow guest's sealed state in the migration stream of the nested guest.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "io/channel-file.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/options.h"
#include "migration/qemu-file.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "system/runstate.h"
#include "shadow/hw/misc/shadow-agent.h"
#include "shadow/include/compat-migration.h"

/* How often an end is told that the outer QEMU could not write down */
#define AGENT_RETRY_MS 1000

static void agent_end_migration(ShadowAgent *a, uint32_t nr)
{
    int64_t ret = shadow_agent_call(a, nr, NULL, 0, NULL);
    bool again = ret == -EIO;

    a->frozen = false;
    a->committed = nr == ULTRACALL_COMMIT && !ret;
    if (ret && ret != -EALREADY && !a->ending) {
        warn_report("shadow-agent: guest '%s': %s: %s%s", a->guest,
                    nr == ULTRACALL_COMMIT ? "commit" : "abort",
                    strerror(-ret), again ? "; trying again" : "");
    }
    if (ret == -EBUSY && nr == ULTRACALL_ABORT) {
        warn_report("shadow-agent: the console of '%s' is away; the operator "
                    "of the outer QEMU can bring it back with "
                    "shadow-guest-resume", a->guest);
    }
    a->ending = again ? nr : 0;
    if (again) {
        timer_mod(a->retry, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                            AGENT_RETRY_MS);
    }
}

static void agent_retry(void *opaque)
{
    ShadowAgent *a = opaque;

    if (a->ending) {
        agent_end_migration(a, a->ending);
    }
}

Object *shadow_agent_channel(void)
{
    QEMUFile *f = migrate_get_current()->to_dst_file;

    return f ? OBJECT(qemu_file_get_ioc(f)) : NULL;
}

/* libvirt has one for a file, and also for a tunnel to another host. */
static bool agent_writes_to_pipe(void)
{
    Object *ioc = object_dynamic_cast(shadow_agent_channel(),
                                      TYPE_QIO_CHANNEL_FILE);
    struct stat st;

    return ioc && fstat(QIO_CHANNEL_FILE(ioc)->fd, &st) == 0 &&
           S_ISFIFO(st.st_mode);
}

/* With no room for an envelope, SAVE only says whether it would be allowed. */
static bool agent_may_snapshot(ShadowAgent *a, Error **errp)
{
    if (a->private_memory) {
        error_setg(errp, "shadow-agent: refused, since the private memory of "
                   "'%s' goes into no snapshot", a->guest);
        return false;
    }
    if (!(a->client.features & ULTRACALL_F_SNAPSHOT)) {
        error_setg(errp, "shadow-agent: the outer QEMU is too old for "
                   "snapshots of '%s'", a->guest);
        return false;
    }
    if (shadow_agent_call_flags(a, ULTRACALL_SAVE, ULTRACALL_SAVE_SNAPSHOT,
                                NULL, 0, NULL) == -EPERM) {
        error_setg(errp, "shadow-agent: refused, since a snapshot would let "
                   "the console of '%s' be rolled back; the operator of the "
                   "outer QEMU can allow that with -object shadow-guest,id=%s,"
                   "snapshots=on,...%s", a->guest, a->guest,
                   agent_writes_to_pipe() ? " (Nobody answers a pipe, so it "
                   "may lead to a file: migrate without libvirt's --tunnelled)"
                   : "");
        return false;
    }
    return true;
}

/* The same is said of private memory before anything is sent. */
static bool agent_may_leave(ShadowAgent *a, Error **errp)
{
    if (a->private_memory &&
        shadow_agent_call_flags(a, ULTRACALL_SAVE, ULTRACALL_SAVE_PAGES, NULL,
                                0, NULL) == -EPERM) {
        error_setg(errp, "shadow-agent: refused, since '%s' has not sealed its "
                   "private memory yet, into which this host gives what it has",
                   a->guest);
        return false;
    }
    return true;
}

/*
 * Have room for an envelope, in memory that is really there: while the guest
 * stands still each new page would take its time.  -EFBIG, -ENOMEM.
 */
static int64_t agent_make_room(ShadowAgent *a)
{
    uint64_t size;
    int64_t ret = shadow_agent_call(a, ULTRACALL_STATE_SIZE, NULL, 0, &size);

    if (ret) {
        return ret;
    }
    if (size > SHADOW_AGENT_ENVELOPE_MAX) {
        return -EFBIG;
    }
    if (a->room_len != size) {
        g_free(a->room);
        a->room = g_try_malloc(size);
        a->room_len = a->room ? size : 0;
    }
    if (!a->room) {
        return -ENOMEM;
    }
    memset(a->room, 0, size);
    return 0;
}

bool shadow_agent_has_return_path(void)
{
    return migrate_return_path() || migrate_postcopy_ram();
}

static int agent_migration_setup(ShadowAgent *a, Error **errp)
{
    a->sent_ahead = false;
    if (migrate_colo()) {
        error_setg(errp, "shadow-agent: refused, since COLO runs the virtual "
                   "machine on two hosts, and the console of '%s' can only be "
                   "on one", a->guest);
        return -ENOTSUP;
    }
    if (a->hypervisor->is_snapshot()) {
        return agent_may_snapshot(a, errp) ? 0 : -EPERM;
    }
    if (a->private_memory && migrate_postcopy_ram()) {
        error_setg(errp, "shadow-agent: refused, since the private memory of "
                   "'%s' has to be at the other host before the guest is: no "
                   "postcopy", a->guest);
        return -ENOTSUP;
    }
    if (!agent_may_leave(a, errp)) {
        return -EPERM;
    }
    if (!shadow_agent_has_return_path()) {
        warn_report("shadow-agent: without the return-path capability "
                    "the console of '%s' stays frozen here", a->guest);
    }
    /* if there is none now, there may be when the guest is saved */
    agent_make_room(a);
    return 0;
}

static bool agent_has_moved(ShadowAgent *a, ShutdownCause cause)
{
    return a->frozen && a->hypervisor->has_moved(cause);
}

static int agent_migration_event(NotifierWithReturn *n, MigrationEvent *e,
                                 Error **errp)
{
    ShadowAgent *a = container_of(n, ShadowAgent, migration);

    switch (e->type) {
    case SHADOW_MIG_SETUP:
        return agent_migration_setup(a, errp);
    case SHADOW_MIG_DONE:
        if (agent_has_moved(a, SHUTDOWN_CAUSE_NONE)) {
            agent_end_migration(a, ULTRACALL_COMMIT);
        }
        break;
    case SHADOW_MIG_FAILED:
        if (a->frozen) {
            agent_end_migration(a, ULTRACALL_ABORT);
        }
        break;
    default:
        /* Postcopy starts, newer QEMUs say: neither host has it for sure. */
        break;
    }
    return 0;
}

/*
 * The guest goes on here, so its migration has failed: its port must work
 * before it runs, and this comes earlier than the notifier.  It can have failed
 * after its end, too: libvirt asks the other host once more then, and if that
 * cannot run the guest has it go on here.
 */
static void agent_vm_state(void *opaque, bool running, RunState state)
{
    ShadowAgent *a = opaque;

    if (running && (a->frozen || a->committed || a->ending)) {
        agent_end_migration(a, ULTRACALL_ABORT);
    }
    if (running && a->restored) {
        a->restored = false;
        /* refused for a domain of Xen's, which runs when its tools let it */
        shadow_agent_call(a, ULTRACALL_RUN, NULL, 0, NULL);
    }
}

/* The room was made before; only if it is not enough, now. */
static int64_t agent_save(ShadowAgent *a, bool snapshot)
{
    uint64_t flags = snapshot ? ULTRACALL_SAVE_SNAPSHOT :
                     a->sent_ahead ? ULTRACALL_SAVE_REST : 0;
    uint64_t len;
    int64_t ret = shadow_agent_call_settled(a, ULTRACALL_SAVE, flags, a->room,
                                            a->room_len, &len);

    if (ret == -ENOSPC) {
        ret = agent_make_room(a) ?:
              shadow_agent_call_settled(a, ULTRACALL_SAVE, flags, a->room,
                                        a->room_len, &len);
    }
    if (!ret) {
        a->envelope = a->room;
        a->envelope_len = len;
    }
    return ret;
}

static int agent_pre_save(void *opaque)
{
    ShadowAgent *a = opaque;
    bool snapshot = a->hypervisor->is_snapshot();
    Error *err = NULL;
    int64_t ret;

    if (snapshot && !agent_may_snapshot(a, &err)) {
        error_report_err(err);
        return -EPERM;
    }
    ret = agent_save(a, snapshot);
    if (ret) {
        error_report("shadow-agent: the outer QEMU did not save the console "
                     "of '%s': %s", a->guest, strerror(-ret));
        return ret;
    }
    a->frozen = !snapshot;
    /* the guest was active: no earlier migration's end is to be told still */
    a->ending = 0;
    return 0;
}

/* The room is kept until the guest runs, or never will. */
static ShadowPostSave agent_post_save(void *opaque)
{
    SHADOW_AGENT(opaque)->envelope = NULL;
    return SHADOW_POST_SAVE_DONE;
}

static const char agent_allow_snapshots[] =
    "going back to a snapshot is for the operator of the outer QEMU to allow, "
    "with -object shadow-guest,snapshots=on,...";

const char *shadow_agent_restore_hint(int64_t ret)
{
    switch (ret) {
    case -EBADMSG:
        return "the state is not this guest's, or sealed with another key";
    case -ESTALE:
        return "the state is not newer than what that host has seen";
    case -EINVAL:
        return "the guest has other devices there, or lacks the output that "
               "was sent ahead";
    case -EPERM:
        return agent_allow_snapshots;
    case -EBUSY:
        return runstate_check(RUN_STATE_INMIGRATE)
               ? "the guest does not wait for its state there; give its "
                 "shadow-guest incoming=on" : agent_allow_snapshots;
    case -EIO:
        return "that host failed; its operator sees why";
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
                     "'%s': %s", a->guest, shadow_agent_restore_hint(ret));
        return ret;
    }
    a->restored = true;
    a->resync = true;
    shadow_agent_poll(a);
    return 0;
}

static bool agent_envelope_len_valid(void *opaque, int version_id)
{
    return SHADOW_AGENT(opaque)->envelope_len <= SHADOW_AGENT_ENVELOPE_MAX;
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

/*
 * Who waits for the migration's end learns of it before the notifier does, and
 * may end this QEMU at once: the other host has the guest all the same.
 */
static void agent_shutdown(Notifier *n, void *data)
{
    ShadowAgent *a = container_of(n, ShadowAgent, shutdown);

    if (agent_has_moved(a, *(ShutdownCause *)data)) {
        agent_end_migration(a, ULTRACALL_COMMIT);
    }
}

/*
 * In the CPR modes (checkpoint and restart) another process goes on with the
 * machine's memory, and nothing tells the agent how that ended.
 */
static bool agent_refuse_cpr(ShadowAgent *a, Error **errp)
{
    error_setg(&a->no_cpr, "shadow-agent: the console of '%s' moves with a "
               "migration in mode 'normal' only", a->guest);
    return shadow_block_cpr(&a->no_cpr, errp) == 0;
}

/* Its memory is in the outer QEMU, which may not be able to give it. */
static bool agent_refuse_private(ShadowAgent *a, Error **errp)
{
    if (!a->private_memory || a->client.features & ULTRACALL_F_PAGES) {
        return true;
    }
    error_setg(&a->no_migration, "shadow-agent: '%s' has private memory, which "
               "cannot leave an outer QEMU as old as this one", a->guest);
    return migrate_add_blocker(&a->no_migration, errp) == 0;
}

bool shadow_agent_migration_start(ShadowAgent *a, Error **errp)
{
    if (!agent_refuse_cpr(a, errp) || !agent_refuse_private(a, errp)) {
        return false;
    }
    a->retry = timer_new_ms(QEMU_CLOCK_REALTIME, agent_retry, a);
    a->shutdown.notify = agent_shutdown;
    qemu_register_shutdown_notifier(&a->shutdown);
    migration_add_notifier(&a->migration, agent_migration_event);
    qemu_add_vm_change_state_handler(agent_vm_state, a);
    return true;
}
