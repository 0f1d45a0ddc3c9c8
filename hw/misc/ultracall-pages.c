/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: pages of private memory, to another host.
 *
 * Records are sealed and opened in memory that the cloud VM does not have, as
 * envelopes are: see call_save().
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/hw/core/shadow-tell.h"
#include "shadow/hw/misc/shadow-memory.h"
#include "shadow/hw/misc/shadow-memory-session.h"
#include "shadow/hw/misc/ultracall-call.h"
#include "shadow/migration/shadow-scratch.h"

QEMU_BUILD_BUG_ON(ULTRACALL_RECORD_MAX != SHADOW_STREAM_HEADER_LEN +
                  SHADOW_STREAM_BODY_MAX + SHADOW_STREAM_TAG_LEN);
QEMU_BUILD_BUG_ON(SHADOW_PAGES_SIZE(SHADOW_PAGES_DATA_MAX) >
                  SHADOW_STREAM_BODY_MAX);

static int pages_export(UltracallCall *call)
{
    uint8_t *record = shadow_scratch_take(SHADOW_SCRATCH_ENVELOPE,
                                          ULTRACALL_RECORD_MAX);
    size_t len = MIN(call->len, ULTRACALL_RECORD_MAX);
    Error *err = NULL;
    int ret;

    if (!record) {
        return -ENOMEM;
    }
    ret = shadow_memory_export(call->guest, record, &len, &err);
    if (!ret) {
        ultracall_write(call, record, len);
    }
    /* what did not become a record was wiped */
    shadow_scratch_give(SHADOW_SCRATCH_ENVELOPE, 0);
    if (ret == -EAGAIN) {
        return ret;
    }
    return ret ? shadow_guest_refuse(call->guest, ret, err, NULL) : 0;
}

/* An envelope of another guest may be in the scratch memory just now. */
static int pages_import(UltracallCall *call)
{
    uint8_t *scratch = shadow_scratch_take(SHADOW_SCRATCH_ARRIVAL, call->len);
    g_autofree uint8_t *own = scratch ? NULL : g_try_malloc(MAX(call->len, 1));
    uint8_t *record = scratch ?: own;
    Error *err = NULL;
    int ret;

    if (!record) {
        return -ENOMEM;
    }
    iov_to_buf(call->buf.iov, call->buf.n, 0, record, call->len);
    ret = shadow_memory_import(call->guest, record, call->len, &err);
    if (scratch) {
        shadow_scratch_give(SHADOW_SCRATCH_ARRIVAL, 0);
    }
    return ret ? shadow_guest_refuse(call->guest, ret, err, NULL) : 0;
}

int ultracall_pages(UltracallCall *call)
{
    int64_t unsent;

    switch (call->flags) {
    case ULTRACALL_PAGES_EXPORT:
        return pages_export(call);
    case ULTRACALL_PAGES_IMPORT:
        return pages_import(call);
    case ULTRACALL_PAGES_UNSENT:
        unsent = shadow_memory_unsent(call->guest);
        call->value = MAX(unsent, 0);
        return MIN(unsent, 0);
    case ULTRACALL_PAGES_END:
        return shadow_memory_end_session(call->guest);
    default:
        return -EINVAL;
    }
}
