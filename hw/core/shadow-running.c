/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each virtual CPU runs, and who serves the ports of that.
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-claim.h"
#include "shadow/hw/core/shadow-running.h"

/* x86 machines have at most this many CPUs; others are never shadowed. */
#define SHADOW_MAX_CPUS 4096

/*
 * For how long an access waits for L0 to see whose it is.  L1's kernel moves a
 * page in far less; after that a guest that runs on without its port is better
 * off than one that stands still.
 */
#define SHADOW_UNSURE_MS 1000

/*
 * What a CPU has entered: a ShadowPorts with the low bits that make it somebody
 * who is served by nobody.
 */
#define RUNNING_UNSURE  1UL     /* it cannot be seen whether it is the guest */
#define RUNNING_ENDED   2UL     /* its binding has ended since */
#define RUNNING_PRIVATE 4UL     /* or: it is its private half */
#define RUNNING_FLAGS   7UL

static uintptr_t shadow_running[SHADOW_MAX_CPUS];

/* Ends */

/*
 * Pairs with shadow_running_enter(): a CPU either sees the new generation, or
 * is seen here.
 */
static void shadow_running_recall(ShadowPorts *ports)
{
    uintptr_t was;

    smp_mb(); /* the table is changed before the CPUs are looked at */
    for (unsigned i = 0; i < SHADOW_MAX_CPUS; i++) {
        while (was = qatomic_read(&shadow_running[i]),
               (was & ~RUNNING_FLAGS) == (uintptr_t)ports &&
               !(was & RUNNING_ENDED)) {
            qatomic_cmpxchg(&shadow_running[i], was,
                            (uintptr_t)ports | RUNNING_ENDED);
        }
    }
}

static void shadow_running_forget(ShadowPorts *ports)
{
    uintptr_t was;

    smp_mb(); /* as above */
    for (unsigned i = 0; i < SHADOW_MAX_CPUS; i++) {
        while (was = qatomic_read(&shadow_running[i]),
               (was & ~RUNNING_FLAGS) == (uintptr_t)ports) {
            qatomic_cmpxchg(&shadow_running[i], was, RUNNING_ENDED);
        }
    }
}

bool shadow_running_unbind(ShadowPorts *ports)
{
    bool any = shadow_binding_clear(ports);

    shadow_running_recall(ports);
    qatomic_set(&ports->unsure_since, 0);
    return any;
}

void shadow_running_end(ShadowPorts *ports)
{
    shadow_running_unbind(ports);
    shadow_claim_remove(ports);
    shadow_running_forget(ports);
}

/*
 * A CPU inside the guest that finds the port gone sees either that it is just
 * being released, or that its entry is over.
 */
void shadow_running_release(ShadowPorts *ports, ShadowDevice *dev)
{
    qatomic_set(&ports->releasing, true);
    shadow_ports_release(ports, dev);
    shadow_running_recall(ports);
    qatomic_set(&ports->releasing, false);
    shadow_accel()->changed();
}

/* Nested entries */

/*
 * A VMCB or root that L1 uses anew may be that of a guest for which a claim
 * waits.
 */
static uintptr_t shadow_running_find_tag(const ShadowEntry *entry)
{
    bool half;
    ShadowPorts *ports = shadow_binding_of_tag(entry, &half);
    ShadowLife life = ports ? shadow_claim_look(ports, entry) :
                      SHADOW_LIFE_NO_COOKIE;
    ShadowPorts *claimed = life == SHADOW_LIFE_SEEN ? NULL :
                           shadow_claim_find(entry);

    if (claimed || !ports) {
        return (uintptr_t)claimed;
    }
    if (life == SHADOW_LIFE_UNSURE || life == SHADOW_LIFE_OVER) {
        return (uintptr_t)ports | RUNNING_UNSURE;
    }
    if (half) {
        shadow_binding_follow(entry);
    }
    return (uintptr_t)ports;
}

static uintptr_t shadow_running_find(const ShadowEntry *entry,
                                     ShadowPeek *peek, void *cpu)
{
    bool sure;
    ShadowPorts *ports = shadow_binding_of_process(entry, peek, cpu, &sure);

    if (ports) {
        return (uintptr_t)ports | (sure ? 0 : RUNNING_UNSURE);
    }
    return shadow_running_find_tag(entry);
}

/* Since when it cannot be seen whether it is the guest, ms; 0: it can */
static void shadow_running_note(ShadowPorts *ports, bool sure)
{
    int64_t since = qatomic_read(&ports->unsure_since);

    if (sure ? since : !since) {
        qatomic_set(&ports->unsure_since,
                    sure ? 0 : qemu_clock_get_ms(QEMU_CLOCK_REALTIME));
    }
}

void shadow_running_enter(unsigned cpu_index, const ShadowEntry *entry,
                          ShadowPeek *peek, void *cpu)
{
    ShadowPorts *ports;
    unsigned generation;
    uintptr_t running;

    if (cpu_index >= SHADOW_MAX_CPUS) {
        return;
    }
    do {
        generation = shadow_binding_generation();
        running = shadow_running_find(entry, peek, cpu);
        qatomic_set(&shadow_running[cpu_index], running);
        smp_mb(); /* pairs with shadow_running_recall() */
    } while (running && generation != shadow_binding_generation());

    ports = (ShadowPorts *)(running & ~RUNNING_FLAGS);
    if (!ports) {
        return;
    }
    shadow_running_note(ports, !(running & RUNNING_UNSURE));
    if (qatomic_read(&ports->entry_armed) && !(running & RUNNING_UNSURE)) {
        qatomic_set(&ports->entered_at, generation);
        shadow_ports_schedule(ports, SHADOW_PORTS_ENTERED);
    }
}

/* An unbinding since then has made the generation a newer one. */
bool shadow_running_entered_since(ShadowPorts *ports)
{
    return (int)(qatomic_read(&ports->entered_at) - ports->bound_since) >= 0;
}

static uintptr_t shadow_running_get(unsigned cpu_index)
{
    return cpu_index < SHADOW_MAX_CPUS ?
           qatomic_read(&shadow_running[cpu_index]) : 0;
}

ShadowPorts *shadow_running_entered(unsigned cpu_index, bool *sure)
{
    uintptr_t running = shadow_running_get(cpu_index);

    if (sure) {
        *sure = !(running & RUNNING_UNSURE);
    }
    return running & RUNNING_ENDED ? NULL :
           (ShadowPorts *)(running & ~RUNNING_FLAGS);
}

/* Its binding may be ending just now. */
void shadow_running_private(unsigned cpu_index)
{
    uintptr_t was = shadow_running_get(cpu_index);

    if (was && !(was & RUNNING_ENDED)) {
        qatomic_cmpxchg(&shadow_running[cpu_index], was,
                        was | RUNNING_PRIVATE);
    }
}

bool shadow_running_is_private(unsigned cpu_index, ShadowPorts *ports)
{
    return shadow_running_get(cpu_index) ==
           ((uintptr_t)ports | RUNNING_PRIVATE);
}

static bool shadow_running_is_other(uintptr_t running, ShadowPorts *ports)
{
    return !(running & RUNNING_PRIVATE) &&
           (qatomic_read(&ports->private_only) ||
            qatomic_read(&ports->private));
}

static bool shadow_running_may_wait(ShadowPorts *ports)
{
    int64_t since = qatomic_read(&ports->unsure_since);

    return !since || qemu_clock_get_ms(QEMU_CLOCK_REALTIME) - since <
                     SHADOW_UNSURE_MS;
}

/* Whether a port is unclaimed only since the CPU has entered the guest */
static bool shadow_running_released(unsigned cpu_index, ShadowPorts *ports)
{
    smp_rmb(); /* pairs with shadow_running_release() */
    return qatomic_read(&ports->releasing) ||
           shadow_running_get(cpu_index) & RUNNING_ENDED;
}

ShadowAnswer shadow_running_ask(unsigned cpu_index, uint16_t port,
                                unsigned size)
{
    uintptr_t running = shadow_running_get(cpu_index);
    ShadowPorts *ports = (ShadowPorts *)(running & ~RUNNING_FLAGS);
    ShadowAnswer answer = { .server = SHADOW_SERVER_OTHER };

    if (!running || !shadow_ports_ever_claimed(port, size)) {
        return answer;
    }
    if (running & RUNNING_ENDED) {
        answer.server = SHADOW_SERVER_NOBODY;
    } else if (!shadow_ports_claimed(ports, port, size)) {
        if (shadow_running_released(cpu_index, ports)) {
            answer.server = SHADOW_SERVER_NOBODY;
        }
    } else if (running & RUNNING_UNSURE) {
        answer.server = shadow_running_may_wait(ports) ?
                        SHADOW_SERVER_LATER : SHADOW_SERVER_NOBODY;
    } else if (!qatomic_read(&ports->proved) ||
               shadow_running_is_other(running, ports)) {
        answer.server = SHADOW_SERVER_NOBODY;
    } else {
        answer = (ShadowAnswer) { SHADOW_SERVER_DEVICE, ports };
    }
    return answer;
}

uint32_t shadow_answer_read(const ShadowAnswer *answer, uint16_t port,
                            unsigned size)
{
    return answer->server == SHADOW_SERVER_DEVICE ?
           shadow_ports_read(answer->ports, port, size) :
           UINT32_MAX >> (32 - 8 * size);
}

void shadow_answer_write(const ShadowAnswer *answer, uint16_t port,
                         unsigned size, uint32_t val)
{
    if (answer->server == SHADOW_SERVER_DEVICE) {
        shadow_ports_write(answer->ports, port, size, val);
    }
}
