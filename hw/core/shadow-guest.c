/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guests that there are.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "qom/object_interfaces.h"
#include "shadow/hw/core/shadow-guest.h"

/* A list of our own: when QEMU ends, guests are removed along with /objects. */
static QTAILQ_HEAD(, ShadowGuest) shadow_guests =
    QTAILQ_HEAD_INITIALIZER(shadow_guests);

ShadowGuest *shadow_guest_find(const char *id)
{
    Object *obj = object_resolve_path_component(object_get_objects_root(), id);

    return (ShadowGuest *)object_dynamic_cast(obj, TYPE_SHADOW_GUEST);
}

void shadow_guest_foreach(void (*fn)(ShadowGuest *g, void *opaque),
                          void *opaque)
{
    ShadowGuest *g;

    QTAILQ_FOREACH(g, &shadow_guests, next) {
        fn(g, opaque);
    }
}

void shadow_guest_list(ShadowGuest *g)
{
    QTAILQ_INSERT_TAIL(&shadow_guests, g, next);
}

void shadow_guest_unlist(ShadowGuest *g)
{
    QTAILQ_REMOVE(&shadow_guests, g, next);
}

void shadow_guest_changed(ShadowGuest *g)
{
    g->changes++;
    notifier_list_notify(&g->changed, NULL);
}

/* Its id is the first thing that a guest gets when it is made. */
bool shadow_guest_can_set(ShadowGuest *g, const char *name, Error **errp)
{
    if (*g->id) {
        error_setg(errp, "%s of shadow-guest '%s' cannot be changed: make "
                   "another shadow-guest", name, g->id);
        return false;
    }
    return true;
}

unsigned shadow_guest_n_devices(ShadowGuest *g)
{
    ShadowDevice *dev;
    unsigned n = 0;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        n++;
    }
    return n;
}

unsigned shadow_guest_n_lines(ShadowGuest *g)
{
    ShadowDevice *dev;
    unsigned n = 0;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        n += dev->n_lines;
    }
    return n;
}

ShadowDeviceInfoList *shadow_guest_query_devices(ShadowGuest *g)
{
    ShadowDeviceInfoList *list = NULL, **tail = &list;
    ShadowDevice *dev;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        ShadowDeviceInfo *info = g_new0(ShadowDeviceInfo, 1);

        info->id = g_strdup(shadow_device_name(dev));
        info->iobase = dev->iobase;
        info->has_irq = dev->n_lines;
        info->irq = dev->n_lines ? dev->line[0]->number : 0;
        for (unsigned i = dev->n_lines; i; i--) {
            QAPI_LIST_PREPEND(info->irqs, dev->line[i - 1]->number);
        }
        SHADOW_DEVICE_GET_CLASS(dev)->query(dev, info);
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}
