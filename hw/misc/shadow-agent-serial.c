/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An isa-serial of this machine in the place of a shadow device.
 *
 * libvirt's users, OpenStack and others have one in each machine.  Where the
 * outer QEMU takes the accesses to its ports, no byte comes to it and it never
 * interrupts.  It stays, and the machine's ACPI tables describe the port by it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "chardev/char.h"
#include "hw/char/serial-isa.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "system/system.h"
#include "shadow/hw/misc/shadow-agent.h"
#include "shadow/include/compat-memory.h"

#define SERIAL_PORTS 8

Object *shadow_agent_serial_at(ShadowAgent *a, uint16_t first)
{
    MemoryRegion *io = isa_address_space_io(ISA_DEVICE(a));
    MemoryRegionSection at = memory_region_find(io, first, 1);
    Object *owner = at.mr ? memory_region_owner(at.mr) : NULL;

    if (at.mr) {
        memory_region_unref(at.mr);
    }
    if (!object_dynamic_cast(owner, TYPE_ISA_SERIAL) ||
        object_property_get_uint(owner, "iobase", NULL) != first) {
        return NULL;
    }
    return owner;
}

/* What else the device of @ports has, or NULL */
static const struct ultracall_resource *serial_find(
    ShadowAgent *a, const struct ultracall_resource *ports, uint16_t kind)
{
    for (unsigned i = 0; i < a->resources; i++) {
        if (a->layout[i].device == ports->device &&
            le16_to_cpu(a->layout[i].kind) == kind) {
            return &a->layout[i];
        }
    }
    return NULL;
}

/* The ACPI node of the isa-serial has to be right for the shadow device. */
static bool serial_is_described(ShadowAgent *a, Object *serial,
                                const struct ultracall_resource *ports,
                                Error **errp)
{
    ERRP_GUARD();
    const struct ultracall_resource *line, *acpi;
    uint32_t first = le32_to_cpu(ports->first);
    uint32_t irq = object_property_get_uint(serial, "irq", NULL);
    uint32_t index = object_property_get_uint(serial, "index", NULL);

    line = serial_find(a, ports, ULTRACALL_LINE);
    acpi = serial_find(a, ports, ULTRACALL_ACPI);
    if (le32_to_cpu(ports->len) == SERIAL_PORTS &&
        line && le32_to_cpu(line->number) == irq &&
        acpi && le32_to_cpu(acpi->number) == index + 1) {
        return true;
    }
    error_setg(errp, "the isa-serial at port 0x%x, with index %u and interrupt "
               "%u, is not what the shadow device there is", first, index,
               irq);
    if (line && acpi) {
        error_append_hint(errp, "Give it index=%u,irq=%u, or give this QEMU "
                          "-serial none.\n", le32_to_cpu(acpi->number) - 1,
                          le32_to_cpu(line->number));
    }
    return false;
}

static bool serial_may_stay(ShadowAgent *a, Object *serial,
                            const struct ultracall_resource *ports,
                            Error **errp)
{
    ERRP_GUARD();

    if (a->exposed) {
        error_setg(errp, "port 0x%x has an isa-serial, which on this host "
                   "would have the console of '%s' instead of the outer QEMU",
                   le32_to_cpu(ports->first), a->guest);
        error_append_hint(errp, "Give this QEMU -serial none: the outer QEMU "
                          "cannot take the port's accesses by itself.\n");
        return false;
    }
    return serial_is_described(a, serial, ports, errp);
}

/* At the ports @r; NULL if @r is something else or has none */
static Object *serial_of(ShadowAgent *a, const struct ultracall_resource *r)
{
    uint32_t first = le32_to_cpu(r->first);

    return le16_to_cpu(r->kind) == ULTRACALL_PORTS && first <= UINT16_MAX
           ? shadow_agent_serial_at(a, first) : NULL;
}

bool shadow_agent_serial_check(ShadowAgent *a, Error **errp)
{
    for (unsigned i = 0; i < a->resources; i++) {
        Object *serial = serial_of(a, &a->layout[i]);

        if (serial && !serial_may_stay(a, serial, &a->layout[i], errp)) {
            return false;
        }
    }
    return true;
}

/* Who looks at the isa-serial's backend would wait for ever. */
static void serial_warn(ShadowAgent *a, Object *serial)
{
    g_autofree char *label = object_property_get_str(serial, "chardev", NULL);
    Chardev *chr = label ? qemu_chr_find(label) : NULL;

    if (chr && !object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_NULL)) {
        warn_report("shadow-agent: nothing will arrive at chardev '%s': the "
                    "console of '%s' is at the outer QEMU", label, a->guest);
    }
}

/* A device that comes after the agent on the command line is seen only now. */
static void serial_machine_done(Notifier *n, void *data)
{
    ShadowAgent *a = container_of(n, ShadowAgent, machine_done);
    Error *err = NULL;

    if (!shadow_agent_serial_check(a, &err)) {
        error_report_err(err);
        exit(1);
    }
    for (unsigned i = 0; i < a->resources; i++) {
        Object *serial = serial_of(a, &a->layout[i]);

        if (serial) {
            serial_warn(a, serial);
        }
    }
}

void shadow_agent_serial_start(ShadowAgent *a)
{
    a->machine_done.notify = serial_machine_done;
    qemu_add_machine_init_done_notifier(&a->machine_done);
}
