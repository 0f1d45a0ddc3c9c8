/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of a guest's private memory as plain bytes, and back.  Pure code.
 *
 *   the number of runs (32 bits), and for each: its first page (32 bits), how
 *   many pages (16 bits), and whether they are all zeros (16 bits: 1);
 *   then the pages of all runs that are not
 *
 * Numbers are big-endian, pages have 4 KiB.
 */
#ifndef SHADOW_PAGES_H
#define SHADOW_PAGES_H

#include "qemu/units.h"

#define SHADOW_PAGE             (4 * KiB)
#define SHADOW_PAGES_DATA_MAX   512     /* not all zeros, at once */
#define SHADOW_PAGES_RUNS_MAX   1024
#define SHADOW_PAGES_MAX        4096    /* looked at, at once */

/* The most bytes that @data pages take, of those that are not all zeros */
#define SHADOW_PAGES_SIZE(data) \
    (sizeof(uint32_t) + 8 * SHADOW_PAGES_RUNS_MAX + (data) * SHADOW_PAGE)

/* Which pages of a memory are still to be sent */
typedef struct ShadowPages {
    uint64_t n;                 /* all that there are */
    unsigned long *unsent;      /* a bitmap of them */
    uint64_t n_unsent;
    uint64_t cursor;
} ShadowPages;

/* All @n of them are; false if there is no memory for that. */
bool shadow_pages_init(ShadowPages *pages, uint64_t n);
void shadow_pages_destroy(ShadowPages *pages);

/* @page has been written to. */
void shadow_pages_add(ShadowPages *pages, uint64_t page);

/*
 * Put pages that are unsent to @body, at most @data that are not all zeros,
 * and at most SHADOW_PAGES_DATA_MAX; there is room for SHADOW_PAGES_SIZE(@data)
 * bytes.  They are not unsent any more.  Returns how many bytes that were; 0 if
 * none is unsent.  @ram may be written to meanwhile: then it is to be added
 * again.
 */
size_t shadow_pages_take(ShadowPages *pages, const uint8_t *ram, unsigned data,
                         uint8_t *body);

/* @n pages from @first on become @data, or zeros if that is NULL. */
typedef void ShadowPagesPut(void *opaque, uint64_t first, unsigned n,
                            const uint8_t *data);

/*
 * Put what is in @body into a memory of @n pages.  False, with nothing put, if
 * it is not of such a memory.
 */
bool shadow_pages_give(uint64_t n, const uint8_t *body, size_t len,
                       ShadowPagesPut *put, void *opaque);

#endif /* SHADOW_PAGES_H */
