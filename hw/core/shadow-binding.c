/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which nested guest a virtual CPU is running: bindings by process and by tag.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/qht.h"
#include "qemu/xxhash.h"
#include "shadow/hw/core/shadow-binding.h"
#include "shadow/hw/core/shadow-ports.h"

/* x86 machines have at most this many CPUs; others are never shadowed. */
#define SHADOW_MAX_CPUS 4096

/*
 * A nested guest has one VMCB per virtual CPU, and few page-table roots at a
 * time; a hypervisor that makes more than this loses the oldest.
 */
#define SHADOW_MAX_KEYS 512

typedef enum ShadowKeyKind {
    SHADOW_KEY_PROCESS,
    SHADOW_KEY_ROOT,
    SHADOW_KEY_VMCB,
} ShadowKeyKind;

/* One way to recognize a guest; immutable while it is in the table. */
typedef struct ShadowKey {
    struct rcu_head rcu;
    ShadowKeyKind kind;
    uint64_t value;
    ShadowPorts *ports;
    uint64_t cookie_va;
    uint64_t cookie;
} ShadowKey;

bool shadow_bindings_exist;

static struct qht shadow_keys;
static unsigned shadow_n_keys;
/* counts removals, so that an entry that races with one is seen */
static unsigned shadow_generation;
static ShadowPorts *shadow_running[SHADOW_MAX_CPUS];
/* writers of the table: the BQL's holder, and CPUs that follow a new root */
static QemuMutex shadow_keys_lock;

static bool shadow_key_equal(const void *a, const void *b)
{
    const ShadowKey *x = a, *y = b;

    return x->kind == y->kind && x->value == y->value;
}

static uint32_t shadow_key_hash(const ShadowKey *key)
{
    return qemu_xxhash4(key->value, key->kind);
}

static ShadowKey *shadow_key_find(ShadowKeyKind kind, uint64_t value)
{
    ShadowKey key = { .kind = kind, .value = value };

    return qht_lookup(&shadow_keys, &key, shadow_key_hash(&key));
}

static void shadow_key_remove_locked(ShadowKey *key)
{
    qht_remove(&shadow_keys, key, shadow_key_hash(key));
    qatomic_set(&shadow_bindings_exist, --shadow_n_keys > 0);
    qatomic_inc(&shadow_generation);
    g_free_rcu(key, rcu);
}

static void shadow_key_add_locked(ShadowKeyKind kind, uint64_t value,
                                  ShadowPorts *ports, uint64_t cookie_va,
                                  uint64_t cookie)
{
    ShadowKey *old = shadow_key_find(kind, value);
    ShadowKey *key;

    if (old) {
        g_ptr_array_remove(old->ports->keys, old);
        shadow_key_remove_locked(old);
    }
    if (ports->keys->len >= SHADOW_MAX_KEYS) {
        shadow_key_remove_locked(g_ptr_array_steal_index(ports->keys, 0));
    }
    key = g_new0(ShadowKey, 1);
    *key = (ShadowKey) { .kind = kind, .value = value, .ports = ports,
                         .cookie_va = cookie_va, .cookie = cookie };
    g_ptr_array_add(ports->keys, key);
    shadow_n_keys++;
    qht_insert(&shadow_keys, key, shadow_key_hash(key), NULL);
    qatomic_set(&shadow_bindings_exist, true);
}

static bool shadow_ports_has(ShadowPorts *ports, ShadowKeyKind kind)
{
    QEMU_LOCK_GUARD(&shadow_keys_lock);

    for (guint i = 0; i < ports->keys->len; i++) {
        ShadowKey *key = g_ptr_array_index(ports->keys, i);

        if (key->kind == kind) {
            return true;
        }
    }
    return false;
}

bool shadow_binding_by_process(ShadowPorts *ports)
{
    return shadow_ports_has(ports, SHADOW_KEY_PROCESS);
}

bool shadow_binding_process(ShadowPorts *ports, uint64_t *process,
                            uint64_t *cookie_va, uint64_t *cookie)
{
    QEMU_LOCK_GUARD(&shadow_keys_lock);

    for (guint i = 0; i < ports->keys->len; i++) {
        ShadowKey *key = g_ptr_array_index(ports->keys, i);

        if (key->kind == SHADOW_KEY_PROCESS) {
            *process = key->value;
            *cookie_va = key->cookie_va;
            *cookie = key->cookie;
            return true;
        }
    }
    return false;
}

bool shadow_binding_by_tag(ShadowPorts *ports)
{
    return shadow_ports_has(ports, SHADOW_KEY_VMCB);
}

/*
 * Take back what CPUs have been told.  Pairs with shadow_binding_enter(): a
 * CPU either sees the new generation, or is seen here.
 */
static void shadow_binding_recall(ShadowPorts *ports)
{
    smp_mb(); /* the table is changed before the CPUs are looked at */
    for (unsigned i = 0; i < SHADOW_MAX_CPUS; i++) {
        if (qatomic_read(&shadow_running[i]) == ports) {
            qatomic_cmpxchg(&shadow_running[i], ports, NULL);
        }
    }
}

static void shadow_binding_remove_kind(ShadowPorts *ports, bool process)
{
    QEMU_LOCK_GUARD(&shadow_keys_lock);

    for (guint i = ports->keys->len; i-- > 0; ) {
        ShadowKey *key = g_ptr_array_index(ports->keys, i);

        if ((key->kind == SHADOW_KEY_PROCESS) == process) {
            g_ptr_array_remove_index(ports->keys, i);
            shadow_key_remove_locked(key);
        }
    }
}

bool shadow_binding_remove(ShadowPorts *ports)
{
    bool any = shadow_binding_by_process(ports) ||
               shadow_binding_by_tag(ports);

    shadow_binding_remove_kind(ports, true);
    shadow_binding_remove_kind(ports, false);
    shadow_binding_recall(ports);
    return any;
}

void shadow_binding_add_process(ShadowPorts *ports, uint64_t process,
                                uint64_t cookie_va, uint64_t cookie)
{
    ShadowPorts *other = NULL;
    ShadowKey *key;

    WITH_QEMU_LOCK_GUARD(&shadow_keys_lock) {
        key = shadow_key_find(SHADOW_KEY_PROCESS, process);
        if (key && key->ports != ports) {
            other = key->ports;
        }
    }
    if (other) {
        /* L1 uses the page table for another process now */
        other->on_stale(other->guest);
    }
    shadow_binding_remove_kind(ports, true);
    WITH_QEMU_LOCK_GUARD(&shadow_keys_lock) {
        shadow_key_add_locked(SHADOW_KEY_PROCESS, process, ports,
                              cookie_va, cookie);
    }
    qatomic_set(&ports->map, 0);
    shadow_binding_recall(ports);
}

void shadow_binding_add_tag(ShadowPorts *ports, const ShadowEntry *entry)
{
    QEMU_LOCK_GUARD(&shadow_keys_lock);

    if (entry->root) {
        shadow_key_add_locked(SHADOW_KEY_ROOT, entry->root, ports, 0, 0);
    }
    shadow_key_add_locked(SHADOW_KEY_VMCB, entry->vmcb, ports, 0, 0);
}

/*
 * A tag's binding holds for the nested root, whichever virtual CPU enters,
 * and for the VMCB, when L1 gives it a new root: learn the other one.
 */
static void shadow_binding_follow(const ShadowEntry *entry)
{
    QEMU_LOCK_GUARD(&shadow_keys_lock);
    ShadowKey *root = shadow_key_find(SHADOW_KEY_ROOT, entry->root);
    ShadowKey *vmcb = shadow_key_find(SHADOW_KEY_VMCB, entry->vmcb);

    if (root && !vmcb) {
        shadow_key_add_locked(SHADOW_KEY_VMCB, entry->vmcb, root->ports, 0, 0);
    } else if (vmcb && !root && entry->root) {
        shadow_key_add_locked(SHADOW_KEY_ROOT, entry->root, vmcb->ports, 0, 0);
    }
}

static ShadowPorts *shadow_binding_find(const ShadowEntry *entry,
                                        ShadowPeek *peek, void *cpu)
{
    ShadowKey *key = shadow_key_find(SHADOW_KEY_PROCESS, entry->process);
    ShadowKey *vmcb;
    uint64_t cookie;

    if (key) {
        if (peek(cpu, key->cookie_va, &cookie) && cookie == key->cookie) {
            return key->ports;
        }
        shadow_ports_schedule(key->ports, SHADOW_PORTS_STALE);
    }
    key = shadow_key_find(SHADOW_KEY_ROOT, entry->root);
    vmcb = shadow_key_find(SHADOW_KEY_VMCB, entry->vmcb);
    if (!key != !vmcb) {
        shadow_binding_follow(entry);
    }
    key = key ?: vmcb;
    return key ? key->ports : NULL;
}

void shadow_binding_enter(unsigned cpu_index, const ShadowEntry *entry,
                          ShadowPeek *peek, void *cpu)
{
    ShadowPorts *ports;
    unsigned generation;

    if (cpu_index >= SHADOW_MAX_CPUS) {
        return;
    }
    do {
        generation = qatomic_read(&shadow_generation);
        ports = shadow_binding_find(entry, peek, cpu);
        qatomic_set(&shadow_running[cpu_index], ports);
        smp_mb(); /* pairs with shadow_binding_recall() */
    } while (ports && generation != qatomic_read(&shadow_generation));

    if (ports && qatomic_read(&ports->entry_armed)) {
        shadow_ports_schedule(ports, SHADOW_PORTS_ENTERED);
    }
}

ShadowPorts *shadow_binding_ports(unsigned cpu_index)
{
    return cpu_index < SHADOW_MAX_CPUS ?
           qatomic_rcu_read(&shadow_running[cpu_index]) : NULL;
}

static void __attribute__((constructor)) shadow_binding_init(void)
{
    qemu_mutex_init(&shadow_keys_lock);
    qht_init(&shadow_keys, shadow_key_equal, 64, QHT_MODE_AUTO_RESIZE);
}
