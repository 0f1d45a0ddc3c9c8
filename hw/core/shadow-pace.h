/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often something may be done that the cloud VM can ask for: so many
 * times at once, and from then on once in an interval of the time in which it
 * runs.
 */
#ifndef SHADOW_PACE_H
#define SHADOW_PACE_H

/* All zeros: nothing has been done yet. */
typedef struct ShadowPace {
    int64_t used;       /* time, in ns, that was used up at @last */
    int64_t last;
} ShadowPace;

/* Whether it may be done now; @interval in ns */
bool shadow_pace_ready(const ShadowPace *pace, int64_t interval,
                       unsigned burst);

/* It is being done, an @interval's worth. */
void shadow_pace_take(ShadowPace *pace, int64_t interval);

#endif /* SHADOW_PACE_H */
