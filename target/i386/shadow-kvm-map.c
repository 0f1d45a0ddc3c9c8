/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cloud VM's maps of I/O permissions.
 *
 * A held map is covered by a region that KVM lets the cloud VM read but not
 * write.  Its writes come here; they are done to a copy of what it wants, and
 * to the region except for the bits that are held.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitmap.h"
#include "qemu/queue.h"
#include "qemu/units.h"
#include "qom/object.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/core/shadow-ports.h"
#include "shadow/hw/misc/ultracall.h"
#include "shadow/include/compat-memory.h"
#include "shadow/target/i386/shadow-kvm-map.h"
#include "shadow/trace.h"

#define TYPE_SHADOW_KVM_MAP "shadow-kvm-map"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowKvmMap, SHADOW_KVM_MAP)

/* above what a machine lays over its RAM */
#define MAP_PRIORITY 1000

struct ShadowKvmMap {
    Object parent_obj;

    uint64_t gpa;
    void *ram;                  /* what is covered */
    MemoryRegion *ram_region;
    MemoryRegion region;
    uint8_t wanted[SHADOW_KVM_MAP_SIZE];
    uint8_t held[SHADOW_KVM_MAP_SIZE];      /* bits that the processor has 0 */
    unsigned users;
    QTAILQ_ENTRY(ShadowKvmMap) next;
};

static QTAILQ_HEAD(, ShadowKvmMap) maps = QTAILQ_HEAD_INITIALIZER(maps);

static ShadowKvmMap *map_find(uint64_t gpa)
{
    ShadowKvmMap *m;

    QTAILQ_FOREACH(m, &maps, next) {
        if (m->gpa == gpa) {
            return m;
        }
    }
    return NULL;
}

static void map_show(ShadowKvmMap *m, unsigned first, unsigned n)
{
    uint8_t *seen = memory_region_get_ram_ptr(&m->region);

    for (unsigned i = first; i < first + n; i++) {
        qatomic_set(&seen[i], m->wanted[i] & ~m->held[i]);
    }
}

static uint64_t map_read(void *opaque, hwaddr addr, unsigned size)
{
    ShadowKvmMap *m = opaque;

    return ldn_le_p((uint8_t *)memory_region_get_ram_ptr(&m->region) + addr,
                    size);
}

static void map_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    ShadowKvmMap *m = opaque;

    trace_shadow_kvm_map_write(m->gpa, addr, size);
    stn_le_p(m->wanted + addr, size, val);
    map_show(m, addr, size);
}

static const MemoryRegionOps map_ops = {
    .read = map_read,
    .write = map_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

bool shadow_kvm_map_hold(uint64_t gpa)
{
    uint64_t len = SHADOW_KVM_MAP_SIZE;
    ShadowKvmMap *m = map_find(gpa);
    Error *err = NULL;
    ram_addr_t offset;
    void *ram;

    if (m) {
        return true;
    }
    RCU_READ_LOCK_GUARD();
    ram = ultracall_ram(gpa, &len, true);
    if (!ram || len < SHADOW_KVM_MAP_SIZE || gpa % (4 * KiB)) {
        return false;
    }
    m = SHADOW_KVM_MAP(object_new(TYPE_SHADOW_KVM_MAP));
    if (!shadow_init_rom_device(
            &m->region, OBJECT(m), &map_ops, m, TYPE_SHADOW_KVM_MAP,
            SHADOW_KVM_MAP_SIZE, &err)) {
        error_report_err(err);
        object_unref(OBJECT(m));
        return false;
    }
    m->gpa = gpa;
    m->ram = ram;
    m->ram_region = memory_region_from_host(ram, &offset);
    memory_region_ref(m->ram_region);
    memcpy(m->wanted, ram, SHADOW_KVM_MAP_SIZE);
    map_show(m, 0, SHADOW_KVM_MAP_SIZE);
    memory_region_add_subregion_overlap(get_system_memory(), gpa, &m->region,
                                        MAP_PRIORITY);
    /* what was written to it between the copy and now */
    memcpy(m->wanted, ram, SHADOW_KVM_MAP_SIZE);
    map_show(m, 0, SHADOW_KVM_MAP_SIZE);
    QTAILQ_INSERT_TAIL(&maps, m, next);
    trace_shadow_kvm_map_held(gpa);
    return true;
}

/* What the cloud VM has wanted becomes what its memory holds. */
static void map_release(ShadowKvmMap *m)
{
    memcpy(m->ram, m->wanted, SHADOW_KVM_MAP_SIZE);
    memory_region_del_subregion(get_system_memory(), &m->region);
    memory_region_unref(m->ram_region);
    trace_shadow_kvm_map_released(m->gpa);
    QTAILQ_REMOVE(&maps, m, next);
    /*
     * Both go when no CPU can be in the region any more: old views of memory
     * hold a reference to its owner (docs/devel/memory.rst).
     */
    object_unref(OBJECT(m));
}

static void map_add_ports(uint16_t first, unsigned n, void *opaque)
{
    ShadowKvmMap *m = opaque;

    for (unsigned port = first; port < first + n; port++) {
        m->held[port / 8] |= 1 << (port % 8);
    }
}

static void map_add_guest(ShadowGuest *g, void *opaque)
{
    ShadowKvmMap *m = opaque;

    if (g->ports->map == m->gpa) {
        m->users++;
        shadow_ports_foreach(g->ports, map_add_ports, m);
    }
}

void shadow_kvm_map_update_all(void)
{
    ShadowKvmMap *m, *next;

    QTAILQ_FOREACH_SAFE(m, &maps, next, next) {
        m->users = 0;
        memset(m->held, 0, sizeof(m->held));
        shadow_guest_foreach(map_add_guest, m);
        if (m->users) {
            map_show(m, 0, SHADOW_KVM_MAP_SIZE);
        } else {
            map_release(m);
        }
    }
}

bool shadow_kvm_map_wants(uint64_t gpa, uint16_t port, unsigned size)
{
    ShadowKvmMap *m = map_find(gpa);
    uint8_t bytes[2] = { 0xff, 0xff };
    uint64_t len = sizeof(bytes);
    uint16_t mask = ((1 << size) - 1) << (port % 8);
    void *ram;

    RCU_READ_LOCK_GUARD();
    ram = m ? m->wanted + port / 8 : ultracall_ram(gpa + port / 8, &len, false);
    if (ram && len >= sizeof(bytes)) {
        memcpy(bytes, ram, sizeof(bytes));
    }
    return lduw_le_p(bytes) & mask;
}


static const TypeInfo map_types[] = {
    {
        .name = TYPE_SHADOW_KVM_MAP,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(ShadowKvmMap),
    },
};

DEFINE_TYPES(map_types)
