/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A caller's page tables in long mode, walked in software: an accelerator that
 * runs the caller on the processor gives QEMU no access path with its rights.
 */
#ifndef TARGET_I386_SHADOW_WALK_H
#define TARGET_I386_SHADOW_WALK_H

typedef struct ShadowWalk {
    uint64_t cr3;           /* bits that are no address are ignored */
    bool la57;              /* CR4.LA57 */
    bool user;              /* CPL 3 */
    bool wp;                /* CR0.WP: supervisor respects read-only */
    bool smap;              /* CR4.SMAP, not EFLAGS.AC: no user pages then */
    bool pke;               /* CR4.PKE: protection keys of user pages */
    uint32_t pkru;
    bool gbpages;           /* pages of 1 GiB exist */
    unsigned phys_bits;     /* MAXPHYADDR; bits above it are reserved */

    /* Read an entry of guest-physical memory; false if there is no RAM */
    bool (*read)(void *opaque, uint64_t pa, uint64_t *entry);
    void *opaque;
} ShadowWalk;

/*
 * Where @va is, for a read or a @write by the caller: 0 with *@pa set, and
 * *@len to the bytes from there to the end of its page; or -EFAULT.
 *
 * A write needs a page that the processor has marked as accessed and dirty.
 * The walk never writes to the guest's tables; unmarked, the page could be
 * taken for clean, and what was written be lost.  A caller that writes to the
 * page itself and calls again makes the processor mark it.
 */
int shadow_walk(const ShadowWalk *w, uint64_t va, bool write,
                uint64_t *pa, uint64_t *len);

/*
 * Whether there are tables for the GiB around @va.  A kernel may take a page
 * away for a moment, and the table that it is in; not those above, for as long
 * as the process has memory there.
 */
bool shadow_walk_has_tables(const ShadowWalk *w, uint64_t va);

#endif /* TARGET_I386_SHADOW_WALK_H */
