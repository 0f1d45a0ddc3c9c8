/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What shadow-agent.c and shadow-agent-migration.c share. */
#ifndef SHADOW_AGENT_H
#define SHADOW_AGENT_H

#include "qemu/units.h"
#include "hw/acpi/acpi_aml_interface.h"
#include "hw/isa/isa.h"
#include "migration/vmstate.h"
#include "system/runstate.h"
#define ULTRACALL_CLIENT
#include "shadow/include/ultracall.h"
#include "shadow/hw/misc/shadow-agent-uio.h"

#define TYPE_SHADOW_AGENT "shadow-agent"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowAgent, SHADOW_AGENT)

/* An interrupt; of which device its lowest I/O port tells */
typedef struct AgentLine {
    uint16_t iobase;
    uint8_t number;
    qemu_irq irq;
    uint32_t edges;
} AgentLine;

/*
 * What depends on who runs the nested guest: KVM, or Xen.  All members are
 * needed.
 */
typedef struct ShadowAgentHypervisor {
    /* Tell the outer QEMU which nested guest it is, before that runs. */
    bool (*bind)(ShadowAgent *a, Error **errp);
    /* Whether the state that is being saved may be loaded more than once */
    bool (*is_snapshot)(void);
    /*
     * Whether another host has the guest, whose state has been saved: its
     * migration has ended, or this QEMU is about to end, for @cause.
     */
    bool (*has_moved)(ShutdownCause cause);
} ShadowAgentHypervisor;

/* How the guest is slowed down while its private memory is sent */
typedef struct ShadowAgentThrottle {
    bool on;
    int percent;                /* of its CPUs' time that it loses */
    unsigned rounds;
    unsigned holds;             /* how often QEMU was held back */
    int64_t since_ms;           /* this round */
    uint64_t sent;              /* bytes in this round */
    uint64_t bound;             /* pages that can be sent while it stands */
} ShadowAgentThrottle;

struct ShadowAgent {
    ISADevice parent_obj;

    char *guest;
    const ShadowAgentHypervisor *hypervisor;
    struct ultracall_client client;
    ShadowAgentUio uio;
    struct ultracall_resource layout[ULTRACALL_RESOURCES_MAX];
    unsigned resources;         /* in the layout */
    AgentLine line[ULTRACALL_DEVICES_MAX];
    unsigned lines;
    bool exposed;               /* the ports are left to this QEMU */
    Notifier machine_done;
    bool resync;                /* lines may have moved unseen */
    QEMUTimer *rearm;

    bool frozen;                /* SAVE succeeded, and not yet its end */
    bool committed;             /* the other host has it, we think */
    uint32_t ending;            /* COMMIT or ABORT, to be tried again, or 0 */
    QEMUTimer *retry;
    bool restored;              /* RESTORE succeeded, and not yet run */
    uint32_t envelope_len;
    uint8_t *envelope;
    uint8_t *room;              /* for what is saved, while migrating */
    uint64_t room_len;
    bool history_ahead;
    bool sent_ahead;            /* in this migration */
    NotifierWithReturn migration;
    Error *no_cpr;              /* why such migrations are refused */
    Error *no_migration;        /* why all are, or NULL */
    bool private_memory;        /* the guest has some, in the outer QEMU */
    bool sends_memory;          /* in this migration */
    uint8_t *record;            /* of it, while migrating */
    uint64_t unsent;            /* pages of it, as last counted */
    bool throttle_auto;
    ShadowAgentThrottle throttle;
    Notifier shutdown;
    Notifier exit;
};

/*
 * Make the type known to QEMU: once, by shadow-agent-builtin.c where the agent
 * is part of QEMU, or else by shadow-agent-plugin.c.
 */
void shadow_agent_register_types(void);

extern const ShadowAgentHypervisor shadow_agent_kvm;

/* NULL, unless this QEMU is the device model of a domain of Xen's */
const ShadowAgentHypervisor *shadow_agent_xen(void);

/*
 * Make a call about the agent's guest, from any thread.  Returns 0 or a
 * negative errno; the second result goes to *@value unless that is NULL.
 */
int64_t shadow_agent_call_flags(ShadowAgent *a, uint32_t nr, uint64_t flags,
                                void *buf, size_t len, uint64_t *value);

static inline int64_t shadow_agent_call(ShadowAgent *a, uint32_t nr, void *buf,
                                        size_t len, uint64_t *value)
{
    return shadow_agent_call_flags(a, nr, 0, buf, len, value);
}

/*
 * The same, again and again for as long as it is -EAGAIN, but not for ever: the
 * outer QEMU is taking something in, or noting something down.
 */
int64_t shadow_agent_call_settled(ShadowAgent *a, uint32_t nr, uint64_t flags,
                                  void *buf, size_t len, uint64_t *value);

/*
 * Ask what the guest's devices have, and have that in the machine: @guest is
 * what QUERY says of it, and @lines, those of its devices.
 * (shadow-agent-layout.c)
 */
bool shadow_agent_layout_start(ShadowAgent *a,
                               const struct ultracall_guest *guest,
                               const struct ultracall_device *lines,
                               Error **errp);
void shadow_agent_build_aml(AcpiDevAmlIf *adev, Aml *scope);

/*
 * The isa-serial of this machine that has ports from @first on, or NULL: many
 * programs that start QEMU always add one.  (shadow-agent-serial.c)
 */
Object *shadow_agent_serial_at(ShadowAgent *a, uint16_t first);

/*
 * Whether each isa-serial that has ports of a shadow device may stay: where the
 * outer QEMU takes the accesses it is never reached, and describes the port.
 */
bool shadow_agent_serial_check(ShadowAgent *a, Error **errp);

/* The same once more, when the machine has all that it will start with */
void shadow_agent_serial_start(ShadowAgent *a);

/*
 * Let the outer QEMU see a nested guest of this process, so that it finds out
 * how to hide the ports of the one that comes.  (shadow-agent-dummy.c)
 */
bool shadow_agent_run_dummy(ShadowAgent *a, Error **errp);

/*
 * A page of zeros that Linux neither swaps nor moves; it is never freed.  NULL,
 * with @errp set, if there is none that is at least locked.
 * (shadow-agent-page.c)
 */
void *shadow_agent_page_new(Error **errp);

/* Have a look at the guest's interrupt lines. */
void shadow_agent_poll(ShadowAgent *a);

/*
 * Take part in migrations from now on, and refuse those that cannot be taken
 * part in.
 */
bool shadow_agent_migration_start(ShadowAgent *a, Error **errp);

/* Postcopy has one whether or not it was asked for. */
bool shadow_agent_has_return_path(void);

/* What the migration is written to, or NULL */
Object *shadow_agent_channel(void);

/* Why the outer QEMU did not take what arrived */
const char *shadow_agent_restore_hint(int64_t ret);

/* Send output ahead of the state, from now on.  (shadow-agent-history.c) */
void shadow_agent_history_start(ShadowAgent *a);

/* Send private memory, from now on.  (shadow-agent-memory.c) */
void shadow_agent_memory_start(ShadowAgent *a);

/* Also bounds the allocation when an envelope arrives */
#define SHADOW_AGENT_ENVELOPE_MAX (17 * MiB)

extern const VMStateDescription vmstate_shadow_agent;

#endif /* SHADOW_AGENT_H */
