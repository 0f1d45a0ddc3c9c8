/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By what nested guests are recognized: the process of the cloud VM that runs
 * one, or its VMCBs and nested page tables.  What the CPUs run by that is in
 * shadow-running.h, which also has the end of bindings.
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

/* What a cookie tells */
typedef enum ShadowLife {
    SHADOW_LIFE_NO_COOKIE,  /* there is none to look for */
    SHADOW_LIFE_SEEN,
    SHADOW_LIFE_UNSURE,     /* it cannot be read */
    SHADOW_LIFE_OVER,       /* something else is there */
} ShadowLife;

/* What follows is called by the CPU that makes @entry, in an RCU section. */

/*
 * The guest that is bound to the entry's process, or NULL.  *@sure tells
 * whether its cookie was seen; if there is another, on_stale() will be called.
 */
ShadowPorts *shadow_binding_of_process(const ShadowEntry *entry,
                                       ShadowPeek *peek, void *cpu,
                                       bool *sure);

/* The guest that is known by the entry's root or VMCB, *@half: by one of them */
ShadowPorts *shadow_binding_of_tag(const ShadowEntry *entry, bool *half);

/*
 * A tag's binding holds for the nested root, whichever virtual CPU enters,
 * and for the VMCB, when L1 gives it a new root: learn the other one.
 */
void shadow_binding_follow(const ShadowEntry *entry);

/* Changes whenever somebody is no longer recognized. */
unsigned shadow_binding_generation(void);

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
 * Forget all that the guest is recognized by.  Returns whether there was
 * anything.  For shadow_running_unbind(), which sees to the CPUs.
 */
bool shadow_binding_clear(ShadowPorts *ports);

/*
 * Forget address spaces that are now another process's.  Returns whether that
 * was all that the guest was bound to; nothing is forgotten then.
 */
bool shadow_binding_is_stale(ShadowPorts *ports);

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
 * As in struct ShadowAccel; and whether a process has page tables for the GiB
 * around @va: it has died if not.
 */
typedef bool ShadowProcessPeek(uint64_t process, uint64_t va, uint64_t *val);
typedef bool ShadowProcessTables(uint64_t process, uint64_t va);

/*
 * Look at the cookies, as a nested entry would, and whether who has them lives:
 * where one that makes no entry would not be missed.
 */
void shadow_binding_look(ShadowPorts *ports, ShadowProcessPeek *peek,
                         ShadowProcessTables *has_tables);

#endif /* SHADOW_BINDING_H */
