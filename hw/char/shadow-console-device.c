/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What shadow devices share that have a ShadowConsole.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-events-shadow.h"
#include "shadow/hw/char/shadow-console-device.h"
#include "shadow/hw/core/shadow-privacy.h"
#include "shadow/hw/core/shadow-guest.h"

#define CONSOLE_CHILD "console"

ShadowConsole *shadow_console_device_console(ShadowDevice *dev)
{
    Object *obj = object_resolve_path_component(OBJECT(dev), CONSOLE_CHILD);

    return (ShadowConsole *)object_dynamic_cast(obj, TYPE_SHADOW_CONSOLE);
}

static ShadowConsole *device_console(ShadowDevice *dev)
{
    return SHADOW_CONSOLE(object_resolve_path_component(OBJECT(dev),
                                                        CONSOLE_CHILD));
}

void shadow_console_device_init(ShadowDevice *dev, ShadowConsole *c)
{
    object_initialize_child(OBJECT(dev), CONSOLE_CHILD, c,
                            TYPE_SHADOW_CONSOLE);
    c->notices.type = object_get_typename(OBJECT(dev));
}

void shadow_console_device_name(ShadowDevice *dev)
{
    ShadowConsole *c = device_console(dev);

    g_free(c->name);
    c->name = g_strdup_printf("%s/%s", dev->guest_id, shadow_device_name(dev));
}

bool shadow_console_device_check(const char *name, uint32_t size,
                                 const char *replay, Error **errp)
{
    if (!size || size > SHADOW_RING_MAX_CAPACITY) {
        error_setg(errp, "%s must be 1 to %" PRIu64, name,
                   (uint64_t)SHADOW_RING_MAX_CAPACITY);
        return false;
    }
    if (replay && strcmp(replay, "unsent") && strcmp(replay, "history")) {
        error_setg(errp, "replay must be 'unsent' or 'history'");
        return false;
    }
    return true;
}

bool shadow_console_device_check_first(uint32_t size, Error **errp)
{
    if (size > SHADOW_CONSOLE_FIRST_MAX) {
        error_setg(errp, "first-size must be 0 to %" PRIu64,
                   (uint64_t)SHADOW_CONSOLE_FIRST_MAX);
        return false;
    }
    return true;
}

void shadow_console_device_connected(void *opaque, size_t notice)
{
    ShadowDevice *dev = opaque;
    ShadowConsole *c = device_console(dev);

    qapi_event_send_shadow_console_connected(dev->guest_id,
                                             shadow_device_name(dev),
                                             c->in.end, c->sent, notice);
}

void shadow_console_device_moved(ShadowDevice *dev)
{
    shadow_console_moved(device_console(dev));
}

static void device_forked(ShadowDevice *dev)
{
    shadow_console_new_life(device_console(dev));
}

static void device_restored(ShadowDevice *dev, bool snapshot)
{
    if (snapshot && dev->guest->state != SHADOW_GUEST_STATE_ACTIVE) {
        /* it can be restored elsewhere, too */
        device_forked(dev);
    }
    shadow_console_restored(device_console(dev), snapshot);
}

static void device_protection(ShadowDevice *dev, bool exposed,
                              const char *broken)
{
    g_autofree char *privacy = dev->guest ? shadow_privacy_text(dev->guest) :
                               NULL;

    shadow_console_protection(device_console(dev), exposed, broken, privacy);
}

static void device_attached(ShadowDevice *dev, bool attached,
                            const char *reason)
{
    shadow_console_attached(device_console(dev), attached, reason);
}

static void device_sent_ahead(ShadowDevice *dev)
{
    shadow_console_sent_ahead(device_console(dev));
}

static void device_leave_out(ShadowDevice *dev, bool leave_out)
{
    shadow_console_leave_out(device_console(dev), leave_out);
}

static uint64_t device_arrived(ShadowDevice *dev)
{
    return device_console(dev)->arrived;
}

static void device_state_changed(ShadowDevice *dev, ShadowGuestState state)
{
    static const ShadowDoorEvent events[] = {
        [SHADOW_GUEST_STATE_ACTIVE] = SHADOW_DOOR_EVENT_RESUMED,
        [SHADOW_GUEST_STATE_FROZEN] = SHADOW_DOOR_EVENT_FREEZING,
        [SHADOW_GUEST_STATE_GONE] = SHADOW_DOOR_EVENT_CHANGED,
        [SHADOW_GUEST_STATE_INCOMING] = SHADOW_DOOR_EVENT_CHANGED,
        [SHADOW_GUEST_STATE_RESTORED] = SHADOW_DOOR_EVENT_CHANGED,
    };

    shadow_readers_tell(&device_console(dev)->readers, events[state], NULL);
}

static ShadowDoorClientInfoList *device_clients(ShadowDevice *dev)
{
    return shadow_console_query_clients(device_console(dev));
}

static void device_query(ShadowDevice *dev, ShadowDeviceInfo *info)
{
    shadow_console_query(device_console(dev), info);
}

void shadow_console_device_class_init(ShadowDeviceClass *sdc)
{
    sdc->moved = shadow_console_device_moved;
    sdc->restored = device_restored;
    sdc->protection = device_protection;
    sdc->attached = device_attached;
    sdc->sent_ahead = device_sent_ahead;
    sdc->leave_out = device_leave_out;
    sdc->arrived = device_arrived;
    sdc->query = device_query;
    sdc->state_changed = device_state_changed;
    sdc->forked = device_forked;
    sdc->clients = device_clients;
}
