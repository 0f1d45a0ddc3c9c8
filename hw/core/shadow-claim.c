/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nested guests that are known by a cookie in their memory.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/rcu_queue.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-claim.h"
#include "shadow/trace.h"

/*
 * A root that has none of the cookies is not walked again for so long, unless
 * there is another claim: one that runs may get its cookie at any time.
 */
#define CLAIM_AGAIN_MS 10
/* So many such roots are remembered by each CPU */
#define CLAIM_MISSES 16

struct ShadowClaim {
    struct rcu_head rcu;
    QLIST_ENTRY(ShadowClaim) next;  /* RCU; of those that wait */
    ShadowPorts *ports;
    ShadowNestedCookie cookie;
    bool registered;        /* by the nested guest itself */
    bool found;             /* atomic */
    bool stale;             /* atomic: something else has been seen there */
};

typedef struct ClaimMiss {
    uint64_t root;          /* 0: none */
    unsigned changes;
    int64_t until;          /* ms */
} ClaimMiss;

static QLIST_HEAD(, ShadowClaim) claims_waiting =
    QLIST_HEAD_INITIALIZER(claims_waiting);
/* how often one has come to wait; atomic */
static unsigned claims_changes;
static __thread ClaimMiss claim_misses[CLAIM_MISSES];

static ShadowLife claim_peek(const ShadowClaim *claim, uint64_t root)
{
    uint64_t seen;

    if (!root ||
        !shadow_accel()->peek_nested(root, claim->cookie.address, &seen)) {
        return SHADOW_LIFE_UNSURE;
    }
    return seen == claim->cookie.value ? SHADOW_LIFE_SEEN : SHADOW_LIFE_OVER;
}

static ClaimMiss *claim_miss(uint64_t root)
{
    return &claim_misses[(root >> 12) % CLAIM_MISSES];
}

static bool claim_missed(uint64_t root)
{
    const ClaimMiss *miss = claim_miss(root);

    return miss->root == root &&
           miss->changes == qatomic_read(&claims_changes) &&
           qemu_clock_get_ms(QEMU_CLOCK_REALTIME) < miss->until;
}

/* It may be forgotten, or have found another, while the lock is taken. */
static ShadowPorts *claim_take(ShadowClaim *claim, const ShadowEntry *entry)
{
    BQL_LOCK_GUARD();
    ShadowPorts *ports = claim->ports;

    if (ports->claim != claim || claim->found) {
        return NULL;
    }
    QLIST_REMOVE_RCU(claim, next);
    qatomic_set(&claim->found, true);
    ports->on_claimed(ports->guest, entry);
    trace_shadow_claim_found(claim->cookie.address, entry->root, entry->vmcb);
    return ports;
}

ShadowPorts *shadow_claim_find(const ShadowEntry *entry)
{
    unsigned changes = qatomic_load_acquire(&claims_changes);
    ShadowClaim *claim;

    if (likely(QLIST_EMPTY_RCU(&claims_waiting)) || !entry->root ||
        claim_missed(entry->root)) {
        return NULL;
    }
    QLIST_FOREACH_RCU(claim, &claims_waiting, next) {
        if (claim_peek(claim, entry->root) == SHADOW_LIFE_SEEN) {
            return claim_take(claim, entry);
        }
    }
    *claim_miss(entry->root) = (ClaimMiss) {
        .root = entry->root,
        .changes = changes,
        .until = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + CLAIM_AGAIN_MS,
    };
    return NULL;
}

ShadowLife shadow_claim_look(ShadowPorts *ports, const ShadowEntry *entry)
{
    ShadowClaim *claim = qatomic_rcu_read(&ports->claim);
    ShadowLife life;

    if (!claim || !qatomic_read(&claim->found)) {
        return SHADOW_LIFE_NO_COOKIE;
    }
    life = claim_peek(claim, entry->root);
    if (life == SHADOW_LIFE_OVER) {
        trace_shadow_claim_lost(claim->cookie.address, entry->root);
        qatomic_set(&claim->stale, true);
        shadow_ports_schedule(ports, SHADOW_PORTS_STALE);
    }
    return life;
}

static ShadowClaim *claim_new(ShadowPorts *ports,
                              const ShadowNestedCookie *cookie)
{
    ShadowClaim *claim = g_new0(ShadowClaim, 1);

    shadow_claim_remove(ports);
    claim->ports = ports;
    claim->cookie = *cookie;
    return claim;
}

void shadow_claim_add(ShadowPorts *ports, const ShadowNestedCookie *cookie)
{
    ShadowClaim *claim = claim_new(ports, cookie);

    qatomic_rcu_set(&ports->claim, claim);
    QLIST_INSERT_HEAD_RCU(&claims_waiting, claim, next);
    qatomic_inc(&claims_changes);
    qatomic_set(&shadow_bindings_used, true);
}

void shadow_claim_add_registered(ShadowPorts *ports,
                                 const ShadowNestedCookie *cookie)
{
    ShadowClaim *claim = claim_new(ports, cookie);

    claim->registered = true;
    claim->found = true;
    qatomic_rcu_set(&ports->claim, claim);
}

bool shadow_claim_is_registered(ShadowPorts *ports)
{
    return ports->claim && ports->claim->registered;
}

bool shadow_claim_remove(ShadowPorts *ports)
{
    ShadowClaim *claim = ports->claim;

    if (!claim) {
        return false;
    }
    qatomic_set(&ports->claim, NULL);
    if (!claim->found) {
        QLIST_REMOVE_RCU(claim, next);
    }
    g_free_rcu(claim, rcu);
    return true;
}

bool shadow_claim_waits(ShadowPorts *ports)
{
    return ports->claim && !ports->claim->found;
}

bool shadow_claim_found(ShadowPorts *ports)
{
    return ports->claim && ports->claim->found && !ports->claim->registered;
}

bool shadow_claim_is_stale(ShadowPorts *ports)
{
    return ports->claim && qatomic_read(&ports->claim->stale);
}
