/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The private half of nested guests: where their memory is.
 */
#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-private.h"

/*
 * Not an address space that the monitor lists by default: it is a view of the
 * CPUs' own, for writes from here.
 */
static AddressSpace shadow_private_as;

MemoryRegion *shadow_private_root(void)
{
    static MemoryRegion *root;

    if (!root) {
        root = g_new0(MemoryRegion, 1);
        memory_region_init(root, NULL, "shadow-private", UINT64_MAX);
        address_space_init(&shadow_private_as, root, "shadow-private");
    }
    return root;
}

void shadow_private_write(ShadowPrivate *p, uint64_t gpa, const void *buf,
                          size_t len)
{
    address_space_write(&shadow_private_as, shadow_private_address(p, gpa),
                        MEMTXATTRS_UNSPECIFIED, buf, len);
}

void shadow_private_clear(ShadowPrivate *p, uint64_t gpa, uint64_t len)
{
    address_space_set(&shadow_private_as, shadow_private_address(p, gpa), 0,
                      len, MEMTXATTRS_UNSPECIFIED);
}

void shadow_private_discard(uint64_t base, MemoryRegion *ram)
{
    uint64_t size = memory_region_size(ram);

    shadow_accel()->vcpus->forget_code(ram);
    if (ram_block_discard_range(ram->ram_block, 0, size)) {
        address_space_set(&shadow_private_as, base, 0, size,
                          MEMTXATTRS_UNSPECIFIED);
    }
}

ShadowPrivate *shadow_private_new(uint64_t base, uint64_t size)
{
    ShadowPrivate *p = g_new0(ShadowPrivate, 1);

    p->refs = 1;
    qemu_mutex_init(&p->lock);
    p->base = base;
    p->size = size;
    return p;
}

/* Where a PC has no memory: a display adapter may be there. */
#define NO_MEMORY     0xa0000
#define NO_MEMORY_END 0xc0000

void shadow_private_imports(ShadowPrivate *p)
{
    p->import = shadow_import_new(p->size);
    shadow_import_leave_out(p->import, NO_MEMORY, NO_MEMORY_END);
}

uint64_t shadow_private_imported(const ShadowPrivate *p)
{
    return p->import ? shadow_import_pages(p->import) : p->imported;
}

bool shadow_private_try_ref(ShadowPrivate *p)
{
    unsigned refs = qatomic_read(&p->refs);

    while (refs) {
        unsigned was = qatomic_cmpxchg(&p->refs, refs, refs + 1);

        if (was == refs) {
            return true;
        }
        refs = was;
    }
    return false;
}

static void shadow_private_reclaim(ShadowPrivate *p)
{
    for (unsigned i = 0; i < p->n_vcpus; i++) {
        p->free_vcpu(p->vcpu[i]);
    }
    shadow_import_free(p->import);
    qemu_mutex_destroy(&p->lock);
    g_free(p);
}

void shadow_private_unref(ShadowPrivate *p)
{
    if (qatomic_fetch_dec(&p->refs) == 1) {
        call_rcu(p, shadow_private_reclaim, rcu);
    }
}

bool shadow_private_try_end(ShadowPrivate *p)
{
    if (qatomic_cmpxchg(&p->refs, 1, 0) != 1) {
        return false;
    }
    call_rcu(p, shadow_private_reclaim, rcu);
    return true;
}
