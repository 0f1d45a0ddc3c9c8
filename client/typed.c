/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was typed and is not accepted yet.
 */
#include "typed.h"

void typed_init(Typed *t)
{
    *t = (Typed) { .bytes = g_byte_array_new(),
                   .breaks = g_array_new(false, false, sizeof(uint64_t)) };
}

void typed_free(Typed *t)
{
    g_byte_array_unref(t->bytes);
    g_array_unref(t->breaks);
}

static uint64_t first_break(const Typed *t)
{
    return g_array_index(t->breaks, uint64_t, 0);
}

size_t typed_room(const Typed *t)
{
    return TYPED_MAX - t->bytes->len;
}

void typed_add(Typed *t, const uint8_t *data, size_t len)
{
    g_byte_array_append(t->bytes, data, len);
}

bool typed_add_break(Typed *t)
{
    uint64_t position = t->base + t->bytes->len;

    if (t->breaks->len >= TYPED_BREAKS_MAX) {
        return false;
    }
    g_array_append_val(t->breaks, position);
    return true;
}

size_t typed_waiting(const Typed *t)
{
    return t->bytes->len + t->breaks->len;
}

static void typed_tell(const Typed *t, const uint8_t *data, size_t len)
{
    if (t->accepted) {
        t->accepted(t->base, data, len, t->opaque);
    }
}

static void typed_pass(Typed *t, uint64_t position)
{
    if (position > t->base) {
        typed_tell(t, t->bytes->data, position - t->base);
    }
    g_byte_array_remove_range(t->bytes, 0, position - t->base);
    t->base = position;
    t->next = MAX(t->next, position);
}

/* The first break, if it was sent, was accepted if the count has passed it. */
static void typed_breaks(Typed *t, uint64_t breaks)
{
    if (t->break_sent && breaks > t->breaks_accepted) {
        typed_tell(t, NULL, 0);
        g_array_remove_index(t->breaks, 0);
        t->break_sent = false;
    }
    t->breaks_accepted = breaks;
}

bool typed_accepted(Typed *t, uint64_t position, uint64_t breaks)
{
    if (position < t->base || position > t->most ||
        breaks < t->breaks_accepted) {
        return false;
    }
    typed_pass(t, position);
    typed_breaks(t, breaks);
    return true;
}

/* What waits keeps its order, and begins at @position. */
static void typed_rebase(Typed *t, uint64_t position)
{
    for (unsigned i = 0; i < t->breaks->len; i++) {
        g_array_index(t->breaks, uint64_t, i) += position - t->base;
    }
    t->base = t->next = t->most = position;
    t->break_sent = false;
}

bool typed_deposed(Typed *t, uint64_t position)
{
    if (position < t->base || position > t->most) {
        return false;
    }
    typed_pass(t, position);
    typed_rebase(t, position);
    return true;
}

/* Where the input ended that was accepted under @lease, if that is known */
static bool typed_end_of(const ConsoleState *state, uint32_t lease,
                         uint64_t base, uint64_t position, uint64_t *end)
{
    unsigned n = state->leases_count;

    for (unsigned i = 0; i < n; i++) {
        if (state->leases[i].lease == lease) {
            *end = i + 1 < n ? state->leases[i + 1].start : position;
            return true;
        }
    }
    /* Nothing was accepted under it, if older ones are still in the list. */
    *end = base;
    return n < CONSOLE_LEASES_MAX || state->leases[0].start <= base;
}

/*
 * The break that was sent under @lease is done with if it was accepted.  False
 * if there are more than before, and it is not known whose.
 */
static bool typed_settle_break(Typed *t, uint32_t lease,
                               const ConsoleState *state)
{
    unsigned n = state->leases_count;
    bool listed = false;

    if (!t->break_sent || state->breaks == t->breaks_accepted) {
        return true;
    }
    if (!state->leases_known) {
        return false;
    }
    if (n && state->leases[n - 1].lease == lease) {
        typed_breaks(t, state->breaks);     /* nobody else has typed since */
        return true;
    }
    for (unsigned i = 0; i < n; i++) {
        listed |= state->leases[i].lease == lease;
    }
    return !listed && n < CONSOLE_LEASES_MAX;
}

bool typed_resume(Typed *t, uint32_t lease, uint64_t position,
                  const ConsoleState *state)
{
    uint64_t end = position;

    if (lease) {
        if (position < t->base || state->breaks < t->breaks_accepted) {
            return false;
        }
        if (state->leases_known &&
            !typed_end_of(state, lease, t->base, position, &end)) {
            return false;
        }
        if (end < t->base || end > t->most) {
            return false;
        }
        typed_pass(t, end);
        if (!typed_settle_break(t, lease, state)) {
            return false;
        }
    }
    t->breaks_accepted = state->breaks;
    typed_rebase(t, position);
    return true;
}

/* Bytes up to the limit and the next break; or the break, where it is due */
bool typed_next(Typed *t, ShadowWireFrame *frame)
{
    uint64_t end = MIN(t->base + t->bytes->len, t->limit);

    if (t->breaks->len) {
        end = MIN(end, first_break(t));
        if (first_break(t) == t->base && !t->break_sent) {
            *frame = (ShadowWireFrame) { .type = SHADOW_WIRE_BREAK,
                                         .position = t->base };
            t->break_sent = true;
            return true;
        }
    }
    if (t->next >= end) {
        return false;
    }
    *frame = (ShadowWireFrame) {
        .type = SHADOW_WIRE_INPUT, .position = t->next,
        .len = MIN(end - t->next, SHADOW_WIRE_PAYLOAD_MAX),
        .payload = t->bytes->data + (t->next - t->base) };
    t->next += frame->len;
    t->most = MAX(t->most, t->next);
    return true;
}

void typed_again(Typed *t)
{
    t->next = t->base;
    t->break_sent = false;
}

GByteArray *typed_drop(Typed *t)
{
    GByteArray *dropped = t->bytes;

    t->bytes = g_byte_array_new();
    g_array_set_size(t->breaks, 0);
    t->break_sent = false;
    t->next = t->most = t->base;
    return dropped;
}
