/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The private half of a nested guest: memory and virtual CPUs that are in this
 * QEMU only, and which the cloud VM can neither read nor change.
 *
 * The guest says by a bit of its own page tables which of its memory is
 * private (AMD APM vol. 2, 15.34: the C-bit).
 */
#ifndef SHADOW_PRIVATE_H
#define SHADOW_PRIVATE_H

#include "qemu/rcu.h"
#include "qemu/units.h"
#include "qemu/thread.h"
#include "shadow/hw/core/shadow-import.h"
#include "shadow/include/compat-memory.h"

/* Which physical address bit tells the guest's private memory */
#define SHADOW_PRIVATE_BIT 39

#define SHADOW_PRIVATE_CPUS 64

/*
 * Guests' memory is in an address space that only CPUs have, and only for
 * nested guests: guest @n's begins there.
 */
#define SHADOW_PRIVATE_SHIFT 51
#define SHADOW_PRIVATE_BASE(n) (BIT_ULL(SHADOW_PRIVATE_SHIFT) + \
                                ((uint64_t)(n) << SHADOW_PRIVATE_BIT))
#define SHADOW_PRIVATE_GUESTS 1024

/* Registers of a virtual CPU, as the accelerator keeps them */
typedef struct ShadowVcpu ShadowVcpu;

typedef struct ShadowPrivate ShadowPrivate;

/* A virtual CPU that the guest has asked to start */
typedef struct ShadowPrivateStart {
    uint32_t apic_id;
    uint8_t vector;
    bool waits;                 /* for the cloud VM to enter it */
    ShadowVcpu *vcpu;           /* once it has, or NULL */
} ShadowPrivateStart;

struct ShadowPrivate {
    struct rcu_head rcu;
    unsigned refs;              /* atomic */
    uint64_t base, size;
    ShadowImport *import;       /* or NULL: nothing comes from the cloud VM */
    uint64_t imported;          /* pages that have, at other hosts */
    QemuMutex lock;             /* of what follows, for writers */
    bool frozen;                /* atomic: no virtual CPU is entered */
    ShadowPrivateStart start[SHADOW_PRIVATE_CPUS];
    unsigned n_starts;
    unsigned n_vcpus;           /* atomic */
    ShadowVcpu *vcpu[SHADOW_PRIVATE_CPUS];
    uint64_t refused;           /* atomic: entries that were none of its own */
    void (*free_vcpu)(ShadowVcpu *vcpu);
};

/* One life of a guest's private half, from launch to reset; one reference */
ShadowPrivate *shadow_private_new(uint64_t base, uint64_t size);
/* What it begins with comes from the cloud VM; before anybody else knows it. */
void shadow_private_imports(ShadowPrivate *p);
/* How many pages have come from there, wherever it was */
uint64_t shadow_private_imported(const ShadowPrivate *p);
/* False if it is being freed.  In an RCU read section. */
bool shadow_private_try_ref(ShadowPrivate *p);
void shadow_private_unref(ShadowPrivate *p);
/* Give up a reference if it is the last one; else false. */
bool shadow_private_try_end(ShadowPrivate *p);

/* What the CPUs' private address space has */
MemoryRegion *shadow_private_root(void);

/* What an accelerator does with the virtual CPUs of one */
typedef struct ShadowVcpuOps {
    /* Whether this machine's CPUs can run them; else *@errp says what not. */
    bool (*can_run)(Error **errp);
    /* Have none entered any more; false, with nothing changed, if one runs. */
    bool (*freeze)(ShadowPrivate *p);
    /* How often they have left the guest, all together; whether one is in it */
    uint64_t (*exits)(ShadowPrivate *p, bool *runs);
    /*
     * What was translated where @ram is in QEMU's list of RAM is of memory that
     * is no more.  QEMU keeps it.
     */
    void (*forget_code)(MemoryRegion *ram);
    /* A guest may come to be private by itself: look at what it asks. */
    void (*await_lock)(void);
    /* All of them, of a ShadowPrivate */
    const struct VMStateDescription *state;
} ShadowVcpuOps;

/* How many bytes that takes at most with @n virtual CPUs */
#define SHADOW_VCPUS_STATE_MAX(n) (2 * KiB + (n) * 4 * KiB)

/* Where a guest-physical address is in the CPUs' private address space */
static inline uint64_t shadow_private_address(const ShadowPrivate *p,
                                              uint64_t gpa)
{
    return p->base + (gpa & (BIT_ULL(SHADOW_PRIVATE_BIT) - 1));
}

/* Write to it, or fill it with zeros, also where CPUs have executed it. */
void shadow_private_write(ShadowPrivate *p, uint64_t gpa, const void *buf,
                          size_t len);
void shadow_private_clear(ShadowPrivate *p, uint64_t gpa, uint64_t len);

/*
 * Give the memory of @ram, which is at @base and which nobody has, back to the
 * host: it reads as zeros then.
 */
void shadow_private_discard(uint64_t base, MemoryRegion *ram);

#endif /* SHADOW_PRIVATE_H */
