/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which nested guest a virtual CPU is running, and who serves its I/O ports.
 *
 * The cloud VM's CPUs ask on each nested entry and once for each nested port
 * access, without a lock; the answers change rarely, under the BQL.  An answer
 * stays valid for the CPU's RCU read section.
 *
 * It fails closed.  While L0 cannot see whether an entry is a bound guest's,
 * and when a binding has ended under a CPU that has entered the guest, the
 * claimed ports of that entry are served by nobody, until the next entry.
 */
#ifndef SHADOW_BINDING_H
#define SHADOW_BINDING_H

#include "qemu/rcu.h"
#include "exec/hwaddr.h"
#include "shadow/hw/core/shadow-ports.h"

/* What identifies a nested entry, or a caller.  Addresses are L1-physical. */
struct ShadowEntry {
    uint64_t process;       /* L1's CR3 without PCID */
    uint64_t alias;         /* of a caller: another that it may be, or 0 */
    uint64_t root;          /* nested page-table root, or 0 */
    uint64_t vmcb;
};

/* What a nested guest has in its memory, at a guest-physical address */
typedef struct ShadowNestedCookie {
    uint64_t address;
    uint64_t value;
} ShadowNestedCookie;

/* CR3 as an identity of an address space (AMD APM vol. 2, 5.3.2) */
#define SHADOW_PROCESS(cr3) ((cr3) & 0x000ffffffffff000ULL)

/*
 * With page-table isolation Linux gives a process a pair of address spaces:
 * this bit tells that of user mode, which makes calls, from that of the kernel,
 * which makes nested entries.  Without, they are two processes.  So for what a
 * program (@user) calls under the first, the second is another that it may be;
 * the cookie decides.
 */
#define SHADOW_PTI_USER 0x1000ULL
static inline uint64_t shadow_process_alias(uint64_t cr3, bool user)
{
    return user && cr3 & SHADOW_PTI_USER ?
           SHADOW_PROCESS(cr3) & ~SHADOW_PTI_USER : 0;
}

/* Whether any nested guest has ever been bound. */
extern bool shadow_bindings_used;

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

/* Who serves an access to a port of the nested guest that a CPU runs */
typedef enum ShadowServer {
    SHADOW_SERVER_OTHER,    /* not ours: as if there were no shadow guests */
    SHADOW_SERVER_DEVICE,
    SHADOW_SERVER_NOBODY,   /* reads are ones, writes go nowhere */
    SHADOW_SERVER_LATER,    /* make the access again after the next entry, or
                               else as NOBODY */
} ShadowServer;

typedef struct ShadowAnswer {
    ShadowServer server;
    ShadowPorts *ports;     /* of a device */
} ShadowAnswer;

/* To be asked once for an access of @size bytes: the access uses the answer. */
ShadowAnswer shadow_binding_ask(unsigned cpu_index, uint16_t port,
                                unsigned size);

/*
 * Do what the answer, which is not SHADOW_SERVER_OTHER, says: an access of 1, 2
 * or 4 bytes.  Takes the BQL.
 */
uint32_t shadow_answer_read(const ShadowAnswer *answer, uint16_t port,
                            unsigned size);
void shadow_answer_write(const ShadowAnswer *answer, uint16_t port,
                         unsigned size, uint32_t val);

/*
 * The bound guest that the CPU entered last, or NULL; *@sure, unless @sure is
 * NULL, tells whether it was seen to be that guest.
 */
ShadowPorts *shadow_binding_entered(unsigned cpu_index, bool *sure);

/* What follows is called with the BQL held. */

/* Whether @caller is the process that @ports are bound to. */
bool shadow_binding_is_process(ShadowPorts *ports, const ShadowEntry *caller);

/* Whether the process that @ports are bound to is seen to live. */
bool shadow_binding_lives(ShadowPorts *ports);

/*
 * Bind @ports, which are not bound by process, to the process of @caller.
 * @cookie_va holds @cookie for as long as the process lives.  That it cannot be
 * read says nothing, since L1 may unmap it for a moment; that it reads as
 * something else ends the binding, since L1 reuses page tables.
 */
void shadow_binding_add_process(ShadowPorts *ports, const ShadowEntry *caller,
                                uint64_t cookie_va, uint64_t cookie);

/* The same process has a new cookie.  No CPU sees the guest unbound. */
void shadow_binding_replace_cookie(ShadowPorts *ports, uint64_t cookie_va,
                                   uint64_t cookie);

/* Bind @ports to the nested guest that made @entry. */
void shadow_binding_add_tag(ShadowPorts *ports, const ShadowEntry *entry);

/*
 * End all of the guest's bindings.  CPUs that have entered it are served by
 * nobody until their next entry.  Returns whether there were any bindings.
 */
bool shadow_binding_remove(ShadowPorts *ports);

/* The same; and no CPU is to know of @ports any more, which can be freed. */
void shadow_binding_end(ShadowPorts *ports);

/* Release the ports of @dev, also for a CPU that is inside the guest. */
void shadow_binding_release(ShadowPorts *ports, ShadowDevice *dev);

/*
 * Forget address spaces that are now another process's.  Returns whether that
 * was all that the guest was bound to by process, or whether the nested guest
 * that it was bound to has ended; nothing is forgotten then.
 */
bool shadow_binding_is_stale(ShadowPorts *ports);

/* Whether a nested entry was noted since @ports were last unbound. */
bool shadow_binding_entered_since(ShadowPorts *ports);

bool shadow_binding_by_process(ShadowPorts *ports);
bool shadow_binding_by_tag(ShadowPorts *ports);
/* By either, or it was and its users have not been told yet */
bool shadow_binding_is_bound(ShadowPorts *ports);

/*
 * Call @fn for each address space that the guest is bound to: one, or two
 * until its first nested entry.
 */
void shadow_binding_foreach_process(ShadowPorts *ports,
                                    void (*fn)(uint64_t process, void *opaque),
                                    void *opaque);

/*
 * Look at the cookies, as a nested entry would, and whether who has them lives.
 * For accelerators that have has_tables().
 */
void shadow_binding_look(ShadowPorts *ports);

#endif /* SHADOW_BINDING_H */
