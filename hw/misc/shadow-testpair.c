/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For qtest only: a device with two ranges of ports and two interrupt lines,
 * as a keyboard controller has.
 *
 * At iobase: a word, that both ports make.  At iobase2: the lines' levels; how
 * often the word was read; how often it was written; how often writes were
 * lost.  The second line is moderated.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "system/qtest.h"
#include "shadow/hw/core/shadow-device.h"
#include "shadow/include/compat-qdev.h"

#define TYPE_SHADOW_TESTPAIR "shadow-testpair"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowTestpair, SHADOW_TESTPAIR)

#define TESTPAIR_LINES 2
#define TESTPAIR_SPARE 8
#define TESTPAIR_INTERVAL_NS (1 * SCALE_MS)

enum {
    TESTPAIR_LEVELS = 0,
    TESTPAIR_READS = 1,
    TESTPAIR_WRITES = 2,
    TESTPAIR_LOST = 3,
};

struct ShadowTestpair {
    ShadowDevice parent_obj;

    MemoryRegion data, control;
    MemoryRegion spare[TESTPAIR_SPARE];
    ShadowLine line[TESTPAIR_LINES];
    uint32_t iobase;
    uint32_t iobase2;
    uint32_t irq[TESTPAIR_LINES];
    uint32_t n_spare;           /* ranges that do nothing, of a port each */
    uint16_t word;
    uint8_t reads, writes, lost;
};

static uint64_t testpair_read(void *opaque, hwaddr addr, unsigned size)
{
    ShadowTestpair *s = opaque;

    s->reads++;
    return s->word >> (8 * addr);
}

static void testpair_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    ShadowTestpair *s = opaque;

    s->writes++;
    s->word = deposit32(s->word, 8 * addr, 8 * size, val);
}

static const MemoryRegionOps testpair_ops = {
    .read = testpair_read,
    .write = testpair_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 2 },
    .impl = { .min_access_size = 1, .max_access_size = 2 },
};

static uint64_t testpair_control_read(void *opaque, hwaddr addr,
                                      unsigned size)
{
    ShadowTestpair *s = opaque;

    switch (addr) {
    case TESTPAIR_LEVELS:
        return s->line[0].level | s->line[1].level << 1;
    case TESTPAIR_READS:
        return s->reads;
    case TESTPAIR_WRITES:
        return s->writes;
    default:
        return s->lost;
    }
}

static void testpair_control_write(void *opaque, hwaddr addr, uint64_t val,
                                   unsigned size)
{
    ShadowTestpair *s = opaque;

    for (unsigned i = 0; addr == TESTPAIR_LEVELS && i < TESTPAIR_LINES; i++) {
        qemu_set_irq(s->line[i].irq, val >> i & 1);
    }
}

static const MemoryRegionOps testpair_control_ops = {
    .read = testpair_control_read,
    .write = testpair_control_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 1, .max_access_size = 1 },
};

static void testpair_late_lost(ShadowDevice *dev)
{
    SHADOW_TESTPAIR(dev)->lost++;
}

static int64_t testpair_interval(ShadowDevice *dev, bool *idle)
{
    return TESTPAIR_INTERVAL_NS;
}

static bool testpair_setup(ShadowDevice *dev, Error **errp)
{
    ShadowTestpair *s = SHADOW_TESTPAIR(dev);

    if (!qtest_enabled()) {
        error_setg(errp, "shadow-testpair serves tests only (-accel qtest)");
        return false;
    }
    if (!shadow_device_add_ports(dev, &s->data, s->iobase, errp) ||
        !shadow_device_add_ports(dev, &s->control, s->iobase2, errp) ||
        !shadow_device_add_line(dev, &s->line[0], s->irq[0], NULL, errp) ||
        !shadow_device_add_line(dev, &s->line[1], s->irq[1],
                                testpair_interval, errp)) {
        return false;
    }
    for (unsigned i = 0; i < MIN(s->n_spare, TESTPAIR_SPARE); i++) {
        if (!shadow_device_add_ports(dev, &s->spare[i], 0x200 + i, errp)) {
            return false;
        }
    }
    return true;
}

static void testpair_teardown(ShadowDevice *dev)
{
}

static size_t testpair_state_max(ShadowDevice *dev)
{
    return 64;
}

static const VMStateDescription vmstate_testpair = {
    .name = TYPE_SHADOW_TESTPAIR,
    .unmigratable = 1,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_SHADOW_LINE_NUMBER("line0", line[0], ShadowTestpair),
        VMSTATE_SHADOW_LINE_LEVEL("line0_level", line[0], ShadowTestpair),
        VMSTATE_SHADOW_LINE_EDGES("line0_edges", line[0], ShadowTestpair),
        VMSTATE_SHADOW_LINE_NUMBER("line1", line[1], ShadowTestpair),
        VMSTATE_SHADOW_LINE_LEVEL("line1_level", line[1], ShadowTestpair),
        VMSTATE_SHADOW_LINE_EDGES("line1_edges", line[1], ShadowTestpair),
        VMSTATE_UINT16(word, ShadowTestpair),
        VMSTATE_END_OF_LIST()
    }
};

static const Property testpair_properties[] = {
    DEFINE_PROP_UINT32("iobase", ShadowTestpair, iobase, 0x60),
    DEFINE_PROP_UINT32("iobase2", ShadowTestpair, iobase2, 0x64),
    DEFINE_PROP_UINT32("irq", ShadowTestpair, irq[0], 1),
    DEFINE_PROP_UINT32("irq2", ShadowTestpair, irq[1], 12),
    DEFINE_PROP_UINT32("spare", ShadowTestpair, n_spare, 0),
};

static void testpair_init(Object *obj)
{
    ShadowTestpair *s = SHADOW_TESTPAIR(obj);

    memory_region_init_io(&s->data, obj, &testpair_ops, s, "data", 2);
    memory_region_init_io(&s->control, obj, &testpair_control_ops, s,
                          "control", 4);
    for (unsigned i = 0; i < TESTPAIR_SPARE; i++) {
        memory_region_init_io(&s->spare[i], obj, &testpair_control_ops, s,
                              "spare", 1);
    }
}

static void testpair_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    ShadowDeviceClass *sdc = SHADOW_DEVICE_CLASS(oc);

    dc->desc = "two ranges of ports and two interrupts, in tests";
    dc->vmsd = &vmstate_testpair;
    device_class_set_props(dc, testpair_properties);
    sdc->setup = testpair_setup;
    sdc->teardown = testpair_teardown;
    sdc->state = &vmstate_testpair;
    sdc->state_max = testpair_state_max;
    sdc->state_limit = 64;
    sdc->late_lost = testpair_late_lost;
}

static const TypeInfo testpair_types[] = {
    {
        .name = TYPE_SHADOW_TESTPAIR,
        .parent = TYPE_SHADOW_DEVICE,
        .instance_size = sizeof(ShadowTestpair),
        .instance_init = testpair_init,
        .class_init = testpair_class_init,
    },
};

DEFINE_TYPES(testpair_types)
