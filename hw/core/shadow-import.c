/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of a private memory are there.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#include "shadow/hw/core/shadow-import.h"

struct ShadowImport {
    QemuMutex lock;             /* of what follows, for writers */
    uint64_t n;                 /* pages; there is nothing to copy beyond */
    unsigned long *there;       /* by page, atomic */
    bool sealed;                /* atomic */
    uint64_t copied;            /* atomic */
};

ShadowImport *shadow_import_new(uint64_t size)
{
    ShadowImport *import = g_new0(ShadowImport, 1);

    qemu_mutex_init(&import->lock);
    import->n = size / SHADOW_IMPORT_PAGE;
    import->there = bitmap_new(import->n);
    return import;
}

void shadow_import_free(ShadowImport *import)
{
    if (import) {
        qemu_mutex_destroy(&import->lock);
        g_free(import->there);
        g_free(import);
    }
}

void shadow_import_leave_out(ShadowImport *import, uint64_t first, uint64_t end)
{
    uint64_t from = first / SHADOW_IMPORT_PAGE;
    uint64_t to = MIN(end / SHADOW_IMPORT_PAGE, import->n);

    if (from < to) {
        bitmap_set(import->there, from, to - from);
    }
}

/* With what was copied there, if so */
static bool import_is_there(const ShadowImport *import, uint64_t n)
{
    return qatomic_load_acquire(&import->there[BIT_WORD(n)]) & BIT_MASK(n);
}

bool shadow_import_touch(ShadowImport *import, uint64_t gpa,
                         ShadowImportCopy *copy, void *opaque)
{
    uint64_t n = gpa / SHADOW_IMPORT_PAGE;

    if (qatomic_load_acquire(&import->sealed) || n >= import->n ||
        import_is_there(import, n)) {
        return true;
    }
    QEMU_LOCK_GUARD(&import->lock);
    /* another thread may have been faster */
    if (import->sealed || import_is_there(import, n)) {
        return true;
    }
    if (!copy(opaque, n * SHADOW_IMPORT_PAGE)) {
        return false;
    }
    qatomic_set(&import->copied, import->copied + 1);
    qatomic_store_release(&import->there[BIT_WORD(n)],
                          import->there[BIT_WORD(n)] | BIT_MASK(n));
    return true;
}

bool shadow_import_seal(ShadowImport *import)
{
    QEMU_LOCK_GUARD(&import->lock);
    if (import->sealed) {
        return false;
    }
    qatomic_store_release(&import->sealed, true);
    return true;
}

bool shadow_import_is_sealed(const ShadowImport *import)
{
    return qatomic_read(&import->sealed);
}

uint64_t shadow_import_pages(const ShadowImport *import)
{
    return qatomic_read(&import->copied);
}
