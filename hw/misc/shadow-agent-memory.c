/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's private memory, which the outer QEMU has, in the migration stream
 * of the nested guest: sealed there, and carried like RAM.
 *
 * A live section, of items: what it is (32 bits, big-endian), its length (32
 * bits), its bytes.  The first one is the session's envelope, or the end of all
 * if the guest has no private memory yet.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/qemu-file-types.h"
#include "migration/register.h"
#include "qemu/error-report.h"
#include "shadow/hw/misc/shadow-agent.h"
#include "shadow/hw/misc/shadow-agent-throttle.h"

#define MEMORY_ID       TYPE_SHADOW_AGENT "-memory"
#define MEMORY_VERSION  1

#define MEMORY_PAGE     (4 * KiB)

/* As QEMU's own RAM has it: between two of these it looks how things stand. */
#define MEMORY_TURN_US  (50 * 1000)

/* More than QEMU would ever stop the guest for */
#define MEMORY_TOO_MUCH (1 * PiB)

enum {
    ITEM_END,
    ITEM_SESSION,
    ITEM_RECORD,
};

static bool memory_is_active(void *opaque)
{
    ShadowAgent *a = opaque;

    return a->private_memory && !a->hypervisor->is_snapshot();
}

static void memory_put(QEMUFile *f, uint32_t what, const uint8_t *data,
                       uint64_t len)
{
    qemu_put_be32(f, what);
    qemu_put_be32(f, len);
    qemu_put_buffer(f, data, len);
}

static int64_t memory_call(ShadowAgent *a, uint64_t what, size_t len,
                           uint64_t *value)
{
    return shadow_agent_call_settled(a, ULTRACALL_PAGES, what, a->record, len,
                                     value);
}

static int memory_failed(ShadowAgent *a, int64_t ret, Error **errp)
{
    error_setg(errp, "shadow-agent: the outer QEMU did not give the private "
               "memory of '%s': %s", a->guest, strerror(-ret));
    return ret;
}

static int memory_report(ShadowAgent *a, int64_t ret)
{
    Error *err = NULL;

    ret = memory_failed(a, ret, &err);
    error_report_err(err);
    return ret;
}

/* How many pages are to be sent, with those that were written to meanwhile */
static int memory_count(ShadowAgent *a)
{
    int64_t ret = memory_call(a, ULTRACALL_PAGES_UNSENT, 0, &a->unsent);

    return ret ? memory_report(a, ret) : 0;
}

static int memory_save_setup(QEMUFile *f, void *opaque, Error **errp)
{
    ShadowAgent *a = opaque;
    uint64_t len = 0;
    int64_t ret;

    a->record = g_try_malloc(ULTRACALL_RECORD_MAX);
    if (!a->record) {
        return memory_failed(a, -ENOMEM, errp);
    }
    ret = shadow_agent_call_flags(a, ULTRACALL_SAVE, ULTRACALL_SAVE_PAGES,
                                  a->room, a->room_len, &len);
    a->sends_memory = !ret;
    if (ret && ret != -EOPNOTSUPP) {
        return memory_failed(a, ret, errp);
    }
    memory_put(f, ret ? ITEM_END : ITEM_SESSION, a->room, ret ? 0 : len);
    a->unsent = 0;
    if (!ret) {
        memory_put(f, ITEM_END, NULL, 0);
        ret = memory_call(a, ULTRACALL_PAGES_UNSENT, 0, &a->unsent);
        if (ret) {
            return memory_failed(a, ret, errp);
        }
        shadow_agent_throttle_start(a);
    }
    return 0;
}

/* In a migration that fails there is a session still. */
static void memory_save_cleanup(void *opaque)
{
    ShadowAgent *a = opaque;

    if (a->sends_memory) {
        shadow_agent_throttle_stop(a);
        memory_call(a, ULTRACALL_PAGES_END, 0, NULL);
        a->sends_memory = false;
    }
    g_clear_pointer(&a->record, g_free);
}

/*
 * Returns 1 when nothing is left of what was last counted, 0 after a record, or
 * a negative errno.
 */
static int memory_export(ShadowAgent *a, QEMUFile *f)
{
    uint64_t len = 0;
    int64_t ret = memory_call(a, ULTRACALL_PAGES_EXPORT, ULTRACALL_RECORD_MAX,
                              &len);

    if (ret) {
        return memory_report(a, ret);
    }
    if (!len) {
        a->unsent = 0;
        return 1;
    }
    memory_put(f, ITEM_RECORD, a->record, len);
    a->unsent -= MIN(a->unsent, len / MEMORY_PAGE);
    shadow_agent_throttle_sent(a, len);
    return 0;
}

static int memory_save_iterate(QEMUFile *f, void *opaque)
{
    ShadowAgent *a = opaque;
    int64_t end = g_get_monotonic_time() + MEMORY_TURN_US;
    int ret = !a->sends_memory;

    while (!ret && !migration_rate_exceeded(f) &&
           g_get_monotonic_time() < end) {
        ret = memory_export(a, f);
    }
    memory_put(f, ITEM_END, NULL, 0);
    return ret;
}

static int memory_save_complete(QEMUFile *f, void *opaque)
{
    ShadowAgent *a = opaque;
    int ret = a->sends_memory ? memory_count(a) : 1;

    if (!ret) {
        shadow_agent_throttle_stopped(a);
    }
    while (!ret) {
        ret = memory_export(a, f);
    }
    memory_put(f, ITEM_END, NULL, 0);
    return MIN(ret, 0);
}

static void memory_pending(void *opaque, uint64_t *must_precopy,
                           uint64_t *can_postcopy)
{
    ShadowAgent *a = opaque;

    *must_precopy += a->unsent * MEMORY_PAGE;
}

static void memory_pending_exact(void *opaque, uint64_t *must_precopy,
                                 uint64_t *can_postcopy)
{
    ShadowAgent *a = opaque;

    if (a->sends_memory &&
        !memory_call(a, ULTRACALL_PAGES_UNSENT, 0, &a->unsent)) {
        shadow_agent_throttle_round(a);
        if (shadow_agent_throttle_holds(a)) {
            *must_precopy += MEMORY_TOO_MUCH;
        }
    }
    memory_pending(opaque, must_precopy, can_postcopy);
}

static int memory_take(ShadowAgent *a, uint32_t what, uint8_t *data,
                       uint32_t len)
{
    int64_t ret = what == ITEM_SESSION
                  ? shadow_agent_call(a, ULTRACALL_RESTORE, data, len, NULL)
                  : shadow_agent_call_flags(a, ULTRACALL_PAGES,
                                            ULTRACALL_PAGES_IMPORT, data, len,
                                            NULL);

    if (ret) {
        error_report("shadow-agent: the outer QEMU refused the private memory "
                     "of '%s': %s", a->guest, shadow_agent_restore_hint(ret));
    }
    return ret;
}

/* Returns 1 at the end of the section. */
static int memory_load_item(ShadowAgent *a, QEMUFile *f)
{
    uint32_t what = qemu_get_be32(f), len = qemu_get_be32(f);
    g_autofree uint8_t *data = NULL;

    if (what == ITEM_END && !len) {
        return qemu_file_get_error(f) ?: 1;
    }
    if ((what != ITEM_SESSION && what != ITEM_RECORD) ||
        len > (what == ITEM_SESSION ? SHADOW_AGENT_ENVELOPE_MAX
                                    : ULTRACALL_RECORD_MAX)) {
        error_report("shadow-agent: not a section of private memory");
        return -EINVAL;
    }
    data = g_try_malloc(len);
    if (len && !data) {
        return -ENOMEM;
    }
    if (qemu_get_buffer(f, data, len) != len) {
        return -EIO;
    }
    return memory_take(a, what, data, len);
}

static int memory_load_state(QEMUFile *f, void *opaque, int version_id)
{
    ShadowAgent *a = opaque;
    int ret = version_id == MEMORY_VERSION ? 0 : -EINVAL;

    if (!ret && !(a->client.features & ULTRACALL_F_PAGES)) {
        error_report("shadow-agent: the outer QEMU is too old for private "
                     "memory that arrives");
        return -ENOTSUP;
    }
    while (!ret) {
        ret = memory_load_item(a, f);
    }
    return MIN(ret, 0);
}

static const SaveVMHandlers memory_handlers = {
    .is_active = memory_is_active,
    .save_setup = memory_save_setup,
    .save_cleanup = memory_save_cleanup,
    .save_live_iterate = memory_save_iterate,
    .save_live_complete_precopy = memory_save_complete,
    .state_pending_estimate = memory_pending,
    .state_pending_exact = memory_pending_exact,
    .load_state = memory_load_state,
};

void shadow_agent_memory_start(ShadowAgent *a)
{
    register_savevm_live(MEMORY_ID, 0, MEMORY_VERSION, &memory_handlers, a);
}
