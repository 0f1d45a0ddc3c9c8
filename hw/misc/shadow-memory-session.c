/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory on its way to another host.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "shadow/hw/misc/shadow-memory-session.h"
#include "shadow/migration/shadow-secret.h"

/* All fields big-endian */
typedef struct SessionSecret {
    uint64_t size;
    uint8_t id[SHADOW_STREAM_ID_LEN];
    uint8_t key[SHADOW_STREAM_KEY_LEN];
} SessionSecret;

QEMU_BUILD_BUG_ON(sizeof(SessionSecret) != SHADOW_SESSION_LEN);

static uint64_t last_number;

static bool session_start(ShadowSession *s, MemoryRegion *ram,
                          const SessionSecret *secret, Error **errp)
{
    s->stream = shadow_stream_new(secret->key, secret->id);
    if (!s->stream) {
        error_setg(errp, "libgcrypt failed to make a session's key ready");
        return false;
    }
    s->ram = ram;
    s->number = ++last_number;
    return true;
}

bool shadow_session_begin(ShadowSession *s, MemoryRegion *ram,
                          uint8_t secret[SHADOW_SESSION_LEN], Error **errp)
{
    uint64_t size = memory_region_size(ram);
    SessionSecret mine = { .size = cpu_to_be64(size) };
    bool ok;

    shadow_session_end(s);
    if (!shadow_random(mine.id, sizeof(mine.id)) ||
        !shadow_random(mine.key, sizeof(mine.key))) {
        error_setg_errno(errp, errno, "no key for a session");
        return false;
    }
    if (!shadow_pages_init(&s->pages, size / SHADOW_PAGE)) {
        error_setg(errp, "there is no memory for a session");
        return false;
    }
    ok = session_start(s, ram, &mine, errp);
    if (ok) {
        memcpy(secret, &mine, sizeof(mine));
    } else {
        shadow_pages_destroy(&s->pages);
    }
    shadow_wipe(&mine, sizeof(mine));
    return ok;
}

bool shadow_session_accept(ShadowSession *s, MemoryRegion *ram,
                           const uint8_t *secret, size_t len, Error **errp)
{
    SessionSecret theirs;
    bool ok;

    shadow_session_end(s);
    if (len < sizeof(theirs)) {
        error_setg(errp, "the session is cut short");
        return false;
    }
    memcpy(&theirs, secret, sizeof(theirs));
    ok = be64_to_cpu(theirs.size) == memory_region_size(ram);
    if (!ok) {
        error_setg(errp, "the guest has %" PRIu64 " bytes of private memory "
                   "there, and %" PRIu64 " here", be64_to_cpu(theirs.size),
                   (uint64_t)memory_region_size(ram));
    }
    ok = ok && session_start(s, ram, &theirs, errp);
    shadow_wipe(&theirs, sizeof(theirs));
    return ok;
}

void shadow_session_end(ShadowSession *s)
{
    shadow_pages_destroy(&s->pages);
    shadow_stream_free(s->stream);
    *s = (ShadowSession) { };
}

void shadow_session_note(ShadowSession *s, DirtyBitmapSnapshot *written)
{
    for (uint64_t page = 0; page < s->pages.n; page++) {
        if (memory_region_snapshot_get_dirty(s->ram, written,
                                             page * SHADOW_PAGE, SHADOW_PAGE)) {
            shadow_pages_add(&s->pages, page);
        }
    }
}

/* How many pages a record of @len bytes has room for */
static unsigned session_fits(size_t len)
{
    size_t around = SHADOW_STREAM_HEADER_LEN + SHADOW_STREAM_TAG_LEN;
    size_t body = len < around ? 0 :
                  ROUND_DOWN(len - around, SHADOW_STREAM_CLASS);

    return body ? MIN((body - SHADOW_PAGES_SIZE(0)) / SHADOW_PAGE,
                      SHADOW_PAGES_DATA_MAX) : 0;
}

int shadow_session_export(ShadowSession *s, uint8_t *record, size_t *len,
                          Error **errp)
{
    unsigned fits = session_fits(*len);
    size_t body;

    if (!fits) {
        error_setg(errp, "%zu bytes have no room for a page", *len);
        return -ENOSPC;
    }
    body = shadow_pages_take(&s->pages, memory_region_get_ram_ptr(s->ram),
                             fits, record + SHADOW_STREAM_HEADER_LEN);
    if (!body) {
        *len = 0;
        return 0;
    }
    if (!shadow_stream_seal(s->stream, record, body)) {
        /* they count as sent, and will not be */
        shadow_session_end(s);
        error_setg(errp, "libgcrypt failed to seal pages");
        return -EIO;
    }
    *len = shadow_stream_size(body);
    return 0;
}

static void session_put(void *opaque, uint64_t first, unsigned n,
                        const uint8_t *data)
{
    ShadowPrivate *p = opaque;
    uint64_t at = first * SHADOW_PAGE;

    if (data) {
        shadow_private_write(p, at, data, n * SHADOW_PAGE);
    } else {
        shadow_private_clear(p, at, n * SHADOW_PAGE);
    }
}

int shadow_session_import(ShadowSession *s, ShadowPrivate *p, uint8_t *record,
                          size_t len, Error **errp)
{
    size_t body_len;
    uint8_t *body = shadow_stream_open(s->stream, record, len, &body_len, errp);
    bool ok;

    if (!body) {
        return -EBADMSG;
    }
    ok = shadow_pages_give(memory_region_size(s->ram) / SHADOW_PAGE, body,
                           body_len, session_put, p);
    shadow_wipe(body, body_len);
    if (!ok) {
        /* it counts as opened, and its pages are not there */
        shadow_session_end(s);
        error_setg(errp, "a record of private memory is refused: its pages "
                   "are not of this memory");
        return -EBADMSG;
    }
    return 0;
}
