/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A measured launch: what a nested guest's private memory begins with, and the
 * measurement of that.
 */
#ifndef HW_MISC_SHADOW_LAUNCH_H
#define HW_MISC_SHADOW_LAUNCH_H

#include "shadow/hw/core/shadow-private.h"
#include "shadow/hw/misc/shadow-machine.h"

#define SHADOW_MEASUREMENT_LEN 32

/* What the guest's owner gives; all files are whole. */
typedef struct ShadowImage {
    GBytes *kernel;             /* a bzImage (Linux, Documentation/arch/x86/boot) */
    GBytes *initrd;             /* or NULL */
    char *append;               /* never NULL */
} ShadowImage;

/* Read the files; NULL with @errp set.  @initrd and @append may be NULL. */
ShadowImage *shadow_image_new(const char *kernel, const char *initrd,
                              const char *append, Error **errp);
void shadow_image_free(ShadowImage *image);

/*
 * SHA-256 of the text "shadow-launch-1", then for kernel, initrd and command
 * line, without a NUL: its length, 64 bits, little-endian, and its bytes.
 */
void shadow_image_measure(const ShadowImage *image,
                          uint8_t measurement[SHADOW_MEASUREMENT_LEN]);

/* Where the first virtual CPU starts, in 64-bit mode */
typedef struct ShadowStart ShadowStart;
struct ShadowStart {
    uint64_t rip, rsi, rsp, cr3;
};

/*
 * Fill @p's memory, which is all zeros: the image, and tables that tell of the
 * machine @m.  False with @errp set if it does not fit; something may have been
 * written then.
 */
bool shadow_launch(ShadowPrivate *p, const ShadowImage *image,
                   const ShadowMachine *m, ShadowStart *start, Error **errp);

#endif /* HW_MISC_SHADOW_LAUNCH_H */
