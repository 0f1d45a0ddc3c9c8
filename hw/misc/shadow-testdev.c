/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For qtest only: stands in for a CPU of the cloud VM, that makes ultracalls
 * and runs nested guests.  Addresses in calls are physical.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "system/qtest.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/core/shadow-ports.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/hw/misc/shadow-testdev.h"
#include "shadow/hw/misc/ultracall.h"
#include "shadow/include/compat-memory.h"
#include "shadow/include/compat-qdev.h"

#define TYPE_SHADOW_TESTDEV "shadow-testdev"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowTestdev, SHADOW_TESTDEV)

struct ShadowTestdev {
    DeviceState parent_obj;

    MemoryRegion mmio;
    uint64_t addr;
    UltracallCaller caller;
    UltracallRegs regs;
    ShadowEntry entry;
    uint64_t missed;
    uint64_t unserved;
    uint64_t enters;            /* with each port access */
    uint64_t absent;

    /* a call in a thread of its own */
    QemuThread thread;
    uint8_t nr;
    bool apart;
    QemuEvent there, go_on;
};

static int testdev_map(UltracallCaller *c, uint64_t addr, size_t len,
                       bool write, UltracallBuffer *buf, uint64_t *fault)
{
    while (len) {
        uint64_t n = len;
        void *host = ultracall_ram(addr, &n, write);

        if (!host) {
            *fault = addr;
            return -EFAULT;
        }
        ultracall_buffer_add(buf, host, n);
        addr += n;
        len -= n;
    }
    return 0;
}

static void testdev_entry(UltracallCaller *c, ShadowEntry *entry)
{
    *entry = container_of(c, ShadowTestdev, caller)->entry;
}

static bool testdev_peek(void *cpu, uint64_t addr, uint64_t *val)
{
    ShadowTestdev *s = cpu;

    return !s->absent && shadow_accel()->peek(s->entry.process, addr, val);
}

static bool testdev_caller_peek(UltracallCaller *c, uint64_t va, uint64_t *val)
{
    return testdev_peek(container_of(c, ShadowTestdev, caller), va, val);
}

static void testdev_bind_late(ShadowTestdev *s, uint64_t addr)
{
    shadow_running_enter(0, &s->entry, testdev_peek, s);
    s->regs.arg[2] = addr;
    ultracall_dispatch(&s->caller, ULTRACALL_BIND, &s->regs);
}

/* As an accelerator does, but that it does not wait */
static ShadowAnswer testdev_ask(ShadowTestdev *s, hwaddr port, unsigned size)
{
    ShadowAnswer answer;

    if (s->enters) {
        shadow_running_enter(0, &s->entry, testdev_peek, s);
    }
    answer = shadow_running_ask(0, port, size);
    s->missed += answer.server == SHADOW_SERVER_OTHER;
    s->unserved += answer.server == SHADOW_SERVER_NOBODY ||
                   answer.server == SHADOW_SERVER_LATER;
    return answer;
}

/* As an accelerator does */
static void testdev_protect(ShadowTestdev *s, uint64_t protection)
{
    ShadowPorts *ports;

    shadow_running_enter(0, &s->entry, testdev_peek, s);
    ports = shadow_running_entered(0, NULL);
    if (ports && protection < SHADOW_PROTECTION__MAX) {
        shadow_guest_set_protection(ports->guest, protection, "as tested");
    }
}

static bool testdev_peek_nothing(uint64_t process, uint64_t va, uint64_t *val)
{
    return false;
}

static bool testdev_lives(uint64_t process, uint64_t va)
{
    return true;
}

static bool testdev_is_dead(uint64_t process, uint64_t va)
{
    return false;
}

static void testdev_look(bool tables)
{
    ShadowPorts *ports = shadow_running_entered(0, NULL);

    if (ports) {
        shadow_binding_look(ports, testdev_peek_nothing,
                            tables ? testdev_lives : testdev_is_dead);
    }
}

/* The BQL is let go, or will not be any more. */
static void testdev_is_apart(void *opaque)
{
    ShadowTestdev *s = container_of(opaque, ShadowTestdev, caller);

    qemu_event_set(&s->there);
    qemu_event_wait(&s->go_on);
}

static void *testdev_thread(void *opaque)
{
    ShadowTestdev *s = opaque;

    rcu_register_thread();
    WITH_RCU_READ_LOCK_GUARD() {
        ultracall_dispatch(&s->caller, s->nr, &s->regs);
    }
    qemu_event_set(&s->there);
    rcu_unregister_thread();
    return NULL;
}

/* As where QEMU waits for a CPU, the lock is not held while we wait. */
static void testdev_start(ShadowTestdev *s)
{
    qemu_event_reset(&s->there);
    qemu_event_reset(&s->go_on);
    s->apart = true;
    s->caller.apart = testdev_is_apart;
    qemu_thread_create(&s->thread, TYPE_SHADOW_TESTDEV, testdev_thread, s,
                       QEMU_THREAD_JOINABLE);
    bql_unlock();
    qemu_event_wait(&s->there);
    bql_lock();
}

static void testdev_end(ShadowTestdev *s)
{
    if (s->apart) {
        s->apart = false;
        qemu_event_set(&s->go_on);
        bql_unlock();
        qemu_thread_join(&s->thread);
        bql_lock();
        s->caller.apart = NULL;
    }
}

static uint64_t *testdev_reg(ShadowTestdev *s, hwaddr addr)
{
    switch (addr & ~7ULL) {
    case TESTDEV_ARG(0) ... TESTDEV_ARG(ULTRACALL_ARGS - 1):
        return &s->regs.arg[(addr - TESTDEV_ARG(0)) / 8];
    case TESTDEV_STATUS:
        return (uint64_t *)&s->regs.status;
    case TESTDEV_VALUE:
        return &s->regs.value;
    case TESTDEV_PROCESS:
        return &s->entry.process;
    case TESTDEV_ROOT:
        return &s->entry.root;
    case TESTDEV_VMCB:
        return &s->entry.vmcb;
    case TESTDEV_MISSED:
        return &s->missed;
    case TESTDEV_ALIAS:
        return &s->entry.alias;
    case TESTDEV_UNSERVED:
        return &s->unserved;
    case TESTDEV_ABSENT:
        return &s->absent;
    case TESTDEV_ENTERS:
        return &s->enters;
    default:
        return NULL;
    }
}

static uint64_t testdev_read(void *opaque, hwaddr addr, unsigned size)
{
    RCU_READ_LOCK_GUARD();
    ShadowTestdev *s = opaque;
    uint64_t *reg;

    if (addr < TESTDEV_PORTS) {
        ShadowAnswer answer = testdev_ask(s, addr, size);

        return answer.server == SHADOW_SERVER_OTHER ? UINT64_MAX :
               shadow_answer_read(&answer, addr, size);
    }
    if (addr == TESTDEV_STATUS) {
        testdev_end(s);
    }
    reg = testdev_reg(s, addr);
    return reg ? *reg >> (addr % 8 * 8) : 0;
}

static void testdev_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    RCU_READ_LOCK_GUARD();
    ShadowTestdev *s = opaque;
    uint64_t *reg;

    if (addr < TESTDEV_PORTS) {
        ShadowAnswer answer = testdev_ask(s, addr, size);

        shadow_answer_write(&answer, addr, size, val);
    } else if (addr == TESTDEV_CALL) {
        testdev_end(s);
        s->caller.nested = val & TESTDEV_NESTED;
        s->caller.no_process = val & TESTDEV_NO_PROCESS;
        s->caller.unprivileged = val & TESTDEV_UNPRIVILEGED;
        if (s->caller.nested && s->enters) {
            shadow_running_enter(0, &s->entry, testdev_peek, s);
        }
        if (val & TESTDEV_APART) {
            s->nr = val;
            testdev_start(s);
        } else {
            ultracall_dispatch(&s->caller, val & 0xff, &s->regs);
        }
    } else if (addr == TESTDEV_BIND_LATE) {
        testdev_bind_late(s, val);
    } else if (addr == TESTDEV_LOOK) {
        testdev_look(val);
    } else if (addr == TESTDEV_PROTECTION) {
        testdev_protect(s, val);
    } else {
        reg = testdev_reg(s, addr);
        if (reg && size == 8 && addr % 8 == 0) {
            *reg = val;
        }
    }
}

static const MemoryRegionOps testdev_ops = {
    .read = testdev_read,
    .write = testdev_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

static void testdev_realize(DeviceState *dev, Error **errp)
{
    ShadowTestdev *s = SHADOW_TESTDEV(dev);

    if (!qtest_enabled()) {
        error_setg(errp, "shadow-testdev serves tests only (-accel qtest)");
        return;
    }
    s->caller.map = testdev_map;
    s->caller.entry = testdev_entry;
    s->caller.peek = testdev_caller_peek;
    s->enters = true;
    qemu_event_init(&s->there, false);
    qemu_event_init(&s->go_on, false);
    memory_region_init_io(&s->mmio, OBJECT(s), &testdev_ops, s,
                          TYPE_SHADOW_TESTDEV, TESTDEV_SIZE);
    memory_region_add_subregion(get_system_memory(), s->addr, &s->mmio);
}

static void testdev_unrealize(DeviceState *dev)
{
    ShadowTestdev *s = SHADOW_TESTDEV(dev);

    testdev_end(s);
    memory_region_del_subregion(get_system_memory(), &s->mmio);
    qemu_event_destroy(&s->there);
    qemu_event_destroy(&s->go_on);
}

static const Property testdev_properties[] = {
    DEFINE_PROP_UINT64("addr", ShadowTestdev, addr, 0xfe000000),
};

static void testdev_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = testdev_realize;
    dc->unrealize = testdev_unrealize;
    dc->bus_type = TYPE_SHADOW_BUS;
    dc->desc = "stands in for a CPU of the cloud VM, in tests";
    device_class_set_props(dc, testdev_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo testdev_types[] = {
    {
        .name = TYPE_SHADOW_TESTDEV,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(ShadowTestdev),
        .class_init = testdev_class_init,
    },
};

DEFINE_TYPES(testdev_types)
