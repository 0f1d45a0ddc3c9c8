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

/* Into the call's buffer, which is as large; RDX becomes @len. */
void ultracall_write(UltracallCall *call, const void *data, size_t len);

/* ULTRACALL_LAUNCH */
int ultracall_launch(UltracallCall *call);

/* ULTRACALL_PAGES */
int ultracall_pages(UltracallCall *call);

/* ULTRACALL_REGISTER */
int ultracall_register(UltracallCall *call);

#endif /* HW_MISC_ULTRACALL_CALL_H */
