/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ultracalls: what the files that handle them share. */
#ifndef HW_MISC_ULTRACALL_CALL_H
#define HW_MISC_ULTRACALL_CALL_H

#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/misc/ultracall.h"

typedef struct UltracallCall {
    UltracallCaller *caller;
    ShadowGuest *guest;
    UltracallBuffer buf;
    uint64_t va;            /* of the buffer */
    size_t len;             /* of the buffer */
    uint64_t flags;
    uint64_t value;
    bool locked;            /* the BQL was, before the call took it */
} UltracallCall;

typedef enum UltracallBufferUse {
    BUFFER_NONE,
    BUFFER_IN,
    BUFFER_OUT,
} UltracallBufferUse;

typedef struct UltracallDesc {
    const char *name;
    int (*fn)(UltracallCall *call);
    bool named;             /* arguments 0 and 1 name a guest */
    bool nested;            /* a nested guest may call */
    bool unlocked;          /* without the BQL */
    uint64_t flags;         /* all that there are */
    UltracallBufferUse use;
    size_t min, max;        /* of the buffer */
} UltracallDesc;

/* What there is by this number; NULL: nothing. */
const UltracallDesc *ultracall_desc(uint32_t nr);

/* Into the call's buffer, which is as large; RDX becomes @len. */
void ultracall_write(UltracallCall *call, const void *data, size_t len);

/* ULTRACALL_LAUNCH */
int ultracall_launch(UltracallCall *call);

/* ULTRACALL_PAGES */
int ultracall_pages(UltracallCall *call);

/* ULTRACALL_REGISTER */
int ultracall_register(UltracallCall *call);

#endif /* HW_MISC_ULTRACALL_CALL_H */
