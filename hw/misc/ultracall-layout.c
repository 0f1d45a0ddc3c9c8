/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest's devices have, for a cloud VM that knows none of them.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/misc/ultracall.h"

typedef struct Layout {
    struct ultracall_resource *out;
    unsigned n, max;
    uint16_t device;            /* of which something is added */
} Layout;

/* The next one, or NULL: there is no room for more */
static struct ultracall_resource *layout_next(Layout *l, uint16_t kind)
{
    struct ultracall_resource *r = l->n < l->max ? &l->out[l->n++] : NULL;

    if (r) {
        *r = (struct ultracall_resource) {
            .device = cpu_to_le16(l->device),
            .kind = cpu_to_le16(kind),
        };
    }
    return r;
}

/* The lowest comes first: with it IRQ_POLL names the device. */
static void layout_add_ports(Layout *l, ShadowDevice *dev)
{
    struct ultracall_resource *r;
    MemoryRegion *mr = shadow_device_region_from(dev, 0);

    for (; mr; mr = shadow_device_region_from(dev, mr->addr + 1)) {
        r = layout_next(l, ULTRACALL_PORTS);
        if (r) {
            r->first = cpu_to_le32(mr->addr);
            r->len = cpu_to_le32(memory_region_size(mr));
        }
    }
}

static void layout_add_device(Layout *l, ShadowDevice *dev)
{
    struct ultracall_resource *r;

    layout_add_ports(l, dev);
    for (unsigned i = 0; i < dev->n_lines; i++) {
        r = layout_next(l, ULTRACALL_LINE);
        if (r) {
            r->number = cpu_to_le32(dev->line[i]->number);
        }
    }
    r = layout_next(l, ULTRACALL_ACPI);
    if (r && !SHADOW_DEVICE_GET_CLASS(dev)->acpi(dev, l->device, r)) {
        l->n--;
    }
}

unsigned ultracall_layout(ShadowGuest *g, struct ultracall_resource *out,
                          unsigned max)
{
    Layout l = { .out = out, .max = max };
    ShadowDevice *dev;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        layout_add_device(&l, dev);
        l.device++;
    }
    return l.n;
}
