/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keyboard of a console.
 *
 * What is typed is kept until the host has accepted it.  After a new
 * connection it is sent on from the accepted position; see docs/door.rst.
 */
#include "keyboard.h"

#define UNSENT_MAX 65536        /* bytes under way to the door */
#define SHOWN_MAX 200           /* bytes of what is given up */

void keyboard_init(Keyboard *k, const char *user, bool wants,
                   KeyboardTell *tell, void *opaque)
{
    *k = (Keyboard) { .user = user, .wants = wants, .tell = tell,
                      .opaque = opaque };
    typed_init(&k->typed);
}

void keyboard_free(Keyboard *k)
{
    typed_free(&k->typed);
    g_free(k->lost);
}

void keyboard_drop(Keyboard *k)
{
    unsigned breaks = k->typed.breaks->len;
    g_autoptr(GByteArray) bytes = typed_drop(&k->typed);
    g_autofree char *part = NULL, *quoted = NULL, *text = NULL;

    if (!bytes->len && !breaks) {
        return;
    }
    part = g_strndup((const char *)bytes->data, MIN(bytes->len, SHOWN_MAX));
    quoted = g_strescape(part, NULL);
    text = g_strdup_printf("\"%s\"%s, %u bytes%s", quoted,
                           bytes->len > SHOWN_MAX ? "..." : "", bytes->len,
                           breaks ? " and a break" : "");
    k->last = 0;
    k->tell(KEYBOARD_UNSENT, text, k->opaque);
}

void keyboard_attach(Keyboard *k, Link *link)
{
    const ConsoleState *s = link_state(link);

    k->link = link;
    k->lease = 0;
    k->asked = k->counted = k->refused = false;
    g_clear_pointer(&k->lost, g_free);
    if (k->wants && s->input_enabled) {
        keyboard_take(k, k->force);
        k->force = false;
    }
}

void keyboard_detach(Keyboard *k)
{
    k->link = NULL;
    k->lease = 0;
    k->asked = k->counted = false;
}

void keyboard_new_life(Keyboard *k)
{
    keyboard_drop(k);
    k->last = 0;
    /* The counts of the new life come with its lease. */
    k->typed.base = k->typed.next = k->typed.most = 0;
    k->typed.breaks_accepted = 0;
}

void keyboard_pump(Keyboard *k)
{
    ShadowWireFrame frame;

    if (!k->lease || !k->counted || k->refused || k->paused ||
        !console_state_is(link_state(k->link), "active")) {
        return;
    }
    while (link_unsent(k->link) < UNSENT_MAX && typed_next(&k->typed, &frame)) {
        if (frame.type == SHADOW_WIRE_BREAK) {
            shadow_wire_put_break(link_queue(k->link), k->lease,
                                  frame.position, k->typed.breaks_accepted);
        } else {
            frame.lease = k->lease;
            shadow_wire_put(link_queue(k->link), &frame);
        }
    }
    link_send(k->link);
}

/* It is ours: with what was typed before it goes on from what is accepted. */
static bool keyboard_ours(Keyboard *k, const ShadowWireFrame *frame)
{
    if (!typed_resume(&k->typed, k->last, frame->position,
                      link_state(k->link))) {
        keyboard_drop(k);
        k->typed.breaks_accepted = 0;
        typed_resume(&k->typed, 0, frame->position, link_state(k->link));
    }
    k->typed.limit = frame->position;
    k->lease = k->last = frame->lease;
    k->wants = true;
    k->counted = false;
    k->tell(KEYBOARD_OURS, "", k->opaque);
    return true;
}

/*
 * It was ours.  Where a user has to know more before he types on, he takes it
 * anew: another has it, it is not protected, or it has no virtual machine.
 * Else it ended with the guest's stay at a host, and is asked for again.
 */
static void keyboard_check_lost(Keyboard *k)
{
    const ConsoleState *s = link_state(k->link);
    bool other = s->writer && s->writer->client != s->client;

    if (!k->lost || (s->writer && !other)) {
        return;                 /* the notice of it has not come yet */
    }
    if (other || !s->attached || g_str_equal(s->protection, "broken") ||
        !k->wants) {
        k->wants = false;
        k->tell(KEYBOARD_NOT_OURS, k->lost, k->opaque);
    }
    g_clear_pointer(&k->lost, g_free);
}

void keyboard_notice(Keyboard *k)
{
    const ConsoleState *s = link_state(k->link);

    keyboard_check_lost(k);
    if (k->wants && !k->lease && !k->lost && s->input_enabled && !s->writer &&
        console_state_is(s, "active")) {
        keyboard_take(k, false);
    }
    k->refused = false;
    keyboard_pump(k);
}

/*
 * Whether who has it is ourselves, over a connection of which the door does
 * not know yet that it has ended: it is asked for again when it is free.
 */
static bool keyboard_had(const Keyboard *k)
{
    const ConsoleState *s = link_state(k->link);

    return k->last && s->writer && g_str_equal(s->writer->name, k->user);
}

static bool keyboard_not_ours(Keyboard *k, const ShadowWireFrame *frame)
{
    g_autofree char *text = shadow_wire_get_text(frame);
    bool good;

    if (k->lease) {
        good = typed_deposed(&k->typed, frame->position);
        k->lease = k->last = 0;
        g_free(k->lost);
        k->lost = g_steal_pointer(&text);
        keyboard_check_lost(k);
        return good;
    }
    if (!keyboard_had(k)) {
        k->wants = false;
        k->tell(KEYBOARD_NOT_OURS, text, k->opaque);
    }
    return true;
}

static bool keyboard_given(Keyboard *k, const ShadowWireFrame *frame)
{
    k->asked = false;
    k->refused = false;
    return frame->lease ? keyboard_ours(k, frame) : keyboard_not_ours(k, frame);
}

static bool keyboard_accepted(Keyboard *k, const ShadowWireFrame *frame)
{
    Typed *t = &k->typed;
    ShadowWireAccepted a;
    uint64_t base = t->base, limit = t->limit, breaks = t->breaks_accepted;

    if (!k->lease || frame->lease != k->lease) {
        return true;            /* of a lease that is over */
    }
    shadow_wire_get_accepted(frame, &a);
    if (a.limit < frame->position ||
        !typed_accepted(t, frame->position, a.breaks)) {
        return false;
    }
    t->limit = a.limit;
    k->counted = true;
    /* After a refusal the same numbers come once more. */
    if (t->base != base || t->limit != limit || t->breaks_accepted != breaks) {
        k->refused = false;
    }
    keyboard_pump(k);
    return true;
}

static bool keyboard_was_refused(Keyboard *k, const ShadowWireFrame *frame)
{
    g_autofree char *text = shadow_wire_get_text(frame);

    if (frame->lease && frame->lease == k->lease) {
        /* It was under way when the guest stopped, say: it is kept. */
        k->refused = true;
        typed_again(&k->typed);
    } else {
        k->tell(KEYBOARD_REFUSED, text, k->opaque);
    }
    return true;
}

bool keyboard_frame(Keyboard *k, const ShadowWireFrame *frame)
{
    switch (frame->type) {
    case SHADOW_WIRE_KEYBOARD:
        return keyboard_given(k, frame);
    case SHADOW_WIRE_ACCEPTED:
        return keyboard_accepted(k, frame);
    case SHADOW_WIRE_REFUSED:
        return keyboard_was_refused(k, frame);
    default:
        return true;
    }
}

void keyboard_take(Keyboard *k, bool force)
{
    k->wants = true;
    if (!k->link || k->lease || (k->asked && !force)) {
        return;
    }
    if (!g_str_equal(link_state(k->link)->role, "write")) {
        k->wants = false;
        k->tell(KEYBOARD_NOT_OURS, "this door is for readers", k->opaque);
        return;
    }
    k->asked = true;
    shadow_wire_put_keyboard(link_queue(k->link), force ?
                             SHADOW_WIRE_TAKE_OVER : SHADOW_WIRE_TAKE_FREE);
    link_send(k->link);
}

void keyboard_release(Keyboard *k)
{
    k->wants = false;
    if (k->link && (k->lease || k->asked)) {
        shadow_wire_put_keyboard(link_queue(k->link), SHADOW_WIRE_RELEASE);
        link_send(k->link);
    }
}

bool keyboard_may_type(const Keyboard *k)
{
    return k->lease || k->asked || k->wants;
}

void keyboard_type(Keyboard *k, const uint8_t *data, size_t len)
{
    typed_add(&k->typed, data, len);
    keyboard_pump(k);
}

bool keyboard_break(Keyboard *k)
{
    bool added = typed_add_break(&k->typed);

    keyboard_pump(k);
    return added;
}
