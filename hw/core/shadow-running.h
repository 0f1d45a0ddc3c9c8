/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which nested guest a virtual CPU is running, and who serves its I/O ports.
 *
 * The cloud VM's CPUs ask on each nested entry and once for each nested port
 * access, without a lock; the answers change rarely, under the BQL.  An answer
 * stays valid for the CPU's RCU read section.
 *
 * It fails closed.  While L0 cannot see whether an entry is a bound guest's,
 * and when a binding has ended under a CPU that has entered the guest, the
 * claimed ports of that entry are served by nobody, until the next entry.
 */
#ifndef SHADOW_RUNNING_H
#define SHADOW_RUNNING_H

#include "shadow/hw/core/shadow-binding.h"

/*
 * A CPU enters a nested guest: find out whose ports it has.  Called by the
 * CPU's own thread in an RCU read section, without the BQL.
 */
void shadow_running_enter(unsigned cpu_index, const ShadowEntry *entry,
                          ShadowPeek *peek, void *cpu);

/* Who serves an access to a port of the nested guest that a CPU runs */
typedef enum ShadowServer {
    SHADOW_SERVER_OTHER,    /* not ours: as if there were no shadow guests */
    SHADOW_SERVER_DEVICE,
    SHADOW_SERVER_NOBODY,   /* reads are ones, writes go nowhere */
    SHADOW_SERVER_LATER,    /* make the access again after the next entry, or
                               else as NOBODY */
} ShadowServer;

typedef struct ShadowAnswer {
    ShadowServer server;
    ShadowPorts *ports;     /* of a device */
} ShadowAnswer;

/* To be asked once for an access of @size bytes: the access uses the answer. */
ShadowAnswer shadow_running_ask(unsigned cpu_index, uint16_t port,
                                unsigned size);

/*
 * Do what the answer, which is not SHADOW_SERVER_OTHER, says: an access of 1, 2
 * or 4 bytes.  Takes the BQL.
 */
uint32_t shadow_answer_read(const ShadowAnswer *answer, uint16_t port,
                            unsigned size);
void shadow_answer_write(const ShadowAnswer *answer, uint16_t port,
                         unsigned size, uint32_t val);

/*
 * The bound guest that the CPU entered last, or NULL; *@sure, unless @sure is
 * NULL, tells whether it was seen to be that guest.
 */
ShadowPorts *shadow_running_entered(unsigned cpu_index, bool *sure);

/*
 * What the CPU has just entered, or runs, is the private half of that guest.
 * Where there is one, or has to be, nobody serves the ports of others.
 */
void shadow_running_private(unsigned cpu_index);

/* Whether the CPU is in the private half of that guest, or was last */
bool shadow_running_is_private(unsigned cpu_index, ShadowPorts *ports);

/* What follows is called with the BQL held. */

/*
 * End all of the guest's bindings.  CPUs that have entered it are served by
 * nobody until their next entry.  Returns whether there were any bindings.
 */
bool shadow_running_unbind(ShadowPorts *ports);

/* The same; and no CPU is to know of @ports any more, which can be freed. */
void shadow_running_end(ShadowPorts *ports);

/* Release the ports of @dev, also for a CPU that is inside the guest. */
void shadow_running_release(ShadowPorts *ports, ShadowDevice *dev);

/* Whether a nested entry was noted since @ports were last unbound. */
bool shadow_running_entered_since(ShadowPorts *ports);

#endif /* SHADOW_RUNNING_H */
