/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device of a nested guest, emulated by this QEMU.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/hw/core/shadow-device.h"

const char *shadow_device_name(ShadowDevice *dev)
{
    return DEVICE(dev)->id ?: "anonymous";
}

bool shadow_device_add_ports(ShadowDevice *dev, MemoryRegion *mr,
                             unsigned first, Error **errp)
{
    uint64_t last = first + memory_region_size(mr) - 1;

    if (last > UINT16_MAX) {
        error_setg(errp, "iobase 0x%x is out of range", first);
        return false;
    }
    memory_region_add_subregion(&dev->io, first, mr);
    return true;
}

unsigned shadow_device_n_regions(ShadowDevice *dev)
{
    MemoryRegion *mr;
    unsigned n = 0;

    QTAILQ_FOREACH(mr, &dev->io.subregions, subregions_link) {
        n++;
    }
    return n;
}

/* QEMU keeps them in no order of this kind. */
MemoryRegion *shadow_device_region_from(ShadowDevice *dev, hwaddr port)
{
    MemoryRegion *mr, *first = NULL;

    QTAILQ_FOREACH(mr, &dev->io.subregions, subregions_link) {
        if (mr->addr >= port && (!first || mr->addr < first->addr)) {
            first = mr;
        }
    }
    return first;
}

bool shadow_device_add_line(ShadowDevice *dev, ShadowLine *line,
                            uint32_t number, ShadowLineInterval *interval,
                            Error **errp)
{
    if (number > 15) {
        error_setg(errp, "irq %u is not an ISA interrupt (0 to 15)", number);
        return false;
    }
    if (dev->n_lines == SHADOW_DEVICE_MAX_LINES) {
        error_setg(errp, "a shadow device has at most %u interrupts",
                   SHADOW_DEVICE_MAX_LINES);
        return false;
    }
    for (unsigned i = 0; i < dev->n_lines; i++) {
        if (dev->line[i]->number == number) {
            error_setg(errp, "irq %u stands for two lines of the device",
                       number);
            return false;
        }
    }
    shadow_line_start(line, dev, number, interval);
    dev->line[dev->n_lines++] = line;
    return true;
}

/* What a device does that has nothing to do */

static size_t device_no_size(ShadowDevice *dev)
{
    return 0;
}

static void device_no_event(ShadowDevice *dev)
{
}

static void device_no_change(ShadowDevice *dev, bool on)
{
}

static void device_no_protection(ShadowDevice *dev, bool exposed,
                                 const char *broken)
{
}

static void device_no_attached(ShadowDevice *dev, bool attached,
                               const char *reason)
{
}

static uint32_t device_no_peek(ShadowDevice *dev, unsigned port,
                               unsigned size)
{
    return UINT32_MAX;
}

static void device_no_write(ShadowDevice *dev, unsigned port, unsigned size,
                            uint32_t val)
{
}

static uint64_t device_no_input(ShadowDevice *dev)
{
    return 0;
}

static bool device_no_acpi(ShadowDevice *dev, unsigned n,
                           struct ultracall_resource *acpi)
{
    return false;
}

static void device_no_state(ShadowDevice *dev, ShadowGuestState state)
{
}

static ShadowDoorClientInfoList *device_no_clients(ShadowDevice *dev)
{
    return NULL;
}

static void device_no_query(ShadowDevice *dev, ShadowDeviceInfo *info)
{
}

static ShadowMemoryInfo *device_no_memory(ShadowDevice *dev)
{
    return NULL;
}

void shadow_device_set_defaults(ShadowDeviceClass *sdc)
{
    sdc->state_max = device_no_size;
    sdc->sent_ahead = device_no_event;
    sdc->leave_out = device_no_change;
    sdc->hold = device_no_change;
    sdc->peek = device_no_peek;
    sdc->written_late = device_no_write;
    sdc->late_lost = device_no_event;
    sdc->reset = device_no_event;
    sdc->moved = device_no_event;
    sdc->restored = device_no_change;
    sdc->protection = device_no_protection;
    sdc->attached = device_no_attached;
    sdc->arrived = device_no_input;
    sdc->acpi = device_no_acpi;
    sdc->query = device_no_query;
    sdc->state_changed = device_no_state;
    sdc->forked = device_no_event;
    sdc->clients = device_no_clients;
    sdc->private_memory = device_no_memory;
}
