/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The greater part of a shadow guest's sealed state, its output, in the
 * migration stream while the nested guest still runs.
 *
 * A section of its own, that is written once, when the migration is set up:
 * the length of an envelope (32 bits, big-endian), and the envelope.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/qemu-file-types.h"
#include "migration/register.h"
#include "qemu/error-report.h"
#include "shadow/hw/misc/shadow-agent.h"

#define HISTORY_ID      TYPE_SHADOW_AGENT "-history"
#define HISTORY_VERSION 1

static bool history_is_active(void *opaque)
{
    ShadowAgent *a = opaque;

    return a->history_ahead && a->client.features & ULTRACALL_F_HISTORY &&
           !a->hypervisor->is_snapshot();
}

/*
 * Into the room that was made just before.  What cannot be sent ahead is not
 * missed: all goes with the state then.
 */
static int history_save_setup(QEMUFile *f, void *opaque, Error **errp)
{
    ShadowAgent *a = opaque;
    uint64_t len;
    int64_t ret = shadow_agent_call_flags(a, ULTRACALL_SAVE,
                                          ULTRACALL_SAVE_HISTORY, a->room,
                                          a->room_len, &len);

    a->sent_ahead = !ret;
    if (ret) {
        len = 0;
    }
    qemu_put_be32(f, len);
    qemu_put_buffer(f, a->room, len);
    return 0;
}

static void history_save_cleanup(void *opaque)
{
    ShadowAgent *a = opaque;

    a->sent_ahead = false;
    g_clear_pointer(&a->room, g_free);
    a->room_len = 0;
}

static int history_take(ShadowAgent *a, uint8_t *envelope, uint32_t len)
{
    int64_t ret;

    if (!(a->client.features & ULTRACALL_F_HISTORY)) {
        error_report("shadow-agent: the outer QEMU is too old for output that "
                     "is sent ahead; give the shadow-agent of '%s' at the "
                     "other host history-ahead=off", a->guest);
        return -ENOTSUP;
    }
    ret = shadow_agent_call(a, ULTRACALL_RESTORE, envelope, len, NULL);
    if (ret) {
        error_report("shadow-agent: the outer QEMU refused the output of "
                     "'%s': %s", a->guest, shadow_agent_restore_hint(ret));
    }
    return ret;
}

static int history_load_state(QEMUFile *f, void *opaque, int version_id)
{
    uint32_t len = qemu_get_be32(f);
    g_autofree uint8_t *envelope = NULL;

    if (version_id != HISTORY_VERSION || len > SHADOW_AGENT_ENVELOPE_MAX) {
        error_report("shadow-agent: not a section of output");
        return -EINVAL;
    }
    if (!len) {
        return 0;
    }
    envelope = g_try_malloc(len);
    if (!envelope) {
        return -ENOMEM;
    }
    if (qemu_get_buffer(f, envelope, len) != len) {
        return -EIO;
    }
    return history_take(opaque, envelope, len);
}

static const SaveVMHandlers history_handlers = {
    .is_active = history_is_active,
    .save_setup = history_save_setup,
    .save_cleanup = history_save_cleanup,
    .load_state = history_load_state,
};

void shadow_agent_history_start(ShadowAgent *a)
{
    register_savevm_live(HISTORY_ID, 0, HISTORY_VERSION, &history_handlers, a);
}
