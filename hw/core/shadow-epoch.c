/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host must not forget of a guest, in a file.
 *
 * Format 2: "epoch" is the newest that was accepted, or sealed into a state
 * that left; "reserved" is as high as any that was sealed at all; "where" is
 * "here" or "away".  Format 1, which is read too, has a boolean "gone" instead
 * of the last two, and all epochs in "epoch".
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "shadow/hw/core/shadow-epoch.h"
#include "shadow/trace.h"

#define EPOCH_GROUP "shadow-guest"
#define EPOCH_FORMAT 2

/* How many envelopes are sealed between two writes */
#define EPOCH_RESERVE 1024

static bool epoch_write(ShadowGuest *g, uint64_t epoch, bool away,
                        Error **errp)
{
    uint64_t used = MAX(epoch, g->epoch);
    uint64_t reserved = away ? used :
                        used + MIN(EPOCH_RESERVE, UINT64_MAX - used);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;
    gsize len;

    g_key_file_set_integer(file, EPOCH_GROUP, "format", EPOCH_FORMAT);
    g_key_file_set_string(file, EPOCH_GROUP, "id", g->id);
    g_key_file_set_uint64(file, EPOCH_GROUP, "epoch", epoch);
    g_key_file_set_uint64(file, EPOCH_GROUP, "reserved", reserved);
    g_key_file_set_string(file, EPOCH_GROUP, "where", away ? "away" : "here");
    text = g_key_file_to_data(file, &len, NULL);
    if (!g_file_set_contents_full(g->state_file, text, len,
                                  G_FILE_SET_CONTENTS_CONSISTENT |
                                  G_FILE_SET_CONTENTS_DURABLE, 0600, &err)) {
        error_setg(errp, "cannot keep the epoch: %s", err->message);
        return false;
    }
    g->kept.epoch = epoch;
    g->kept.reserved = reserved;
    g->kept.away = away;
    trace_shadow_epoch_store(g->id, epoch, reserved, away);
    return true;
}

bool shadow_epoch_store(ShadowGuest *g, uint64_t epoch, bool away,
                        Error **errp)
{
    if (!g->state_file || (away == g->kept.away &&
                           (away ? epoch == g->kept.epoch
                                 : epoch <= g->kept.reserved))) {
        return true;
    }
    return epoch_write(g, epoch, away, errp);
}

/*
 * GLib would take a number that is too large for the largest, and the C library
 * one that is too small.
 */
static bool epoch_get_number(GKeyFile *file, const char *key, uint64_t *val,
                             GError **err)
{
    g_autofree char *text = g_key_file_get_string(file, EPOCH_GROUP, key, err);

    if (text && (!g_ascii_isdigit(text[0]) ||
                 qemu_strtou64(text, NULL, 10, val) < 0)) {
        g_set_error(err, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                    "no %s is '%s'", key, text);
        return false;
    }
    return text;
}

static bool epoch_get_where(GKeyFile *file, bool *away, GError **err)
{
    g_autofree char *where = g_key_file_get_string(file, EPOCH_GROUP, "where",
                                                   err);

    if (!where) {
        return false;
    }
    *away = g_str_equal(where, "away");
    if (!*away && !g_str_equal(where, "here")) {
        g_set_error(err, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                    "nowhere is '%s'", where);
        return false;
    }
    return true;
}

/* All that comes after format and id */
static bool epoch_get_rest(GKeyFile *file, int format, ShadowKept *kept,
                           GError **err)
{
    if (!epoch_get_number(file, "epoch", &kept->epoch, err)) {
        return false;
    }
    if (format == 1) {
        GError *local = NULL;

        kept->reserved = kept->epoch;
        kept->away = g_key_file_get_boolean(file, EPOCH_GROUP, "gone", &local);
        if (local) {
            g_propagate_error(err, local);
        }
        return !local;
    }
    if (!epoch_get_number(file, "reserved", &kept->reserved, err) ||
        !epoch_get_where(file, &kept->away, err)) {
        return false;
    }
    if (kept->reserved < kept->epoch) {
        g_set_error(err, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                    "less is reserved than was used");
        return false;
    }
    return true;
}

/*
 * What was reserved may have been sealed by this host, but not by another: what
 * arrives need not be newer than that.  A guest that has never been anywhere
 * still waits.
 */
static void epoch_begin(ShadowGuest *g)
{
    g->epoch = g->kept.reserved;
    g->accepted = g->kept.epoch;
    if (g->kept.away && !(g->incoming && !g->epoch)) {
        g->state = SHADOW_GUEST_STATE_GONE;
    }
}

static bool epoch_read(ShadowGuest *g, Error **errp)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) err = NULL;
    g_autofree char *id = NULL;
    ShadowKept kept = { };
    int format = 0;

    /* each reads only if all before it went well */
    (void)(g_key_file_load_from_file(file, g->state_file, G_KEY_FILE_NONE,
                                     &err) &&
           (format = g_key_file_get_integer(file, EPOCH_GROUP, "format",
                                            &err), !err) &&
           (id = g_key_file_get_string(file, EPOCH_GROUP, "id", &err)));
    if (!err && (format < 1 || format > EPOCH_FORMAT || strcmp(id, g->id))) {
        error_setg(errp, "'%s' is not the state file of shadow-guest '%s'",
                   g->state_file, g->id);
        return false;
    }
    if (err || !epoch_get_rest(file, format, &kept, &err)) {
        error_setg(errp, "'%s' is damaged: %s", g->state_file, err->message);
        return false;
    }
    g->kept = kept;
    epoch_begin(g);
    return true;
}

bool shadow_epoch_load(ShadowGuest *g, Error **errp)
{
    if (!g->state_file) {
        return true;
    }
    if (access(g->state_file, F_OK) < 0 && errno == ENOENT) {
        return epoch_write(g, 0, g->incoming, errp);
    }
    return epoch_read(g, errp);
}
