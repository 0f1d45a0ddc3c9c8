/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest as this QEMU knows it: its key, its devices, its life.
 *
 * All functions are called with the BQL held.  Those that the cloud VM can
 * call return 0 or a negative errno as the ultracall ABI defines it
 * (docs/ultracall.rst), and set @errp with what an operator should read.
 */
#ifndef SHADOW_GUEST_H
#define SHADOW_GUEST_H

#include "qemu/notify.h"
#include "qemu/queue.h"
#include "qom/object.h"
#include "qapi/qapi-types-shadow.h"
#include "shadow/hw/core/shadow-binding.h"
#include "shadow/hw/core/shadow-device.h"
#include "shadow/hw/core/shadow-host.h"
#include "shadow/hw/core/shadow-pace.h"
#include "shadow/migration/shadow-seal.h"

#define TYPE_SHADOW_GUEST "shadow-guest"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowGuest, SHADOW_GUEST)

/* SAVE waits for input that has already arrived to be taken in */
typedef enum ShadowSettle {
    SHADOW_SETTLE_NONE,
    SHADOW_SETTLE_RUNNING,
    SHADOW_SETTLE_DONE,
} ShadowSettle;

/*
 * An envelope in the cloud VM's memory, @len bytes, of which each is read once.
 * @locked: the caller had the BQL already when it made its call
 * @apart: called with @opaque while the BQL is let go, or NULL (for tests)
 */
typedef struct ShadowArrival {
    const struct iovec *iov;
    unsigned n_iov;
    size_t len;
    bool locked;
    void (*apart)(void *opaque);
    void *opaque;
} ShadowArrival;

/* States that were genuine and did not fit: so many are known again. */
#define SHADOW_MISFITS 8

/* One that a virtual CPU has asked for: what others ask does not disturb it. */
typedef struct ShadowChallenge {
    uint64_t vmcb;
    uint8_t value[32];
} ShadowChallenge;

/* Output that goes, or has come, ahead of the state that lacks it */
typedef struct ShadowHistory {
    bool valid;
    uint8_t salt[SHADOW_SEAL_SALT_LEN];     /* of its envelope */
    uint8_t *plain;             /* at the destination, or NULL; secret */
    size_t len;
} ShadowHistory;

/* What the state file says, see shadow-epoch.h */
typedef struct ShadowKept {
    uint64_t epoch;
    uint64_t reserved;
    bool away;
} ShadowKept;

/* What of it is kept from the cloud VM besides its ports */
typedef struct ShadowPrivacy {
    ShadowDevice *memory;       /* a shadow-memory, or NULL */
    bool required;
    bool runs;                  /* there */
    bool sealed;                /* while it does: nothing comes from outside */
    char *measurement;          /* the same; NULL: it was not measured */
} ShadowPrivacy;

struct ShadowGuest {
    Object parent_obj;

    char *secret_id;            /* or NULL */
    char *host_name;            /* or NULL */
    strList *old_secret_ids;
    char *bind_secret_id;
    char *state_file;
    char *moved_to;             /* what the operator says, or NULL */
    bool incoming;
    bool snapshots;
    bool unprotected;           /* nothing needs to protect it */
    bool register_ok;           /* a nested guest may bind without a proof */
    bool exposed;               /* and nothing on this host can */

    const char *id;
    ShadowGuestState state;
    ShadowProtection protection;
    GPtrArray *keys;            /* of ShadowSecret; the first one seals */
    ShadowHost *host;           /* or NULL */
    uint8_t *destination;       /* its encryption key, or NULL */
    uint8_t *last_destination;  /* of a guest that is gone, or NULL */
    uint64_t epoch;             /* newest sealed or accepted, or reserved */
    uint64_t accepted;          /* what arrives must be newer than this */
    ShadowKept kept;
    ShadowPace freezes;         /* that are written down */
    ShadowPace aheads;          /* output that was sealed ahead */
    ShadowPace unkept;          /* activations that could not be */
    ShadowGuestState came_from; /* a guest that is restored */
    ShadowDevices devices;
    ShadowPorts *ports;
    bool irq_changed;           /* and the cloud VM has not been told */
    QTAILQ_ENTRY(ShadowGuest) irq_next;
    QTAILQ_ENTRY(ShadowGuest) next;
    uint64_t bindings;          /* so far */
    uint64_t gave_away;         /* how many there were at COMMIT */
    GQueue challenges;          /* of ShadowChallenge, oldest first */

    ShadowSettle settle;
    uint64_t settle_mark;
    int64_t settle_time;
    QEMUBH *settle_bh;

    NotifierList changed;       /* see shadow_guest_changed() */
    uint64_t changes;
    ShadowHistory history;
    Notifier history_forgets;

    struct ShadowTell *tell;    /* events that are still to be sent */
    bool arriving;              /* an envelope is being opened */
    uint8_t misfits[SHADOW_MISFITS][SHADOW_SEAL_SALT_LEN];
    unsigned next_misfit;
    ShadowPace misfit_pace;

    ShadowPrivacy privacy;

    uint64_t calls, saves, restores, refusals;
    uint64_t snapshots_saved, snapshots_restored;
    uint64_t breaks;
};

/* By id; NULL if there is none. */
ShadowGuest *shadow_guest_find(const char *id);

/* Call @fn for each guest, in the order in which they were made. */
void shadow_guest_foreach(void (*fn)(ShadowGuest *g, void *opaque),
                          void *opaque);

/* as many as a reply of the ultracall interface has room for */
#define SHADOW_GUEST_MAX_DEVICES 16
#define SHADOW_GUEST_MAX_LINES 16
unsigned shadow_guest_n_devices(ShadowGuest *g);
unsigned shadow_guest_n_lines(ShadowGuest *g);
ShadowDeviceInfoList *shadow_guest_query_devices(ShadowGuest *g);

/*
 * Its state, its bindings, its devices or where it goes have changed, or its
 * machine was reset: what was sent ahead, kept or is being opened is void.
 */
void shadow_guest_changed(ShadowGuest *g);

/* In the list of all guests: find and foreach see it. */
void shadow_guest_list(ShadowGuest *g);
void shadow_guest_unlist(ShadowGuest *g);

/*
 * Whether property @name can still be set.  What was looked at when the guest
 * was made cannot: nothing would look again.
 */
bool shadow_guest_can_set(ShadowGuest *g, const char *name, Error **errp);

/*
 * Guests whose interrupt line changed since the cloud VM last polled.  Notified
 * when there come to be any, or none.
 */
extern NotifierList shadow_guest_irq_notifiers;
bool shadow_guest_irq_any(void);
void shadow_guest_irq_changed(ShadowGuest *g);
void shadow_guest_irq_told(ShadowGuest *g);
void shadow_guest_irq_all_told(void);

/*
 * -EBUSY if a process that lives and is not @caller has bound it.  *@again: it
 * is @caller, and that lives.  To be asked before the new cookie is written,
 * which may be where the old one is.
 */
int shadow_guest_may_bind(ShadowGuest *g, const ShadowEntry *caller,
                          bool *again);

/* If @again only the cookie is replaced. */
void shadow_guest_bind_process(ShadowGuest *g, const ShadowEntry *caller,
                               bool again, uint64_t cookie_va,
                               uint64_t cookie);

/*
 * Wait for the nested guest that will have @cookie.  Not while a process lives
 * that has bound it: see shadow_guest_may_bind().
 */
void shadow_guest_claim(ShadowGuest *g, const ShadowNestedCookie *cookie);

/* Whether the nested guest that made @entry is this one */
bool shadow_guest_is(ShadowGuest *g, unsigned cpu_index);

/*
 * With a bind-secret, make a new challenge for the nested guest that made
 * @entry, valid for one answer.  -EOPNOTSUPP without.
 */
int shadow_guest_challenge(ShadowGuest *g, const ShadowEntry *entry,
                           uint8_t challenge[32]);

/*
 * The nested guest that made @entry says that it is this one; @inside: it runs
 * as what is bound.  @answer is to its challenge, or NULL; @cookie is what it
 * has for as long as it lives, or NULL.
 */
int shadow_guest_register(ShadowGuest *g, const ShadowEntry *entry,
                          bool inside, const uint8_t answer[32],
                          const ShadowNestedCookie *cookie);

/*
 * What keeps the guest's port accesses from the cloud VM has changed; @reason
 * is for the operator to read, when nothing does any more.
 */
void shadow_guest_set_protection(ShadowGuest *g, ShadowProtection protection,
                                 const char *reason);

/* -EALREADY if nothing was bound. */
int shadow_guest_unbind(ShadowGuest *g, const char *reason);

/* The nested machine was reset. */
int shadow_guest_reset(ShadowGuest *g);

/* Size in bytes of this guest's envelopes. */
size_t shadow_guest_envelope_size(ShadowGuest *g);

/*
 * SHADOW_SAVE_REST: without what SHADOW_SAVE_HISTORY has saved, if it has and
 * little has come since.  SHADOW_SAVE_SNAPSHOT may be restored more than once.
 * SHADOW_SAVE_PAGES: begin to send private memory; what is saved is its key.
 */
typedef enum ShadowSave {
    SHADOW_SAVE_ALL,
    SHADOW_SAVE_SNAPSHOT,
    SHADOW_SAVE_HISTORY,
    SHADOW_SAVE_REST,
    SHADOW_SAVE_PAGES,
} ShadowSave;

/*
 * Seal the guest's state, and freeze it, or leave it active for a snapshot and
 * for what is sent ahead.  @envelope is memory that the cloud VM cannot see, of *@size
 * bytes, at least shadow_guest_envelope_size(); *@size is then how long the
 * envelope is.  After a failure nothing in it is to be used.  -EAGAIN: input
 * is still being taken in, call again soon.
 */
int shadow_guest_save(ShadowGuest *g, ShadowSave what, uint8_t *envelope,
                      size_t *size, Error **errp);

/*
 * Load the state from an envelope, or keep the history that is in it.  If it is
 * refused nothing has changed.  Called by a CPU of the cloud VM, it lets go of
 * the BQL while it opens the envelope; @g may be no more when it returns.
 */
int shadow_guest_restore(ShadowGuest *g, const ShadowArrival *from,
                         Error **errp);

/* frozen -> gone */
int shadow_guest_commit(ShadowGuest *g);
/*
 * frozen -> active; also gone -> active if @caller, which may be NULL, is the
 * process that was bound at COMMIT and still is.  -EIO, with nothing changed,
 * if that cannot be written down.
 */
int shadow_guest_abort(ShadowGuest *g, const ShadowEntry *caller);
/* frozen or gone -> active, by an operator who knows */
int shadow_guest_resume(ShadowGuest *g, Error **errp);

ShadowGuestInfo *shadow_guest_query(ShadowGuest *g);

#endif /* SHADOW_GUEST_H */
