/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The claimed ports of one nested guest.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitmap.h"
#include "qemu/main-loop.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-access.h"
#include "shadow/hw/core/shadow-ports.h"
#include "shadow/trace.h"

/* From one of a device's regions, whose offset 0 is port @first */
typedef struct ShadowRange {
    uint16_t first;
    uint16_t last;
    ShadowDevice *dev;          /* BQL */
    MemoryRegion *mr;           /* BQL */
} ShadowRange;

/*
 * All of a guest's, as CPUs see them.  Not an AddressSpace: each change would
 * render every view of the process anew, and there may be 1,000 guests.
 */
struct ShadowRanges {
    struct rcu_head rcu;
    unsigned n;
    ShadowRange range[];
};

/* Bits are set, never cleared: see shadow_ports_ever_claimed(). */
static unsigned long shadow_ports_ever[BITS_TO_LONGS(UINT16_MAX + 1)];

ShadowPorts *shadow_ports_new(ShadowGuest *guest,
                              void (*on_entry)(ShadowGuest *),
                              void (*on_stale)(ShadowGuest *),
                              void (*on_claimed)(ShadowGuest *,
                                                 const ShadowEntry *))
{
    ShadowPorts *ports = g_new0(ShadowPorts, 1);

    ports->guest = guest;
    ports->ranges = g_new0(ShadowRanges, 1);
    ports->matches = g_ptr_array_new();
    ports->proved = true;
    ports->on_entry = on_entry;
    ports->on_stale = on_stale;
    ports->on_claimed = on_claimed;
    return ports;
}

static void shadow_ports_reclaim(ShadowPorts *ports)
{
    g_ptr_array_unref(ports->matches);
    g_free(ports->ranges);
    g_free(ports);
}

void shadow_ports_free(ShadowPorts *ports)
{
    ports->guest = NULL;
    if (!qatomic_xchg(&ports->pending, SHADOW_PORTS_STALE)) {
        call_rcu(ports, shadow_ports_reclaim, rcu);
    }
}

/*
 * Owns @ports if the guest has gone away since it was scheduled: then it is
 * the last to know of it.
 */
static void shadow_ports_bh(void *opaque)
{
    ShadowPorts *ports = opaque;
    int why;

    if (!ports->guest) {
        /* stays pending, so that no CPU schedules it again */
        call_rcu(ports, shadow_ports_reclaim, rcu);
        return;
    }
    why = qatomic_xchg(&ports->pending, 0);
    if (why & SHADOW_PORTS_STALE) {
        ports->on_stale(ports->guest);
    }
    if (why & SHADOW_PORTS_ENTERED) {
        ports->on_entry(ports->guest);
    }
}

void shadow_ports_schedule(ShadowPorts *ports, int why)
{
    if (!qatomic_fetch_or(&ports->pending, why)) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), shadow_ports_bh,
                                ports);
    }
}

static void shadow_ports_publish(ShadowPorts *ports, ShadowRanges *new)
{
    ShadowRanges *old = ports->ranges;

    qatomic_rcu_set(&ports->ranges, new);
    g_free_rcu(old, rcu);
}

static ShadowRanges *shadow_ranges_new(unsigned n)
{
    ShadowRanges *r = g_malloc0(sizeof(*r) + n * sizeof(r->range[0]));

    r->n = n;
    return r;
}

static bool shadow_range_overlaps(const ShadowRange *r, const ShadowRange *s)
{
    return r->first <= s->last && s->first <= r->last;
}

/* Whether one of the first @n has ports of @new's: of another device, or not */
static int shadow_ranges_taken(const ShadowRange *r, unsigned n,
                               const ShadowRange *new, Error **errp)
{
    for (unsigned i = 0; i < n; i++) {
        if (shadow_range_overlaps(&r[i], new)) {
            error_setg(errp, "ports 0x%x-0x%x of shadow-guest '%s' belong to "
                       "device '%s' already", new->first, new->last,
                       new->dev->guest_id, shadow_device_name(r[i].dev));
            return -EBUSY;
        }
    }
    return 0;
}

int shadow_ports_claim(ShadowPorts *ports, ShadowDevice *dev, Error **errp)
{
    ShadowRanges *old = ports->ranges;
    ShadowRanges *new = shadow_ranges_new(old->n +
                                          shadow_device_n_regions(dev));
    MemoryRegion *mr;
    unsigned n = old->n;

    memcpy(new->range, old->range, old->n * sizeof(old->range[0]));
    QTAILQ_FOREACH(mr, &dev->io.subregions, subregions_link) {
        new->range[n] = (ShadowRange) {
            .first = mr->addr,
            .last = mr->addr + memory_region_size(mr) - 1,
            .dev = dev,
            .mr = mr,
        };
        if (shadow_ranges_taken(new->range, n, &new->range[n], errp)) {
            g_free(new);
            return -EBUSY;
        }
        n++;
    }
    for (unsigned i = old->n; i < n; i++) {
        bitmap_set_atomic(shadow_ports_ever, new->range[i].first,
                          new->range[i].last - new->range[i].first + 1);
    }
    shadow_ports_publish(ports, new);
    shadow_accel()->changed();
    return 0;
}

void shadow_ports_foreach(ShadowPorts *ports,
                          void (*fn)(uint16_t first, unsigned n, void *opaque),
                          void *opaque)
{
    const ShadowRanges *r = ports->ranges;

    for (unsigned i = 0; i < r->n; i++) {
        fn(r->range[i].first, r->range[i].last - r->range[i].first + 1,
           opaque);
    }
}

bool shadow_ports_ever_claimed(uint16_t port, unsigned size)
{
    unsigned long end = MIN(port + size, UINT16_MAX + 1);

    return find_next_bit(shadow_ports_ever, end, port) < end;
}

void shadow_ports_release(ShadowPorts *ports, ShadowDevice *dev)
{
    ShadowRanges *old = ports->ranges;
    ShadowRanges *new = shadow_ranges_new(old->n);

    new->n = 0;
    for (unsigned i = 0; i < old->n; i++) {
        if (old->range[i].dev != dev) {
            new->range[new->n++] = old->range[i];
        }
    }
    shadow_ports_publish(ports, new);
}

void shadow_ports_arm_entry(ShadowPorts *ports, bool armed)
{
    qatomic_set(&ports->entry_armed, armed);
}

void shadow_ports_set_proved(ShadowPorts *ports, bool proved)
{
    qatomic_set(&ports->proved, proved);
}

bool shadow_ports_proved(ShadowPorts *ports)
{
    return qatomic_read(&ports->proved);
}

bool shadow_ports_recognized(ShadowPorts *ports)
{
    return !qatomic_read(&ports->unsure_since);
}

uint64_t shadow_ports_accesses(ShadowPorts *ports)
{
    return qatomic_read(&ports->accesses);
}

bool shadow_ports_claimed(ShadowPorts *ports, uint16_t port, unsigned size)
{
    const ShadowRanges *r = qatomic_rcu_read(&ports->ranges);

    for (unsigned i = 0; i < r->n; i++) {
        if (port <= r->range[i].last && port + size > r->range[i].first) {
            return true;
        }
    }
    return false;
}

/*
 * A port access is proof enough of a nested entry, and may come before the
 * bottom half that the entry has scheduled.
 */
static void shadow_ports_begin(ShadowPorts *ports)
{
    ports->accesses++;
    if (unlikely(ports->entry_armed) && ports->guest) {
        ports->on_entry(ports->guest);
    }
}

/* The guest may have gone while its CPU waited for the lock. */
static const ShadowRange *shadow_ports_range(ShadowPorts *ports, unsigned port)
{
    const ShadowRanges *r = ports->ranges;

    for (unsigned i = 0; i < r->n; i++) {
        if (port >= r->range[i].first && port <= r->range[i].last) {
            return &r->range[i];
        }
    }
    return NULL;
}

/* How many bytes of an access at @port @r, or nobody if it is NULL, takes */
static unsigned shadow_range_size(const ShadowRange *r, unsigned port,
                                  unsigned size)
{
    return r ? memory_access_size(r->mr, MIN(size, r->last + 1 - port),
                                  port - r->first) : 1;
}

static uint32_t shadow_range_read(const ShadowRange *r, unsigned port,
                                  unsigned size)
{
    return r ? shadow_access_read(r->dev, r->mr, port - r->first, size)
             : UINT8_MAX;
}

static void shadow_range_write(const ShadowRange *r, unsigned port,
                               unsigned size, uint32_t val)
{
    if (r) {
        shadow_access_write(r->dev, r->mr, port - r->first, size, val);
    }
}

uint32_t shadow_ports_read(ShadowPorts *ports, uint16_t port, unsigned size)
{
    BQL_LOCK_GUARD();
    uint32_t val = 0;

    shadow_ports_begin(ports);
    for (unsigned i = 0, n; i < size; i += n) {
        const ShadowRange *r = shadow_ports_range(ports, port + i);

        n = shadow_range_size(r, port + i, size - i);
        val |= shadow_range_read(r, port + i, n) << (8 * i);
    }
    trace_shadow_port_read(port, size);
    return val;
}

void shadow_ports_write(ShadowPorts *ports, uint16_t port, unsigned size,
                        uint32_t val)
{
    BQL_LOCK_GUARD();

    shadow_ports_begin(ports);
    trace_shadow_port_write(port, size);
    for (unsigned i = 0, n; i < size; i += n) {
        const ShadowRange *r = shadow_ports_range(ports, port + i);

        n = shadow_range_size(r, port + i, size - i);
        shadow_range_write(r, port + i, n, val >> (8 * i));
    }
}
