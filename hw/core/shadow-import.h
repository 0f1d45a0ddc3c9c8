/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of a private memory are there.  What has not come from its owner
 * comes from the cloud VM: each page once, when the guest first touches it, and
 * none any more when the guest has sealed its memory.  Pure code.
 */
#ifndef SHADOW_IMPORT_H
#define SHADOW_IMPORT_H

#include "qemu/units.h"

#define SHADOW_IMPORT_PAGE (4 * KiB)

typedef struct ShadowImport ShadowImport;

/* None of @size bytes is there. */
ShadowImport *shadow_import_new(uint64_t size);
void shadow_import_free(ShadowImport *import);

/* From @first to @end, addresses of pages, there is nothing to import. */
void shadow_import_leave_out(ShadowImport *import, uint64_t first,
                             uint64_t end);

/*
 * Put the page at the guest's address @page into its memory; false if there is
 * none now.  Called by one thread at a time.
 */
typedef bool ShadowImportCopy(void *opaque, uint64_t page);

/*
 * Have the page of @gpa there; false if it is not.  From any thread.  A page
 * that is there is not copied again, nor is one after the memory was sealed.
 */
bool shadow_import_touch(ShadowImport *import, uint64_t gpa,
                         ShadowImportCopy *copy, void *opaque);

/* Nothing is copied when it returns, or later.  False: so it was already. */
bool shadow_import_seal(ShadowImport *import);
bool shadow_import_is_sealed(const ShadowImport *import);

/* How many pages were copied */
uint64_t shadow_import_pages(const ShadowImport *import);

#endif /* SHADOW_IMPORT_H */
