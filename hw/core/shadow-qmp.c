/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow guests for the operator of this QEMU: QMP and HMP.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "qapi/qapi-commands-shadow.h"
#include "qapi/type-helpers.h"
#include "qom/object_interfaces.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qemu/coroutine.h"
#include "qemu/cutils.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/core/shadow-keys.h"

#define MOVED_TO_MAX 256

static ShadowGuest *qmp_find_guest(const char *id, Error **errp)
{
    ShadowGuest *g = shadow_guest_find(id);

    if (!g) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "there is no shadow-guest '%s'", id);
    }
    return g;
}

static void qmp_query_one(ShadowGuest *g, void *opaque)
{
    ShadowGuestInfoList **list = opaque;

    QAPI_LIST_PREPEND(*list, shadow_guest_query(g));
}

ShadowGuestInfoList *qmp_query_shadow_guests(Error **errp)
{
    ShadowGuestInfoList *list = NULL;

    shadow_guest_foreach(qmp_query_one, &list);
    return list;
}

static void hmp_print_client(GString *buf, ShadowDoorClientInfo *c)
{
    g_autoptr(GDateTime) since = g_date_time_new_from_unix_utc(c->since);
    g_autofree char *time = since ?
        g_date_time_format(since, "%Y-%m-%d %H:%M:%S") : g_strdup("?");

    g_string_append_printf(buf, "    client %u: %s%s%s%s%s, %s since %s UTC, "
                           "output up to %" PRIu64 ", %" PRIu64 " dropped%s\n",
                           c->client, c->name, *c->name ? " " : "", c->peer,
                           c->door ? " at " : "", c->door ?: "",
                           ShadowDoorRole_str(c->role), time, c->position,
                           c->dropped, c->keyboard ? ", has the keyboard" : "");
}

static void hmp_print_device(GString *buf, ShadowDeviceInfo *d)
{
    uint8List *irq;

    g_string_append_printf(buf, "  %s: port 0x%x", d->id, d->iobase);
    for (irq = d->irqs; irq; irq = irq->next) {
        g_string_append_printf(buf, " irq %u", irq->value);
    }
    g_string_append_printf(buf, ", user %s%s\n",
                           d->connected ? "connected" : "not connected",
                           d->input_enabled ? "" : ", takes no input");
    g_string_append_printf(buf, "    input:  %" PRIu64 " accepted, %" PRIu64
                           " taken\n", d->input_accepted, d->input_taken);
    g_string_append_printf(buf, "    output: %" PRIu64 " produced, %" PRIu64
                           " sent, %" PRIu64 " dropped, history from %" PRIu64
                           "\n", d->output_produced, d->output_sent,
                           d->output_dropped, d->output_start);
    for (ShadowDoorClientInfoList *c = d->clients; c; c = c->next) {
        hmp_print_client(buf, c->value);
    }
}

static void hmp_print_memory(GString *buf, const ShadowMemoryInfo *m)
{
    g_string_append_printf(buf, "  private memory: %" PRIu64 " MiB, %s, %u "
                           "virtual CPUs, %" PRIu64 " entries refused\n",
                           m->size / MiB,
                           !m->launched ? "not launched" :
                           m->sealed ? "launched" : "not sealed", m->vcpus,
                           m->refused);
    if (m->measurement) {
        g_string_append_printf(buf, "    sha256 %s\n", m->measurement);
    } else {
        g_string_append_printf(buf, "    imported, %" PRIu64 " pages\n",
                               m->imported);
    }
}

HumanReadableText *qmp_x_query_shadow(Error **errp)
{
    g_autoptr(GString) buf = g_string_new("");
    g_autoptr(ShadowGuestInfoList) list = qmp_query_shadow_guests(errp);

    for (ShadowGuestInfoList *l = list; l; l = l->next) {
        ShadowGuestInfo *g = l->value;

        g_string_append_printf(buf, "%s: %s%s%s%s%s, protection %s, epoch %"
                               PRIu64 ", %" PRIu64 " calls, %" PRIu64
                               " port accesses\n", g->id,
                               ShadowGuestState_str(g->state),
                               g->bound_by_process ? ", bound by process" : "",
                               g->bound_by_tag ? ", bound by tag" : "",
                               g->bound_by_claim ? ", bound by claim" : "",
                               g->claimed ? ", claimed" : "",
                               ShadowProtection_str(g->protection),
                               g->epoch, g->calls, g->accesses);
        if (g->breaks) {
            g_string_append_printf(buf, "  protection was broken: %" PRIu64
                                   "\n", g->breaks);
        }
        if (g->snapshots || g->snapshots_saved || g->snapshots_restored) {
            g_string_append_printf(buf, "  snapshots %s: %" PRIu64 " saved, %"
                                   PRIu64 " restored\n",
                                   g->snapshots ? "allowed" : "refused",
                                   g->snapshots_saved, g->snapshots_restored);
        }
        if (g->memory) {
            hmp_print_memory(buf, g->memory);
        }
        for (ShadowDeviceInfoList *d = g->devices; d; d = d->next) {
            hmp_print_device(buf, d->value);
        }
    }
    return human_readable_text_from_str(buf);
}

/*
 * The guest may be removed while we wait for its input to come to rest, or a
 * device of it: *@size is how much room there is, and then how much was sealed.
 */
static int coroutine_fn qmp_save(const char *guest, uint8_t *envelope,
                                 size_t *size, Error **errp)
{
    for (;;) {
        ShadowGuest *g = qmp_find_guest(guest, errp);
        Error *err = NULL;
        int ret = g ? shadow_guest_save(g, SHADOW_SAVE_ALL, envelope, size,
                                        &err) : -ENOENT;

        if (ret != -EAGAIN) {
            error_propagate(errp, err);
            return ret;
        }
        error_free(err);
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, SCALE_MS);
    }
}

/*
 * The file is made before the guest is frozen, so that a full disk or a
 * missing folder costs nothing but an error.
 */
void coroutine_fn qmp_shadow_state_save(const char *guest, const char *file,
                                        Error **errp)
{
    ShadowGuest *g = qmp_find_guest(guest, errp);
    g_autofree uint8_t *envelope = NULL;
    bool ok = false;
    size_t size;
    int fd, ret;

    if (!g) {
        return;
    }
    size = shadow_guest_envelope_size(g);
    fd = qemu_open_old(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot create '%s'", file);
        return;
    }
    envelope = g_malloc0(size);
    ret = posix_fallocate(fd, 0, size);
    if (ret) {
        error_setg_errno(errp, ret, "cannot write %zu bytes to '%s'", size,
                         file);
    } else if (qmp_save(guest, envelope, &size, errp) == 0) {
        ok = qemu_write_full(fd, envelope, size) == size &&
             !ftruncate(fd, size) && !qemu_fdatasync(fd);
        if (!ok) {
            error_setg_errno(errp, errno, "cannot write '%s'", file);
            shadow_guest_abort(shadow_guest_find(guest), NULL);
        }
    }
    close(fd);
    if (!ok) {
        unlink(file);
    }
}

void qmp_shadow_state_restore(const char *guest, const char *file,
                              Error **errp)
{
    ShadowGuest *g = qmp_find_guest(guest, errp);
    g_autofree char *envelope = NULL;
    g_autoptr(GError) gerr = NULL;
    struct stat st;
    gsize len;

    if (!g) {
        return;
    }
    if (stat(file, &st) < 0) {
        error_setg_errno(errp, errno, "cannot read '%s'", file);
    } else if (!S_ISREG(st.st_mode) || st.st_size > SHADOW_SEAL_MAX_SIZE) {
        error_setg(errp, "'%s' is not an envelope", file);
    } else if (!g_file_get_contents(file, &envelope, &len, &gerr)) {
        error_setg(errp, "%s", gerr->message);
    } else {
        struct iovec iov = { envelope, len };

        shadow_guest_restore(g, &(ShadowArrival) {
            .iov = &iov,
            .n_iov = 1,
            .len = len,
            .locked = true,
        }, errp);
    }
}

static int qmp_query_host(Object *obj, void *opaque)
{
    Object *host = object_dynamic_cast(obj, TYPE_SHADOW_HOST);
    ShadowHostInfoList **list = opaque;

    if (host) {
        QAPI_LIST_PREPEND(*list, shadow_host_query(SHADOW_HOST(host)));
    }
    return 0;
}

ShadowHostInfoList *qmp_query_shadow_hosts(Error **errp)
{
    ShadowHostInfoList *list = NULL;

    object_child_foreach(object_get_objects_root(), qmp_query_host, &list);
    return list;
}

void qmp_shadow_guest_set_destination(const char *guest,
                                      const char *encryption_key, Error **errp)
{
    ShadowGuest *g = qmp_find_guest(guest, errp);

    if (g) {
        shadow_keys_set_destination(g, encryption_key, errp);
    }
}

void qmp_shadow_door_set_moved_to(const char *guest, const char *moved_to,
                                  Error **errp)
{
    ShadowGuest *g = qmp_find_guest(guest, errp);
    ShadowDevice *dev;

    if (!g) {
        return;
    }
    if (moved_to && strlen(moved_to) > MOVED_TO_MAX) {
        error_setg(errp, "moved-to has at most %d bytes", MOVED_TO_MAX);
        return;
    }
    g_free(g->moved_to);
    g->moved_to = g_strdup(moved_to);
    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->state_changed(dev, g->state);
    }
}

void qmp_shadow_guest_resume(const char *guest, Error **errp)
{
    ShadowGuest *g = qmp_find_guest(guest, errp);

    if (g) {
        shadow_guest_resume(g, errp);
    }
}

static void shadow_qmp_init(void)
{
    monitor_register_hmp_info_hrt("shadow", qmp_x_query_shadow);
}

type_init(shadow_qmp_init)
