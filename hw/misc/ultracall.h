/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: from a call's registers to its handler, whatever brought them.
 */
#ifndef HW_MISC_ULTRACALL_H
#define HW_MISC_ULTRACALL_H

#include "qemu/iov.h"
#include "shadow/hw/core/shadow-binding.h"
#include "shadow/include/ultracall.h"

struct ShadowStart;

typedef struct UltracallRegs {
    uint64_t arg[ULTRACALL_ARGS];   /* RDI, RSI, R8, R9, R10 */
    int64_t status;                 /* RAX on return */
    uint64_t value;                 /* RDX on return */
} UltracallRegs;

/* A caller's buffer: host memory, valid for the RCU read section. */
typedef struct UltracallBuffer {
    struct iovec *iov;
    unsigned n;
} UltracallBuffer;

/*
 * Who calls.
 *
 * @nested: it is the nested guest
 * @no_process: nested entries are not made under its address space
 * @unprivileged: it has no right to call, unless it is admitted
 * @cpu_index: of the CPU that calls
 * @map: fill in an empty buffer for @len bytes at the caller's address @va,
 *     to be read or written with the caller's own rights.  Returns 0, or
 *     -EFAULT with *@fault set.  May not return at all but fault into the
 *     caller, who will call again: so the dispatcher holds nothing meanwhile.
 * @entry: what identifies the caller, see ShadowEntry
 * @peek: read 8 bytes of the caller's memory; false if they cannot be read
 * @launch: the nested guest that calls is to begin anew as @p's first virtual
 *     CPU, when the call returns; or NULL: it cannot
 * @apart: called while a call that takes its time has let go of the BQL; or
 *     NULL (for tests)
 */
typedef struct UltracallCaller UltracallCaller;
struct UltracallCaller {
    bool nested;
    bool no_process;
    bool unprivileged;
    unsigned cpu_index;
    int (*map)(UltracallCaller *c, uint64_t va, size_t len, bool write,
               UltracallBuffer *buf, uint64_t *fault);
    void (*entry)(UltracallCaller *c, ShadowEntry *entry);
    bool (*peek)(UltracallCaller *c, uint64_t va, uint64_t *val);
    void (*apart)(void *c);
    void (*launch)(UltracallCaller *c, ShadowPrivate *p,
                   const struct ShadowStart *start);
};

/* Add a piece of host memory. */
void ultracall_buffer_add(UltracallBuffer *buf, void *host, size_t len);
void ultracall_buffer_clear(UltracallBuffer *buf);

/*
 * The host's address of the cloud VM's memory at @pa, for *@len bytes or what
 * is less; NULL if there is none that may be accessed so.  In an RCU read
 * section.
 */
void *ultracall_ram(uint64_t pa, uint64_t *len, bool write);

/*
 * Make call number @nr, if the caller may.  Takes the BQL if the thread does not
 * have it; called in an RCU read section.
 */
void ultracall_dispatch(UltracallCaller *c, uint32_t nr, UltracallRegs *regs);

/*
 * What the devices of @g have, at most @max resources.  Returns how many there
 * are in @out.
 */
unsigned ultracall_layout(ShadowGuest *g, struct ultracall_resource *out,
                          unsigned max);

/*
 * The doorbell's I/O port, or -1 while the cloud VM has not placed it.  A
 * user-mode caller needs the permission to write there.
 */
int ultracall_doorbell_port(void);

/* Enable the ultracall device's interrupt in its PCI command register. */
void ultracall_rearm(void);

#endif /* HW_MISC_ULTRACALL_H */
