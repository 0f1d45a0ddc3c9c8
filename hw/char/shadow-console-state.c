/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is saved of a console.
 */
#include "qemu/osdep.h"
#include "migration/vmstate.h"
#include "shadow/hw/char/shadow-console.h"

size_t shadow_console_state_max(ShadowConsole *c)
{
    return c->input_size + c->out.capacity + c->first_size +
           SHADOW_CONSOLE_STATE_OVERHEAD +
           (c->life.known ? SHADOW_CONSOLE_STATE_LIFE : 0);
}

void shadow_console_sent_ahead(ShadowConsole *c)
{
    c->ahead = c->out.end;
    c->first_ahead = c->first.end;
}

void shadow_console_leave_out(ShadowConsole *c, bool leave_out)
{
    c->out.from = leave_out ? MIN(c->ahead, c->sent) : 0;
    c->first_left_out = leave_out && c->first_ahead == c->first.end;
}

/*
 * Typed input, and output that no user has been sent, may not be lost: a ring
 * here that is too small for them is refused.  History may shrink.
 */
static int console_post_load(void *opaque, int version_id)
{
    ShadowConsole *c = opaque;

    if (shadow_ring_lost(&c->in) || c->sent < c->out.start ||
        c->sent > c->out.end) {
        return -EINVAL;
    }
    return 0;
}

/* What the stream leaves out */
static int console_pre_load(void *opaque)
{
    ShadowConsole *c = opaque;

    c->breaks.n = 0;
    c->life = (ShadowConsoleLife) { };
    shadow_ring_reset(&c->first);
    return 0;
}

static bool console_first_needed(void *opaque)
{
    ShadowConsole *c = opaque;

    return c->first.end && !c->first_left_out;
}

/* Part of them would be none: a ring that is too small keeps the last ones. */
static int console_first_post_load(void *opaque, int version_id)
{
    ShadowConsole *c = opaque;

    if (c->first.start || c->first.end > MIN(c->first_size, c->out.end)) {
        shadow_ring_reset(&c->first);
    }
    return 0;
}

#define CONSOLE_FIRST(_name) {                                          \
    .name = _name,                                                      \
    .version_id = 1,                                                    \
    .minimum_version_id = 1,                                            \
    .needed = console_first_needed,                                     \
    .post_load = console_first_post_load,                               \
    .fields = (const VMStateField[]) {                                  \
        VMSTATE_STRUCT(first, ShadowConsole, 1, vmstate_shadow_ring,    \
                       ShadowRing),                                     \
        VMSTATE_END_OF_LIST()                                           \
    }                                                                   \
}

static const VMStateDescription vmstate_console_first =
    CONSOLE_FIRST("shadow-console/first");
static const VMStateDescription vmstate_console_user_first =
    CONSOLE_FIRST("shadow-console/user/first");
static const VMStateDescription vmstate_console_history_first =
    CONSOLE_FIRST("shadow-console/history/first");

static bool console_life_needed(void *opaque)
{
    ShadowConsole *c = opaque;

    return c->life.known;
}

static int console_life_post_load(void *opaque, int version_id)
{
    ShadowConsole *c = opaque;
    const ShadowConsoleLife *l = &c->life;

    c->life.known = true;
    if (l->breaks > INT64_MAX || l->n_leases > SHADOW_CONSOLE_LEASES) {
        c->life = (ShadowConsoleLife) { };
        return -EINVAL;
    }
    return 0;
}

#define CONSOLE_LIFE(_name) {                                           \
    .name = _name,                                                      \
    .version_id = 1,                                                    \
    .minimum_version_id = 1,                                            \
    .needed = console_life_needed,                                      \
    .post_load = console_life_post_load,                                \
    .fields = (const VMStateField[]) {                                  \
        VMSTATE_UINT8_ARRAY(life.id, ShadowConsole,                     \
                            SHADOW_CONSOLE_LIFE_LEN),                   \
        VMSTATE_UINT64(life.breaks, ShadowConsole),                     \
        VMSTATE_UINT32(life.n_leases, ShadowConsole),                   \
        VMSTATE_UINT32_ARRAY(life.lease, ShadowConsole,                 \
                             SHADOW_CONSOLE_LEASES),                    \
        VMSTATE_UINT64_ARRAY(life.lease_start, ShadowConsole,           \
                             SHADOW_CONSOLE_LEASES),                    \
        VMSTATE_END_OF_LIST()                                           \
    }                                                                   \
}

static const VMStateDescription vmstate_console_life =
    CONSOLE_LIFE("shadow-console/life");
static const VMStateDescription vmstate_console_user_life =
    CONSOLE_LIFE("shadow-console/user/life");

static bool console_breaks_needed(void *opaque)
{
    ShadowConsole *c = opaque;

    return c->breaks.n;
}

static int console_breaks_post_load(void *opaque, int version_id)
{
    ShadowConsole *c = opaque;

    if (!shadow_breaks_valid(&c->breaks, c->in.start, c->in.end)) {
        c->breaks.n = 0;
        return -EINVAL;
    }
    return 0;
}

#define CONSOLE_BREAKS(_name) {                                         \
    .name = _name,                                                      \
    .version_id = 1,                                                    \
    .minimum_version_id = 1,                                            \
    .needed = console_breaks_needed,                                    \
    .post_load = console_breaks_post_load,                              \
    .fields = (const VMStateField[]) {                                  \
        VMSTATE_UINT32(breaks.n, ShadowConsole),                        \
        VMSTATE_UINT64_ARRAY(breaks.at, ShadowConsole,                  \
                             SHADOW_BREAKS_MAX),                        \
        VMSTATE_END_OF_LIST()                                           \
    }                                                                   \
}

static const VMStateDescription vmstate_console_breaks =
    CONSOLE_BREAKS("shadow-console/breaks");
static const VMStateDescription vmstate_console_user_breaks =
    CONSOLE_BREAKS("shadow-console/user/breaks");

const VMStateDescription vmstate_shadow_console = {
    .name = "shadow-console",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = console_pre_load,
    .post_load = console_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(in, ShadowConsole, 1, vmstate_shadow_ring, ShadowRing),
        VMSTATE_STRUCT(out, ShadowConsole, 1, vmstate_shadow_ring, ShadowRing),
        VMSTATE_UINT64(sent, ShadowConsole),
        VMSTATE_UINT64(dropped, ShadowConsole),
        VMSTATE_BOOL(rts, ShadowConsole),
        VMSTATE_BOOL(rts_used, ShadowConsole),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_console_breaks,
        &vmstate_console_life,
        &vmstate_console_first,
        NULL
    }
};

const VMStateDescription vmstate_shadow_console_user = {
    .name = "shadow-console/user",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = console_pre_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(in, ShadowConsole, 1, vmstate_shadow_ring, ShadowRing),
        VMSTATE_STRUCT(out, ShadowConsole, 1, vmstate_shadow_ring, ShadowRing),
        VMSTATE_UINT64(sent, ShadowConsole),
        VMSTATE_UINT64(dropped, ShadowConsole),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_console_user_breaks,
        &vmstate_console_user_life,
        &vmstate_console_user_first,
        NULL
    }
};

const VMStateDescription vmstate_shadow_console_history = {
    .name = "shadow-console/history",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(out, ShadowConsole, 1, vmstate_shadow_ring_before,
                       ShadowRing),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_console_history_first,
        NULL
    }
};
