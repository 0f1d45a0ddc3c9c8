/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The claimed ports of one nested guest, as shadow-binding.c sees them.
 */
#ifndef SHADOW_PORTS_H
#define SHADOW_PORTS_H

#include "shadow/hw/core/shadow-binding.h"
#include "shadow/hw/core/shadow-device.h"

typedef struct ShadowRange {
    uint16_t first;
    uint16_t last;
    ShadowDevice *dev;          /* BQL */
    ShadowDeviceClass *class;
} ShadowRange;

typedef struct ShadowRanges {
    struct rcu_head rcu;
    unsigned n;
    ShadowRange range[];
} ShadowRanges;

/* Why a CPU wants the guest's attention */
enum {
    SHADOW_PORTS_ENTERED = 1,
    SHADOW_PORTS_STALE = 2,
};

struct ShadowPorts {
    struct rcu_head rcu;
    ShadowGuest *guest;         /* BQL; NULL when it is no more */
    ShadowRanges *ranges;       /* RCU */
    GPtrArray *keys;            /* under shadow_keys_lock */
    bool entry_armed;
    bool proved;                /* atomic: the guest's ports are its own */
    bool releasing;             /* atomic: see shadow_ports_release() */
    int64_t unsure_since;       /* atomic; ms, 0: it is seen who runs */
    uint64_t map;               /* of an accelerator (BQL); 0: bound anew */
    int pending;                /* SHADOW_PORTS_*, atomic */
    uint64_t accesses;
    void (*on_entry)(ShadowGuest *guest);
    void (*on_stale)(ShadowGuest *guest);
};

/* Have @on_entry or @on_stale called; from any thread. */
void shadow_ports_schedule(ShadowPorts *ports, int why);

/*
 * Whether any byte was claimed by any guest at any time: what is not served to
 * an entry of which the guest, or its device, has gone meanwhile.
 */
bool shadow_ports_ever_claimed(uint16_t port, unsigned size);

/* Serve nobody on CPUs that have entered the guest. (shadow-binding.c) */
void shadow_binding_recall(ShadowPorts *ports);

/* The same, and no CPU is to know of @ports any more. (shadow-binding.c) */
void shadow_binding_forget(ShadowPorts *ports);

#endif /* SHADOW_PORTS_H */
