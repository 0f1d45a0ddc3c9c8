/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By what nested guests are recognized: bindings by process and by tag.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/qht.h"
#include "qemu/xxhash.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-binding.h"

/*
 * A nested guest has one VMCB per virtual CPU, and few page-table roots at a
 * time; a hypervisor that makes more than this loses the oldest.
 */
#define SHADOW_MAX_MATCHES 512

typedef enum ShadowMatchKind {
    SHADOW_MATCH_PROCESS,
    SHADOW_MATCH_ROOT,
    SHADOW_MATCH_VMCB,
} ShadowMatchKind;

/* By what a process is known to live. */
typedef struct ShadowCookie {
    struct rcu_head rcu;
    uint64_t va;
    uint64_t value;
    bool stale;             /* atomic: something else has been seen there */
} ShadowCookie;

/* One way to recognize a guest. */
typedef struct ShadowMatch {
    struct rcu_head rcu;
    ShadowMatchKind kind;
    uint64_t value;
    ShadowPorts *ports;
    ShadowCookie *cookie;   /* RCU; of a process */
    bool alone;             /* atomic: no other address space may be it */
} ShadowMatch;

bool shadow_bindings_used;

static struct qht shadow_matches;
/* counts removals, so that an entry that races with one is seen */
static unsigned shadow_generation;
/* writers of the table: the BQL's holder, and CPUs that learn something */
static QemuMutex shadow_matches_lock;

static bool shadow_match_equal(const void *a, const void *b)
{
    const ShadowMatch *x = a, *y = b;

    return x->kind == y->kind && x->value == y->value;
}

static uint32_t shadow_match_hash(const ShadowMatch *match)
{
    return qemu_xxhash4(match->value, match->kind);
}

static ShadowMatch *shadow_match_find(ShadowMatchKind kind, uint64_t value)
{
    ShadowMatch match = { .kind = kind, .value = value };

    return qht_lookup(&shadow_matches, &match, shadow_match_hash(&match));
}

/* Takes it from the table; the caller has taken it from its guest's list. */
static void shadow_match_remove_locked(ShadowMatch *match)
{
    qht_remove(&shadow_matches, match, shadow_match_hash(match));
    qatomic_inc(&shadow_generation);
    if (match->cookie) {
        g_free_rcu(match->cookie, rcu);
    }
    g_free_rcu(match, rcu);
}

static void shadow_match_drop_locked(ShadowMatch *match)
{
    g_ptr_array_remove(match->ports->matches, match);
    shadow_match_remove_locked(match);
}

/* From a guest whose users are to hear of it if that was all that it had */
static void shadow_match_take_locked(ShadowMatch *match, ShadowPorts *taker)
{
    ShadowPorts *ports = match->ports;

    shadow_match_drop_locked(match);
    if (ports != taker && !ports->matches->len) {
        ports->lost = true;
        shadow_ports_schedule(ports, SHADOW_PORTS_STALE);
    }
}

static ShadowMatch *shadow_match_add_locked(ShadowMatchKind kind,
                                            uint64_t value, ShadowPorts *ports)
{
    ShadowMatch *old = shadow_match_find(kind, value);
    ShadowMatch *match;

    if (old) {
        shadow_match_take_locked(old, ports);
    }
    if (ports->matches->len >= SHADOW_MAX_MATCHES) {
        shadow_match_drop_locked(g_ptr_array_index(ports->matches, 0));
    }
    match = g_new0(ShadowMatch, 1);
    *match = (ShadowMatch) { .kind = kind, .value = value, .ports = ports };
    return match;
}

static void shadow_match_publish_locked(ShadowMatch *match)
{
    g_ptr_array_add(match->ports->matches, match);
    qht_insert(&shadow_matches, match, shadow_match_hash(match), NULL);
    qatomic_set(&shadow_bindings_used, true);
}

static bool shadow_ports_has(ShadowPorts *ports, ShadowMatchKind kind)
{
    QEMU_LOCK_GUARD(&shadow_matches_lock);

    for (guint i = 0; i < ports->matches->len; i++) {
        ShadowMatch *match = g_ptr_array_index(ports->matches, i);

        if (match->kind == kind) {
            return true;
        }
    }
    return false;
}

bool shadow_binding_by_process(ShadowPorts *ports)
{
    return shadow_ports_has(ports, SHADOW_MATCH_PROCESS);
}

bool shadow_binding_by_tag(ShadowPorts *ports)
{
    return shadow_ports_has(ports, SHADOW_MATCH_VMCB);
}

bool shadow_binding_is_bound(ShadowPorts *ports)
{
    return shadow_binding_by_process(ports) || shadow_binding_by_tag(ports) ||
           ports->lost;
}

/* What tells whether a process lives */

/* With the cookie, in case there is a new one soon */
static void shadow_match_over(ShadowMatch *match, ShadowCookie *cookie)
{
    qatomic_set(&cookie->stale, true);
    shadow_ports_schedule(match->ports, SHADOW_PORTS_STALE);
}

/* Notes it if it is over. */
static ShadowLife shadow_match_look(ShadowMatch *match, ShadowPeek *peek,
                                    void *cpu)
{
    ShadowCookie *cookie = qatomic_rcu_read(&match->cookie);
    uint64_t seen;

    if (!peek(cpu, cookie->va, &seen)) {
        return SHADOW_LIFE_UNSURE;
    }
    if (seen == cookie->value) {
        return SHADOW_LIFE_SEEN;
    }
    shadow_match_over(match, cookie);
    return SHADOW_LIFE_OVER;
}

/* One who makes no entry now */
typedef struct ShadowAbsent {
    uint64_t process;
    ShadowProcessPeek *peek;
} ShadowAbsent;

static bool shadow_absent_peek(void *opaque, uint64_t va, uint64_t *val)
{
    ShadowAbsent *who = opaque;

    return who->peek(who->process, va, val);
}

/* The guest's processes are copied: @fn may change them. */
static GArray *shadow_binding_processes(ShadowPorts *ports)
{
    GArray *list = g_array_new(false, false, sizeof(uint64_t));
    QEMU_LOCK_GUARD(&shadow_matches_lock);

    for (guint i = 0; i < ports->matches->len; i++) {
        ShadowMatch *match = g_ptr_array_index(ports->matches, i);

        if (match->kind == SHADOW_MATCH_PROCESS) {
            g_array_append_val(list, match->value);
        }
    }
    return list;
}

void shadow_binding_foreach_process(ShadowPorts *ports,
                                    void (*fn)(uint64_t process, void *opaque),
                                    void *opaque)
{
    g_autoptr(GArray) list = shadow_binding_processes(ports);

    for (guint i = 0; i < list->len; i++) {
        fn(g_array_index(list, uint64_t, i), opaque);
    }
}

bool shadow_binding_lives(ShadowPorts *ports)
{
    RCU_READ_LOCK_GUARD();
    g_autoptr(GArray) list = shadow_binding_processes(ports);
    bool any = false;

    for (guint i = 0; i < list->len; i++) {
        ShadowAbsent who = {
            .process = g_array_index(list, uint64_t, i),
            .peek = shadow_accel()->peek,
        };
        ShadowMatch *match = shadow_match_find(SHADOW_MATCH_PROCESS,
                                               who.process);

        any |= match && match->ports == ports &&
               shadow_match_look(match, shadow_absent_peek, &who) ==
               SHADOW_LIFE_SEEN;
    }
    return any;
}

/*
 * A page that is absent says nothing.  But who has died makes no entry that
 * would show another cookie, and its tables are gone: it is over too.
 */
static void shadow_match_miss(ShadowPorts *ports, ShadowAbsent *who,
                              ShadowProcessTables *has_tables)
{
    RCU_READ_LOCK_GUARD();
    ShadowMatch *match = shadow_match_find(SHADOW_MATCH_PROCESS, who->process);
    ShadowCookie *cookie;

    if (!match || match->ports != ports ||
        shadow_match_look(match, shadow_absent_peek, who) !=
        SHADOW_LIFE_UNSURE) {
        return;
    }
    cookie = qatomic_rcu_read(&match->cookie);
    if (!has_tables(who->process, cookie->va)) {
        shadow_match_over(match, cookie);
    }
}

void shadow_binding_look(ShadowPorts *ports, ShadowProcessPeek *peek,
                         ShadowProcessTables *has_tables)
{
    g_autoptr(GArray) list = shadow_binding_processes(ports);

    for (guint i = 0; i < list->len; i++) {
        ShadowAbsent who = { g_array_index(list, uint64_t, i), peek };

        shadow_match_miss(ports, &who, has_tables);
    }
}

bool shadow_binding_is_process(ShadowPorts *ports, const ShadowEntry *caller)
{
    g_autoptr(GArray) list = shadow_binding_processes(ports);

    for (guint i = 0; i < list->len; i++) {
        uint64_t process = g_array_index(list, uint64_t, i);

        if (process == caller->process ||
            (caller->alias && process == caller->alias)) {
            return true;
        }
    }
    return false;
}

bool shadow_binding_is_stale(ShadowPorts *ports)
{
    QEMU_LOCK_GUARD(&shadow_matches_lock);
    unsigned stale = 0, fresh = 0;

    for (guint i = 0; i < ports->matches->len; i++) {
        ShadowMatch *match = g_ptr_array_index(ports->matches, i);

        if (match->kind == SHADOW_MATCH_PROCESS) {
            *(qatomic_read(&match->cookie->stale) ? &stale : &fresh) += 1;
        }
    }
    for (guint i = ports->matches->len; fresh && i-- > 0; ) {
        ShadowMatch *match = g_ptr_array_index(ports->matches, i);

        if (match->kind == SHADOW_MATCH_PROCESS &&
            qatomic_read(&match->cookie->stale)) {
            shadow_match_drop_locked(match);
        }
    }
    return (stale && !fresh) || ports->lost;
}

/* Ends and beginnings */

bool shadow_binding_clear(ShadowPorts *ports)
{
    QEMU_LOCK_GUARD(&shadow_matches_lock);
    bool any = ports->lost;

    ports->lost = false;
    while (ports->matches->len) {
        shadow_match_drop_locked(g_ptr_array_index(ports->matches, 0));
        any = true;
    }
    ports->bound_since = qatomic_read(&shadow_generation);
    return any;
}

unsigned shadow_binding_generation(void)
{
    return qatomic_read(&shadow_generation);
}

/* L1 uses the page table for another process now. */
static void shadow_binding_take_over(ShadowPorts *ports, uint64_t process)
{
    ShadowPorts *other = NULL;

    WITH_QEMU_LOCK_GUARD(&shadow_matches_lock) {
        ShadowMatch *match = shadow_match_find(SHADOW_MATCH_PROCESS, process);

        if (match && match->ports != ports) {
            other = match->ports;
            qatomic_set(&match->cookie->stale, true);
        }
    }
    if (other) {
        other->on_stale(other->guest);
    }
}

static void shadow_match_add_process_locked(ShadowPorts *ports,
                                            uint64_t process,
                                            uint64_t cookie_va,
                                            uint64_t cookie, bool alone)
{
    ShadowMatch *match = shadow_match_add_locked(SHADOW_MATCH_PROCESS, process,
                                                 ports);

    match->alone = alone;
    match->cookie = g_new0(ShadowCookie, 1);
    *match->cookie = (ShadowCookie) { .va = cookie_va, .value = cookie };
    shadow_match_publish_locked(match);
}

void shadow_binding_add_process(ShadowPorts *ports, const ShadowEntry *caller,
                                uint64_t cookie_va, uint64_t cookie)
{
    uint64_t alias = caller->alias;

    shadow_binding_take_over(ports, caller->process);
    WITH_QEMU_LOCK_GUARD(&shadow_matches_lock) {
        /* an address space that is another guest's is not this one's too */
        if (alias && shadow_match_find(SHADOW_MATCH_PROCESS, alias)) {
            alias = 0;
        }
        shadow_match_add_process_locked(ports, caller->process, cookie_va,
                                        cookie, !alias);
        if (alias) {
            shadow_match_add_process_locked(ports, alias, cookie_va, cookie,
                                            false);
        }
    }
    qatomic_set(&ports->map, 0);
    qatomic_set(&ports->unsure_since, 0);
}

void shadow_binding_replace_cookie(ShadowPorts *ports, uint64_t cookie_va,
                                   uint64_t cookie)
{
    QEMU_LOCK_GUARD(&shadow_matches_lock);

    for (guint i = 0; i < ports->matches->len; i++) {
        ShadowMatch *match = g_ptr_array_index(ports->matches, i);
        ShadowCookie *old = match->cookie;
        ShadowCookie *new;

        if (old) {
            new = g_new0(ShadowCookie, 1);
            *new = (ShadowCookie) { .va = cookie_va, .value = cookie };
            qatomic_rcu_set(&match->cookie, new);
            g_free_rcu(old, rcu);
        }
    }
}

static void shadow_match_add_tag_locked(ShadowMatchKind kind, uint64_t value,
                                        ShadowPorts *ports)
{
    shadow_match_publish_locked(shadow_match_add_locked(kind, value, ports));
}

void shadow_binding_add_tag(ShadowPorts *ports, const ShadowEntry *entry)
{
    QEMU_LOCK_GUARD(&shadow_matches_lock);

    if (entry->root) {
        shadow_match_add_tag_locked(SHADOW_MATCH_ROOT, entry->root, ports);
    }
    shadow_match_add_tag_locked(SHADOW_MATCH_VMCB, entry->vmcb, ports);
}

/* Nested entries */

void shadow_binding_follow(const ShadowEntry *entry)
{
    QEMU_LOCK_GUARD(&shadow_matches_lock);
    ShadowMatch *root = shadow_match_find(SHADOW_MATCH_ROOT, entry->root);
    ShadowMatch *vmcb = shadow_match_find(SHADOW_MATCH_VMCB, entry->vmcb);

    if (root && !vmcb) {
        shadow_match_add_tag_locked(SHADOW_MATCH_VMCB, entry->vmcb,
                                    root->ports);
    } else if (vmcb && !root && entry->root) {
        shadow_match_add_tag_locked(SHADOW_MATCH_ROOT, entry->root,
                                    vmcb->ports);
    }
}

/* It was this address space that has called: there is no other. */
static void shadow_match_settle(uint64_t process)
{
    QEMU_LOCK_GUARD(&shadow_matches_lock);
    ShadowMatch *match = shadow_match_find(SHADOW_MATCH_PROCESS, process);

    if (!match || match->alone) {
        return;
    }
    qatomic_set(&match->alone, true);
    for (guint i = match->ports->matches->len; i-- > 0; ) {
        ShadowMatch *other = g_ptr_array_index(match->ports->matches, i);

        if (other != match && other->kind == SHADOW_MATCH_PROCESS) {
            shadow_match_drop_locked(other);
        }
    }
}

ShadowPorts *shadow_binding_of_process(const ShadowEntry *entry,
                                       ShadowPeek *peek, void *cpu, bool *sure)
{
    ShadowMatch *match = shadow_match_find(SHADOW_MATCH_PROCESS,
                                           entry->process);

    if (!match) {
        return NULL;
    }
    *sure = shadow_match_look(match, peek, cpu) == SHADOW_LIFE_SEEN;
    if (*sure && unlikely(!qatomic_read(&match->alone))) {
        shadow_match_settle(entry->process);
    }
    return match->ports;
}

ShadowPorts *shadow_binding_of_tag(const ShadowEntry *entry, bool *half)
{
    ShadowMatch *root = shadow_match_find(SHADOW_MATCH_ROOT, entry->root);
    ShadowMatch *vmcb = shadow_match_find(SHADOW_MATCH_VMCB, entry->vmcb);

    *half = !root != !vmcb;
    return root ? root->ports : vmcb ? vmcb->ports : NULL;
}

static void __attribute__((constructor)) shadow_binding_init(void)
{
    qemu_mutex_init(&shadow_matches_lock);
    qht_init(&shadow_matches, shadow_match_equal, 64, QHT_MODE_AUTO_RESIZE);
}
