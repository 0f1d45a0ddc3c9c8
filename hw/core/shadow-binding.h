/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which nested guest a virtual CPU is running, and which of its I/O ports are
 * ours.
 *
 * The cloud VM's CPUs ask on each nested entry and each nested port access,
 * without a lock; the answers change rarely, under the BQL.  What a CPU has
 * been told stays valid for its RCU read section, and is taken back before a
 * binding or a guest goes away.
 */
#ifndef SHADOW_BINDING_H
#define SHADOW_BINDING_H

#include "qemu/rcu.h"
#include "exec/hwaddr.h"

typedef struct ShadowDevice ShadowDevice;
typedef struct ShadowGuest ShadowGuest;
typedef struct ShadowPorts ShadowPorts;

/* What identifies a nested entry.  Addresses are L1-physical. */
typedef struct ShadowEntry {
    uint64_t process;       /* L1's CR3 without PCID and KPTI bits */
    uint64_t root;          /* nested page-table root, or 0 */
    uint64_t vmcb;
} ShadowEntry;

/* CR3 as an identity of an address space (AMD APM vol. 2, 5.3.2) */
#define SHADOW_PROCESS(cr3) ((cr3) & 0x000fffffffffe000ULL)

/* Whether any nested guest is bound at all. */
extern bool shadow_bindings_exist;

/*
 * Read 8 bytes at a virtual address of the running L1 process.
 * Returns false if nothing is mapped there.
 */
typedef bool ShadowPeek(void *cpu, uint64_t va, uint64_t *val);

/*
 * A CPU enters a nested guest: find out whose ports it has.  Called by the
 * CPU's own thread in an RCU read section, without the BQL.
 */
void shadow_binding_enter(unsigned cpu_index, const ShadowEntry *entry,
                          ShadowPeek *peek, void *cpu);

/* The ports of the nested guest that the CPU entered last, or NULL. */
ShadowPorts *shadow_binding_ports(unsigned cpu_index);

/* What follows is called with the BQL held. */

/*
 * Bind @ports to an L1 process.  @cookie_va holds @cookie for as long as the
 * process lives: its absence ends the binding, since L1 reuses page tables.
 * A guest has at most one such binding: a new one replaces it.
 */
void shadow_binding_add_process(ShadowPorts *ports, uint64_t process,
                                uint64_t cookie_va, uint64_t cookie);

/* Bind @ports to the nested guest that made @entry. */
void shadow_binding_add_tag(ShadowPorts *ports, const ShadowEntry *entry);

/* End all of the guest's bindings.  Returns whether there were any. */
bool shadow_binding_remove(ShadowPorts *ports);

bool shadow_binding_by_process(ShadowPorts *ports);

/* What shadow_binding_add_process() was given; false if there is none */
bool shadow_binding_process(ShadowPorts *ports, uint64_t *process,
                            uint64_t *cookie_va, uint64_t *cookie);
bool shadow_binding_by_tag(ShadowPorts *ports);

/*
 * The claimed ports of one nested guest.
 *
 * @on_entry is called from a bottom half after a nested entry that was armed
 * by shadow_ports_arm_entry(); @on_stale when the bound process has died.
 */
ShadowPorts *shadow_ports_new(ShadowGuest *guest,
                              void (*on_entry)(ShadowGuest *),
                              void (*on_stale)(ShadowGuest *));
void shadow_ports_free(ShadowPorts *ports);
void shadow_ports_claim(ShadowPorts *ports, ShadowDevice *dev, uint16_t first,
                        unsigned n);
void shadow_ports_release(ShadowPorts *ports, uint16_t first);
void shadow_ports_arm_entry(ShadowPorts *ports, bool armed);
uint64_t shadow_ports_accesses(ShadowPorts *ports);

/* Without the BQL, in an RCU read section: whether any byte is claimed. */
bool shadow_ports_claimed(ShadowPorts *ports, uint16_t port, unsigned size);

/*
 * Do a port access of 1, 2 or 4 bytes, as as many accesses of one byte as on
 * an 8-bit ISA bus; ports that nobody has read as ones.  Takes the BQL.
 */
uint32_t shadow_ports_read(ShadowPorts *ports, uint16_t port, unsigned size);
void shadow_ports_write(ShadowPorts *ports, uint16_t port, unsigned size,
                        uint32_t val);

#endif /* SHADOW_BINDING_H */
