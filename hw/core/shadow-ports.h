/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The claimed ports of one nested guest, as shadow-binding.c sees them.
 */
#ifndef SHADOW_PORTS_H
#define SHADOW_PORTS_H

#include "qemu/rcu.h"
#include "shadow/hw/core/shadow-device.h"

typedef struct ShadowPorts ShadowPorts;
typedef struct ShadowRanges ShadowRanges;
typedef struct ShadowClaim ShadowClaim;
typedef struct ShadowEntry ShadowEntry;
typedef struct ShadowPrivate ShadowPrivate;

/* Why a CPU wants the guest's attention */
enum {
    SHADOW_PORTS_ENTERED = 1,
    SHADOW_PORTS_STALE = 2,
};

struct ShadowPorts {
    struct rcu_head rcu;
    ShadowGuest *guest;         /* BQL; NULL when it is no more */
    ShadowRanges *ranges;       /* RCU */
    GPtrArray *matches;         /* under shadow_matches_lock */
    bool lost;                  /* the same; another guest took the last one */
    unsigned bound_since;       /* BQL; entries noted before are others' */
    unsigned entered_at;        /* atomic; the newest entry, if armed */
    ShadowClaim *claim;         /* RCU, or NULL; see shadow-claim.h */
    ShadowPrivate *private;     /* RCU, or NULL: not launched */
    bool private_only;          /* atomic: what is not private has no ports */
    bool may_lock;              /* atomic: it may come to be private itself */
    bool entry_armed;
    bool proved;                /* atomic: the guest's ports are its own */
    bool releasing;             /* atomic: see shadow_running_release() */
    int64_t unsure_since;       /* atomic; ms, 0: it is seen who runs */
    uint64_t map;               /* of an accelerator (BQL); 0: bound anew */
    int pending;                /* SHADOW_PORTS_*, atomic */
    uint64_t accesses;
    void (*on_entry)(ShadowGuest *guest);
    void (*on_stale)(ShadowGuest *guest);
    void (*on_claimed)(ShadowGuest *guest, const ShadowEntry *entry);
};

/*
 * The ports of a new guest, none yet.  @on_entry is called from a bottom half
 * after a nested entry that was armed by shadow_ports_arm_entry(); @on_stale
 * when the bound process, or guest, may have died; @on_claimed, by the CPU
 * that makes the entry, when it is that of the guest that was claimed.
 */
ShadowPorts *shadow_ports_new(ShadowGuest *guest,
                              void (*on_entry)(ShadowGuest *),
                              void (*on_stale)(ShadowGuest *),
                              void (*on_claimed)(ShadowGuest *,
                                                 const ShadowEntry *));
void shadow_ports_free(ShadowPorts *ports);

/*
 * Claim the ports of a device, or release them.  Those that another device has
 * claimed cannot be: -EBUSY, and @errp is set.
 */
int shadow_ports_claim(ShadowPorts *ports, ShadowDevice *dev, Error **errp);
void shadow_ports_release(ShadowPorts *ports, ShadowDevice *dev);

/* Call @fn for each range of @n claimed ports from @first on. */
void shadow_ports_foreach(ShadowPorts *ports,
                          void (*fn)(uint16_t first, unsigned n, void *opaque),
                          void *opaque);

void shadow_ports_arm_entry(ShadowPorts *ports, bool armed);
uint64_t shadow_ports_accesses(ShadowPorts *ports);

/* Whether its last entry was seen to be the bound guest's */
bool shadow_ports_recognized(ShadowPorts *ports);

/* Whether the guest has proved itself, or need not: else nobody serves it. */
void shadow_ports_set_proved(ShadowPorts *ports, bool proved);
bool shadow_ports_proved(ShadowPorts *ports);

/* Without the BQL, in an RCU read section: whether any byte is claimed. */
bool shadow_ports_claimed(ShadowPorts *ports, uint16_t port, unsigned size);

/*
 * Do a port access of 1, 2 or 4 bytes, cut where a range ends and to what its
 * device takes; ports that nobody has read as ones.  Takes the BQL.
 */
uint32_t shadow_ports_read(ShadowPorts *ports, uint16_t port, unsigned size);
void shadow_ports_write(ShadowPorts *ports, uint16_t port, unsigned size,
                        uint32_t val);

/* Have @on_entry or @on_stale called; from any thread. */
void shadow_ports_schedule(ShadowPorts *ports, int why);

/*
 * Whether any byte was claimed by any guest at any time: what is not served to
 * an entry of which the guest, or its device, has gone meanwhile.
 */
bool shadow_ports_ever_claimed(uint16_t port, unsigned size);

#endif /* SHADOW_PORTS_H */
