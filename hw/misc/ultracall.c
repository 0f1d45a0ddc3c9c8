/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ultracall device: what a cloud VM sees of the outer QEMU.
 *
 * A PCI function with a doorbell in an I/O BAR and an interrupt that says
 * "some shadow device's line has moved".  The calls themselves are in
 * ultracall-dispatch.c and ultracall-calls.c.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "exec/cpu-common.h"
#include "hw/core/cpu.h"
#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"
#include "qemu/rcu.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/misc/ultracall-admission.h"
#include "shadow/include/compat-memory.h"
#include "shadow/trace.h"

#define TYPE_ULTRACALL "ultracall"
OBJECT_DECLARE_SIMPLE_TYPE(UltracallState, ULTRACALL)

struct UltracallState {
    PCIDevice parent_obj;

    MemoryRegion io;
    BusState bus;
    Notifier irq_notifier;
    uint8_t *token;             /* in the configuration space */
};

static UltracallState *ultracall_device;

int ultracall_doorbell_port(void)
{
    pcibus_t base = ultracall_device ?
                    pci_get_bar_addr(PCI_DEVICE(ultracall_device),
                                     ULTRACALL_BAR) : PCI_BAR_UNMAPPED;

    return base == PCI_BAR_UNMAPPED ? -1 : base;
}

static void ultracall_update_irq(Notifier *n, void *data)
{
    UltracallState *s = container_of(n, UltracallState, irq_notifier);

    pci_set_irq(PCI_DEVICE(s), shadow_guest_irq_any());
}

/*
 * A driver that shares the interrupt out to many programs, as Linux' UIO
 * does, disables it when it has arrived, and then wakes all of them: each
 * will look at its own guest, so none is owed another interrupt.
 */
static void ultracall_config_write(PCIDevice *dev, uint32_t addr,
                                   uint32_t val, int len)
{
    bool disabled = pci_get_word(dev->config + PCI_COMMAND) &
                    PCI_COMMAND_INTX_DISABLE;

    pci_default_write_config(dev, addr, val, len);
    if (!disabled && (pci_get_word(dev->config + PCI_COMMAND) &
                      PCI_COMMAND_INTX_DISABLE)) {
        shadow_guest_irq_all_told();
    }
}

void ultracall_rearm(void)
{
    PCIDevice *dev = PCI_DEVICE(ultracall_device);
    uint16_t command;

    if (dev) {
        command = pci_get_word(dev->config + PCI_COMMAND);
        pci_default_write_config(dev, PCI_COMMAND,
                                 command & ~PCI_COMMAND_INTX_DISABLE, 2);
    }
}

static uint64_t ultracall_io_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void ultracall_io_write(void *opaque, hwaddr addr, uint64_t val,
                               unsigned size)
{
    RCU_READ_LOCK_GUARD();

    if (addr == 0 && current_cpu) {
        shadow_accel()->doorbell(current_cpu);
    }
}

static const MemoryRegionOps ultracall_io_ops = {
    .read = ultracall_io_read,
    .write = ultracall_io_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/*
 * Where Linux lets only CAP_SYS_ADMIN read, but lets it also when the kernel is
 * locked down: behind the header.
 */
static bool ultracall_add_token(UltracallState *s, Error **errp)
{
    PCIDevice *dev = PCI_DEVICE(s);
    int at = pci_add_capability(dev, PCI_CAP_ID_VNDR, 0,
                                ULTRACALL_CAP_LEN, errp);

    if (at < 0) {
        return false;
    }
    dev->config[at + PCI_CAP_FLAGS] = ULTRACALL_CAP_LEN;
    dev->config[at + ULTRACALL_CAP_KIND] = ULTRACALL_CAP_IS_TOKEN;
    s->token = dev->config + at + ULTRACALL_CAP_TOKEN;
    return true;
}

/* Each start of the cloud VM has a token of its own. */
static void ultracall_reset_hold(Object *obj, ResetType type)
{
    if (!ultracall_admission_renew(ULTRACALL(obj)->token)) {
        warn_report("ultracall: no random numbers: in a cloud VM whose kernel "
                    "is locked down nobody can make ultracalls");
    }
}

static void ultracall_realize(PCIDevice *dev, Error **errp)
{
    UltracallState *s = ULTRACALL(dev);

    if (ultracall_device) {
        error_setg(errp, "there can be one ultracall device only");
        return;
    }
    if (!ultracall_add_token(s, errp)) {
        return;
    }
    ultracall_device = s;
    pci_config_set_interrupt_pin(dev->config, 1);
    memory_region_init_io(&s->io, OBJECT(s), &ultracall_io_ops, s,
                          TYPE_ULTRACALL, ULTRACALL_BAR_SIZE);
    /* a call may let go of the BQL, and another CPU make one meanwhile */
    s->io.disable_reentrancy_guard = true;
    pci_register_bar(dev, ULTRACALL_BAR, PCI_BASE_ADDRESS_SPACE_IO, &s->io);
    qbus_init(&s->bus, sizeof(s->bus), TYPE_SHADOW_BUS, DEVICE(s), NULL);
    qbus_set_bus_hotplug_handler(&s->bus);
    s->irq_notifier.notify = ultracall_update_irq;
    notifier_list_add(&shadow_guest_irq_notifiers, &s->irq_notifier);
    shadow_accel()->start();
}

static void ultracall_exit(PCIDevice *dev)
{
    UltracallState *s = ULTRACALL(dev);

    notifier_remove(&s->irq_notifier);
    ultracall_device = NULL;
}

static const VMStateDescription vmstate_ultracall = {
    .name = TYPE_ULTRACALL,
    .unmigratable = 1,
};

static void ultracall_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    RESETTABLE_CLASS(oc)->phases.hold = ultracall_reset_hold;
    pc->realize = ultracall_realize;
    pc->exit = ultracall_exit;
    pc->config_write = ultracall_config_write;
    pc->vendor_id = ULTRACALL_PCI_VENDOR;
    pc->device_id = ULTRACALL_PCI_DEVICE;
    pc->revision = ULTRACALL_VERSION;
    pc->class_id = PCI_CLASS_SYSTEM_OTHER;
    dc->desc = "ultracalls of a cloud VM, and the bus of shadow devices";
    dc->vmsd = &vmstate_ultracall;
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo ultracall_types[] = {
    {
        .name = TYPE_ULTRACALL,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(UltracallState),
        .class_init = ultracall_class_init,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_CONVENTIONAL_PCI_DEVICE },
            { }
        },
    },
};

DEFINE_TYPES(ultracall_types)
