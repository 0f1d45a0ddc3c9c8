/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest's accesses to a device, also to one that is held.
 */
#include "qemu/osdep.h"
#include "shadow/hw/core/shadow-access.h"

/* Writes to a device of a guest that should be stopped, but is not */
#define ACCESS_LATE_MAX 4096

struct ShadowLateWrite {
    MemoryRegion *mr;
    uint32_t val;
    uint16_t addr;
    uint8_t size;
};

/*
 * What an access brings about, or soon after, the guest may be about to find
 * out by itself: see shadow-line.h.
 */
static void access_begin(ShadowDevice *dev)
{
    dev->accesses++;
    dev->in_access = true;
}

static void access_end(ShadowDevice *dev)
{
    dev->in_access = false;
}

static void access_do_write(ShadowDevice *dev, const ShadowLateWrite *w)
{
    access_begin(dev);
    memory_region_dispatch_write(w->mr, w->addr, w->val,
                                 size_memop(w->size) | MO_LE,
                                 MEMTXATTRS_UNSPECIFIED);
    access_end(dev);
}

static bool access_waits(ShadowDevice *dev)
{
    return dev->held && !SHADOW_DEVICE_GET_CLASS(dev)->works_held;
}

uint32_t shadow_access_read(ShadowDevice *dev, MemoryRegion *mr, hwaddr addr,
                            unsigned size)
{
    uint64_t val;

    if (access_waits(dev)) {
        val = SHADOW_DEVICE_GET_CLASS(dev)->peek(dev, mr->addr + addr, size);
        return extract64(val, 0, 8 * size);
    }
    access_begin(dev);
    if (memory_region_dispatch_read(mr, addr, &val, size_memop(size) | MO_LE,
                                    MEMTXATTRS_UNSPECIFIED)) {
        val = UINT32_MAX;
    }
    access_end(dev);
    return extract64(val, 0, 8 * size);
}

static void access_keep(ShadowDevice *dev, const ShadowLateWrite *w)
{
    SHADOW_DEVICE_GET_CLASS(dev)->written_late(dev, w->mr->addr + w->addr,
                                               w->size, w->val);
    if (!dev->late) {
        dev->late = g_array_new(false, false, sizeof(*w));
    }
    if (dev->late->len < ACCESS_LATE_MAX) {
        g_array_append_val(dev->late, *w);
    }
}

void shadow_access_write(ShadowDevice *dev, MemoryRegion *mr, hwaddr addr,
                         unsigned size, uint32_t val)
{
    const ShadowLateWrite w = {
        .mr = mr,
        .addr = addr,
        .size = size,
        .val = extract32(val, 0, 8 * size),
    };

    if (access_waits(dev)) {
        access_keep(dev, &w);
    } else {
        access_do_write(dev, &w);
    }
}

void shadow_access_forget(ShadowDevice *dev)
{
    g_clear_pointer(&dev->late, g_array_unref);
}

static void access_do_late(ShadowDevice *dev)
{
    g_autoptr(GArray) late = g_steal_pointer(&dev->late);

    for (guint i = 0; late && i < late->len; i++) {
        access_do_write(dev, &g_array_index(late, ShadowLateWrite, i));
    }
    if (late && late->len == ACCESS_LATE_MAX) {
        access_begin(dev);
        SHADOW_DEVICE_GET_CLASS(dev)->late_lost(dev);
        access_end(dev);
    }
}

void shadow_access_hold(ShadowDevice *dev, bool held)
{
    if (held && dev->held) {
        return;
    }
    shadow_lines_forget(dev);
    if (!held) {
        dev->held = false;
        access_do_late(dev);
        /* an interrupt that the guest took meanwhile found nothing to do */
        shadow_lines_again(dev);
    }
    /* no byte moves before the device is as the guest has left it */
    SHADOW_DEVICE_GET_CLASS(dev)->hold(dev, held);
    dev->held = held;
}
