/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files shadow-memory*.c share. */
#ifndef HW_MISC_SHADOW_MEMORY_INTERNAL_H
#define HW_MISC_SHADOW_MEMORY_INTERNAL_H

#include "shadow/hw/misc/shadow-memory.h"
#include "shadow/hw/misc/shadow-memory-session.h"

#define TYPE_SHADOW_MEMORY "shadow-memory"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowMemory, SHADOW_MEMORY)

/* Where a guest says that its memory is sealed; no device of a PC has it. */
#define SHADOW_SEAL_PORT 0x5348

#define SHADOW_MEASUREMENT_TEXT (2 * SHADOW_MEASUREMENT_LEN + 1)

/* In a state: what else is in it */
typedef struct ShadowMemoryState {
    ShadowPrivate *life;        /* that has come, or NULL */
    bool launched;
    uint8_t measurement[SHADOW_MEASUREMENT_TEXT];       /* with its NUL */
    uint64_t imported;          /* pages, from cloud VMs */
    uint64_t records;
    uint8_t digest[SHADOW_STREAM_DIGEST_LEN];
} ShadowMemoryState;

struct ShadowMemory {
    ShadowDevice parent_obj;

    MemoryRegion ram;
    uint64_t size;
    char *kernel, *initrd, *append;
    ShadowImage *image;         /* NULL: what starts is the cloud VM's */
    unsigned slot;
    ShadowPrivate *life;        /* from launch to reset, or NULL */
    bool dirty;                 /* not all zeros */
    bool warned;                /* that a launch has failed, once */
    bool required, required_set;
    uint32_t port;              /* by which it is sealed, without @image */
    MemoryRegion seal;
    char measurement[SHADOW_MEASUREMENT_TEXT];          /* of @image, or "" */
    char launched[SHADOW_MEASUREMENT_TEXT];             /* with @life */
    ShadowGuest *guest;         /* that it is known to, or NULL */
    ShadowSession session;
    ShadowMemoryState state;
    bool unrun;                 /* @life has come from elsewhere, and waits */
    Notifier changed;           /* of @guest */
    QEMUBH *note;               /* what was written to */
};

/* CPUs that run it go on until they leave; none enters it any more. */
void shadow_memory_end(ShadowMemory *s);

/* Give its memory back to the host, unless something has it. */
void shadow_memory_discard(ShadowMemory *s);

/* A new life in memory that is all zeros; NULL: not now, see *@ret */
ShadowPrivate *shadow_memory_begin(ShadowMemory *s, int *ret);

/* By which port its guest seals it (shadow-memory-import.c) */
bool shadow_memory_add_port(ShadowMemory *s, Error **errp);

/* Its pages on their way (shadow-memory-move.c) */
void shadow_memory_move_class_init(ShadowDeviceClass *sdc);
void shadow_memory_move_start(ShadowMemory *s);
void shadow_memory_move_stop(ShadowMemory *s);

/* Its part in the state of its guest (shadow-memory-state.c) */
void shadow_memory_state_class_init(ShadowDeviceClass *sdc);
/* What has come, and did not come to be the guest's, if anything */
void shadow_memory_drop_state(ShadowMemory *s);

#endif /* HW_MISC_SHADOW_MEMORY_INTERNAL_H */
