/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host must not forget of a guest, in a file.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "shadow/hw/core/shadow-epoch.h"
#include "shadow/trace.h"

#define EPOCH_GROUP "shadow-guest"
#define EPOCH_FORMAT 1

static bool epoch_write(ShadowGuest *g, uint64_t epoch, bool gone,
                        Error **errp)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;
    gsize len;

    g_key_file_set_integer(file, EPOCH_GROUP, "format", EPOCH_FORMAT);
    g_key_file_set_string(file, EPOCH_GROUP, "id", g->id);
    g_key_file_set_uint64(file, EPOCH_GROUP, "epoch", epoch);
    g_key_file_set_boolean(file, EPOCH_GROUP, "gone", gone);
    text = g_key_file_to_data(file, &len, NULL);
    if (!g_file_set_contents_full(g->state_file, text, len,
                                  G_FILE_SET_CONTENTS_CONSISTENT |
                                  G_FILE_SET_CONTENTS_DURABLE, 0600, &err)) {
        error_setg(errp, "cannot keep the epoch: %s", err->message);
        return false;
    }
    trace_shadow_epoch_store(g->id, epoch, gone);
    return true;
}

bool shadow_epoch_store(ShadowGuest *g, uint64_t epoch, bool gone,
                        Error **errp)
{
    return !g->state_file || epoch_write(g, epoch, gone, errp);
}

static bool epoch_read(ShadowGuest *g, Error **errp)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) err = NULL;
    g_autofree char *id = NULL;
    g_autofree char *number = NULL;
    uint64_t epoch = 0;
    bool gone = false;
    int format = 0;

    /* each reads only if all before it went well */
    (void)(g_key_file_load_from_file(file, g->state_file, G_KEY_FILE_NONE,
                                     &err) &&
           (format = g_key_file_get_integer(file, EPOCH_GROUP, "format",
                                            &err), !err) &&
           (id = g_key_file_get_string(file, EPOCH_GROUP, "id", &err)) &&
           (number = g_key_file_get_string(file, EPOCH_GROUP, "epoch",
                                           &err)) &&
           (gone = g_key_file_get_boolean(file, EPOCH_GROUP, "gone", &err)));
    if (err) {
        error_setg(errp, "'%s' is damaged: %s", g->state_file, err->message);
        return false;
    }
    /* GLib would take a number that is too large for the largest */
    if (qemu_strtou64(number, NULL, 10, &epoch) < 0) {
        error_setg(errp, "'%s' is damaged: no epoch is '%s'", g->state_file,
                   number);
        return false;
    }
    if (format != EPOCH_FORMAT || strcmp(id, g->id)) {
        error_setg(errp, "'%s' is not the state file of shadow-guest '%s'",
                   g->state_file, g->id);
        return false;
    }
    g->epoch = epoch;
    if (gone) {
        g->state = SHADOW_GUEST_STATE_GONE;
    }
    return true;
}

bool shadow_epoch_load(ShadowGuest *g, Error **errp)
{
    if (!g->state_file) {
        return true;
    }
    if (access(g->state_file, F_OK) < 0 && errno == ENOENT) {
        return epoch_write(g, 0, false, errp);
    }
    return epoch_read(g, errp);
}
