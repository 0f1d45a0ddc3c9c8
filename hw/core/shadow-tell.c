/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the operator of this QEMU is told of a shadow guest.
 *
 * News passes through a slot for its kind.  If there is a token for it, all
 * slots are sent at once; if not, it waits for a timer, and the next of its
 * kind takes its place and counts it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-events-shadow.h"
#include "qemu/timer.h"
#include "shadow/hw/core/shadow-tell.h"
#include "shadow/trace.h"

/* For each class of a guest's events */
#define TELL_PER_SECOND 50
#define TELL_BURST      100
/* After a SAVE or RESTORE; sooner, if something else is to be told */
#define TELL_SOON_NS    SCALE_MS
/* When there are no tokens left */
#define TELL_LATER_NS   (250 * SCALE_MS)

/*
 * Each has tokens of its own.  What waits holds up news of its own class and
 * of those below, which could overtake it, and none of those above.
 */
typedef enum TellClass {
    TELL_BREAK,
    TELL_CHANGE,
    TELL_REFUSAL,
    TELL_NESTED,            /* what nested callers cause */
    TELL_CLASSES,
} TellClass;

typedef enum TellKind {
    TELL_UNPROTECTED,
    TELL_BOUND,
    TELL_BOUND_BY_CLAIM,
    TELL_LAUNCHED,
    TELL_SEALED,
    TELL_UNBOUND,
    TELL_SAVED,
    TELL_RESTORED,
    TELL_ACTIVATED,
    TELL_COMMITTED,
    TELL_ABORTED,
    TELL_RESET,
    TELL_REFUSED,
    TELL_BOUND_BY_TAG,
    TELL_NESTED_REFUSED,
    TELL_KINDS,
} TellKind;

static const TellClass tell_class[TELL_KINDS] = {
    [TELL_UNPROTECTED] = TELL_BREAK,
    [TELL_BOUND ... TELL_RESET] = TELL_CHANGE,
    [TELL_REFUSED] = TELL_REFUSAL,
    [TELL_BOUND_BY_TAG] = TELL_NESTED,
    [TELL_NESTED_REFUSED] = TELL_NESTED,
};

typedef struct TellLimit {
    int64_t tokens, time;
} TellLimit;

typedef struct TellNews {
    uint64_t n;             /* how many it stands for; 0: there is none */
    uint64_t when;          /* a number that rises */
    char *reason;
    ShadowTold told;
    ShadowDeviceInfoList *devices;
} TellNews;

struct ShadowTell {
    TellLimit limit[TELL_CLASSES];
    TellNews news[TELL_KINDS];
    uint64_t n;             /* of all that has been told */
    bool soon;              /* the newest one has its token, and waits */
    QEMUTimer *timer;
};

static bool tell_allowed(TellLimit *limit)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int64_t gained = (now - limit->time) * TELL_PER_SECOND /
                     NANOSECONDS_PER_SECOND;

    if (gained > 0) {
        limit->tokens = MIN(limit->tokens + gained, TELL_BURST);
        limit->time = now;
    }
    return limit->tokens > 0;
}

/* What others have taken along is free when there are no tokens left. */
static void tell_pay(TellLimit *limit)
{
    limit->tokens = MAX(limit->tokens - 1, 0);
}

static bool tell_waits(struct ShadowTell *t, TellClass class)
{
    for (unsigned kind = 0; kind < TELL_KINDS; kind++) {
        if (t->news[kind].n && tell_class[kind] <= class) {
            return true;
        }
    }
    return false;
}

/* What has a list of devices */
static void tell_send_transfer(ShadowGuest *g, TellKind kind,
                               const TellNews *news, uint64_t merged)
{
    const ShadowTold *told = &news->told;

    switch (kind) {
    case TELL_SAVED:
        qapi_event_send_shadow_guest_saved(g->id, told->epoch, told->snapshot,
                                           told->size, told->us,
                                           news->devices, merged, merged);
        break;
    case TELL_RESTORED:
        qapi_event_send_shadow_guest_restored(g->id, told->epoch,
                                              told->snapshot, told->size,
                                              told->us, news->devices,
                                              merged, merged);
        break;
    case TELL_COMMITTED:
        qapi_event_send_shadow_guest_committed(g->id, news->devices, merged,
                                               merged);
        break;
    default:
        qapi_event_send_shadow_guest_aborted(g->id, news->devices, merged,
                                             merged);
    }
}

static void tell_send(ShadowGuest *g, TellKind kind, const TellNews *news)
{
    const char *reason = news->reason;
    uint64_t merged = news->n - 1;

    switch (kind) {
    case TELL_UNPROTECTED:
        qapi_event_send_shadow_guest_unprotected(g->id, reason, merged,
                                                 merged);
        break;
    case TELL_BOUND:
    case TELL_BOUND_BY_TAG:
    case TELL_BOUND_BY_CLAIM:
        qapi_event_send_shadow_guest_bound(g->id, kind == TELL_BOUND_BY_TAG,
                                           kind == TELL_BOUND_BY_CLAIM,
                                           merged, merged);
        break;
    case TELL_LAUNCHED:
        qapi_event_send_shadow_guest_launched(g->id, reason, merged, merged);
        break;
    case TELL_SEALED:
        qapi_event_send_shadow_guest_sealed(g->id, merged, merged);
        break;
    case TELL_UNBOUND:
        qapi_event_send_shadow_guest_unbound(g->id, reason, merged, merged);
        break;
    case TELL_ACTIVATED:
        qapi_event_send_shadow_guest_activated(g->id, merged, merged);
        break;
    case TELL_RESET:
        qapi_event_send_shadow_guest_reset(g->id, merged, merged);
        break;
    case TELL_REFUSED:
    case TELL_NESTED_REFUSED:
        qapi_event_send_shadow_guest_refused(g->id, reason, merged, merged);
        break;
    default:
        tell_send_transfer(g, kind, news, merged);
    }
}

static void tell_forget(TellNews *news)
{
    g_free(news->reason);
    qapi_free_ShadowDeviceInfoList(news->devices);
    *news = (TellNews) { };
}

/* The kind whose latest news is the oldest of those that wait */
static TellKind tell_next(struct ShadowTell *t)
{
    TellKind next = TELL_KINDS;

    for (unsigned kind = 0; kind < TELL_KINDS; kind++) {
        if (t->news[kind].n && (next == TELL_KINDS ||
                                t->news[kind].when < t->news[next].when)) {
            next = kind;
        }
    }
    return next;
}

static void tell_all(ShadowGuest *g)
{
    struct ShadowTell *t = g->tell;
    TellKind kind;

    t->soon = false;
    timer_del(t->timer);
    while ((kind = tell_next(t)) != TELL_KINDS) {
        tell_pay(&t->limit[tell_class[kind]]);
        tell_send(g, kind, &t->news[kind]);
        tell_forget(&t->news[kind]);
    }
}

static void tell_timer(void *opaque)
{
    tell_all(opaque);
}

/* The slot for news of @kind, with nothing in it but the count */
static TellNews *tell_news(ShadowGuest *g, TellKind kind)
{
    TellNews *news = &g->tell->news[kind];
    uint64_t n = news->n;

    tell_forget(news);
    news->n = n + 1;
    news->when = g->tell->n++;
    return news;
}

/* Whether news of @kind can be sent, or has to wait for others to join it */
static bool tell_may(ShadowGuest *g, TellKind kind)
{
    TellClass class = tell_class[kind];

    shadow_tell_now(g);
    return !tell_waits(g->tell, class) &&
           tell_allowed(&g->tell->limit[class]);
}

static void tell_in(ShadowGuest *g, int64_t ns)
{
    timer_mod_anticipate(g->tell->timer,
                         qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + ns);
}

static void tell(ShadowGuest *g, TellKind kind, const char *reason,
                 bool devices)
{
    bool may = tell_may(g, kind);
    TellNews *news = tell_news(g, kind);

    news->reason = g_strdup(reason);
    news->devices = devices ? shadow_guest_query_devices(g) : NULL;
    if (may) {
        tell_all(g);
    } else {
        tell_in(g, TELL_LATER_NS);
    }
}

/*
 * The cloud VM need not wait for the operator to be told: to write to a
 * monitor takes as long as to seal.  A bottom half would take the processor
 * from a CPU of the cloud VM as soon as it returns, where there is one only.
 */
static void tell_soon(ShadowGuest *g, TellKind kind, const ShadowTold *told)
{
    bool may = tell_may(g, kind);
    TellNews *news = tell_news(g, kind);

    news->told = *told;
    news->devices = shadow_guest_query_devices(g);
    g->tell->soon = may;
    tell_in(g, may ? TELL_SOON_NS : TELL_LATER_NS);
}

void shadow_tell_now(ShadowGuest *g)
{
    if (g->tell->soon) {
        tell_all(g);
    }
}

void shadow_tell_bound(ShadowGuest *g, ShadowBoundBy by)
{
    static const TellKind kind[] = {
        [SHADOW_BOUND_BY_PROCESS] = TELL_BOUND,
        [SHADOW_BOUND_BY_TAG] = TELL_BOUND_BY_TAG,
        [SHADOW_BOUND_BY_CLAIM] = TELL_BOUND_BY_CLAIM,
    };

    tell(g, kind[by], NULL, false);
}

void shadow_tell_launched(ShadowGuest *g, const char *measurement)
{
    tell(g, TELL_LAUNCHED, measurement, false);
}

void shadow_tell_sealed(ShadowGuest *g)
{
    tell(g, TELL_SEALED, NULL, false);
}

void shadow_tell_unbound(ShadowGuest *g, const char *reason)
{
    tell(g, TELL_UNBOUND, reason, false);
}

void shadow_tell_saved(ShadowGuest *g, const ShadowTold *told)
{
    tell_soon(g, TELL_SAVED, told);
}

void shadow_tell_restored(ShadowGuest *g, const ShadowTold *told)
{
    tell_soon(g, TELL_RESTORED, told);
}

void shadow_tell_activated(ShadowGuest *g)
{
    tell(g, TELL_ACTIVATED, NULL, false);
}

void shadow_tell_committed(ShadowGuest *g)
{
    tell(g, TELL_COMMITTED, NULL, true);
}

void shadow_tell_aborted(ShadowGuest *g)
{
    tell(g, TELL_ABORTED, NULL, true);
}

void shadow_tell_reset(ShadowGuest *g)
{
    tell(g, TELL_RESET, NULL, false);
}

void shadow_tell_unprotected(ShadowGuest *g, const char *reason)
{
    tell(g, TELL_UNPROTECTED, reason, false);
}

void shadow_tell_refused(ShadowGuest *g, const char *reason, bool nested)
{
    tell(g, nested ? TELL_NESTED_REFUSED : TELL_REFUSED, reason, false);
}

void shadow_tell_start(ShadowGuest *g)
{
    struct ShadowTell *t = g_new0(struct ShadowTell, 1);

    for (unsigned i = 0; i < TELL_CLASSES; i++) {
        t->limit[i].tokens = TELL_BURST;
        t->limit[i].time = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    }
    t->timer = timer_new_ns(QEMU_CLOCK_REALTIME, tell_timer, g);
    g->tell = t;
}

void shadow_tell_stop(ShadowGuest *g)
{
    tell_all(g);
    timer_free(g->tell->timer);
    g_clear_pointer(&g->tell, g_free);
}

void shadow_guest_refused(ShadowGuest *g, const char *reason, bool nested)
{
    g->refusals++;
    trace_shadow_guest_refused(g->id, reason);
    shadow_tell_refused(g, reason, nested);
}

int shadow_guest_refuse(ShadowGuest *g, int err, Error *local, Error **errp)
{
    shadow_guest_refused(g, error_get_pretty(local), false);
    error_propagate(errp, local);
    return err;
}
