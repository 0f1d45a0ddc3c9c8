/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs by accelerator.  All else knows none.
 */
#ifndef SHADOW_ACCEL_H
#define SHADOW_ACCEL_H

#include "hw/core/cpu.h"
#include "qapi/qapi-types-shadow.h"
#include "shadow/hw/core/shadow-private.h"

typedef struct ShadowAccel {
    /* Whether nested guests can make ultracalls */
    bool nested_calls;

    /* Whether it sees each nested entry, and from there on all port accesses */
    bool sees_entries;

    /* Features that it adds to the ultracall interface, ULTRACALL_F_* */
    uint32_t (*features)(void);

    /*
     * Whether a bound guest's ports are kept from the cloud VM, and how:
     * forced, watched, or none with *@errp set to what is missing.
     */
    ShadowProtection (*protection)(Error **errp);

    /*
     * The ultracall device starts: get ready for calls by instruction, and
     * warn of what does not go together with them.
     */
    void (*start)(void);

    /* Bindings or claimed ports have changed.  With the BQL. */
    void (*changed)(void);

    /*
     * Read 8 bytes at @va of L1's address space @process, as its kernel may.
     * False if they cannot be read.  From any thread, in an RCU section.
     */
    bool (*peek)(uint64_t process, uint64_t va, uint64_t *val);

    /*
     * Read 8 bytes at @address of the memory of the nested guest whose nested
     * page tables are at @root; false if they cannot be read.  From any thread,
     * in an RCU section.  NULL: it has no claims.
     */
    bool (*peek_nested)(uint64_t root, uint64_t address, uint64_t *val);

    /*
     * The virtual CPUs of private guests; NULL: it cannot keep memory and
     * registers of nested guests itself, and has no private ones.
     */
    const ShadowVcpuOps *vcpus;

    /* A CPU rang the doorbell: make the call that its registers hold. */
    void (*doorbell)(CPUState *cpu);
} ShadowAccel;

/* That of this machine; before there is one, one that does nothing. (target/) */
const ShadowAccel *shadow_accel(void);

#endif /* SHADOW_ACCEL_H */
