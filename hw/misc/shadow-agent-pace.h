/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much a guest is to be slowed down so that what it writes to can be sent.
 * Pure code.
 */
#ifndef SHADOW_AGENT_PACE_H
#define SHADOW_AGENT_PACE_H

/* Of its CPUs' time that a guest loses, in per cent */
#define SHADOW_PACE_STEP    10      /* more at least, if any */
#define SHADOW_PACE_MAX     99

/* One round: what was to be sent was, while the guest wrote to what is now. */
typedef struct ShadowPace {
    uint64_t sent;              /* bytes, */
    uint64_t ms;                /* in so many ms, not 0 */
    uint64_t rest;              /* bytes to be sent now */
    uint64_t limit_ms;          /* that the guest may stand still */
} ShadowPace;

/* How many bytes can be sent while it stands still */
uint64_t shadow_pace_bound(const ShadowPace *p);

/* What it is to lose from now on, if it loses @now; it does not lose less. */
int shadow_pace_percent(const ShadowPace *p, int now);

#endif /* SHADOW_AGENT_PACE_H */
