/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A measured launch: what a nested guest's private memory begins with, and the
 * measurement of that.
 */
#ifndef HW_MISC_SHADOW_LAUNCH_H
#define HW_MISC_SHADOW_LAUNCH_H

#include "shadow/hw/core/shadow-private.h"

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

/* A range of the guest's memory, as its firmware says (ACPI 6.5, 15) */
typedef struct QEMU_PACKED ShadowE820 {
    uint64_t base, size;
    uint32_t type;
} ShadowE820;
#define SHADOW_E820_RAM 1
#define SHADOW_E820_MAX 128

/*
 * What the cloud VM says: a list, at most SHADOW_E820_MAX, little-endian, and
 * what is in the guest's memory.  Nothing of it is trusted.
 */
typedef struct ShadowFirmware {
    const ShadowE820 *e820;
    unsigned n_e820;
    /* False if there is nothing at @gpa; of at most a page. */
    bool (*read)(void *opaque, uint64_t gpa, void *buf, size_t len);
    void *opaque;
} ShadowFirmware;

/* Where the first virtual CPU starts, in 64-bit mode */
typedef struct ShadowStart ShadowStart;
struct ShadowStart {
    uint64_t rip, rsi, rsp, cr3;
};

/*
 * Fill @p's memory, which is all zeros: the image, and of the firmware what
 * ACPI needs.  False with @errp set if it does not fit; something may have
 * been written then.
 */
bool shadow_launch(ShadowPrivate *p, const ShadowImage *image,
                   const ShadowFirmware *firmware, ShadowStart *start,
                   Error **errp);

#endif /* HW_MISC_SHADOW_LAUNCH_H */
