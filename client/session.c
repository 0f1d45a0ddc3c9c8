/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A user's session with one console, wherever that is.
 */
#include <string.h>

#include "session.h"

#define TWO_AFTER 1000          /* ms: until then a notice may be under way */

const ConsoleState *session_state(const Session *s)
{
    return s->current ? link_state(s->current->link) : NULL;
}

static void session_tell(Session *s, SessionNews news, const char *text)
{
    s->client->tell(news, text, s->opaque);
}

static void session_end(Session *s, const char *why)
{
    if (!s->ended) {
        s->ended = true;
        session_tell(s, SESSION_ENDED, why);
    }
}

/* Where output starts, the first time or in another life */
static ShadowWireStart session_first(Session *s, const ConsoleState *state)
{
    ShadowWireStart start = { .mode = s->options.mode };
    bool other = s->options.life && !g_str_equal(s->options.life, state->life);

    if (start.mode == SHADOW_WIRE_FROM_LAST) {
        start.count = MIN(s->options.count, SHADOW_WIRE_POSITION_MAX);
    } else if (start.mode == SHADOW_WIRE_FROM_END) {
        start.mode = SHADOW_WIRE_FROM_POSITION;
        start.count = state->output_end;
    } else if (start.mode == SHADOW_WIRE_FROM_POSITION) {
        start.count = s->options.count;
        if (other || start.count > state->output_end) {
            start = (ShadowWireStart) { .mode = SHADOW_WIRE_FROM_OLDEST };
        }
    }
    return start;
}

static void session_start(Session *s)
{
    const ConsoleState *state = session_state(s);
    ShadowWireStart start = { .mode = SHADOW_WIRE_FROM_POSITION,
                              .count = s->next };

    if (!s->counted) {
        /* what was read already can be newer than what the door said last */
        uint64_t end = MAX(state->output_end, s->next);

        start = session_first(s, state);
        s->counted = start.mode == SHADOW_WIRE_FROM_POSITION;
        s->next = start.count;
        s->client->begin(end, s->opaque);
    }
    for (unsigned i = 0; i < SHADOW_WIRE_LIFE_LEN; i++) {
        start.life[i] = g_ascii_xdigit_value(state->life[2 * i]) << 4 |
                        g_ascii_xdigit_value(state->life[2 * i + 1]);
    }
    shadow_wire_put_start(link_queue(s->current->link), &start);
    link_send(s->current->link);
}

void session_restart(Session *s)
{
    s->options.mode = SHADOW_WIRE_FROM_OLDEST;
    s->counted = false;
    if (s->current) {
        session_start(s);
    }
}

static void session_new_life(Session *s, const ConsoleState *state)
{
    bool first = !*s->life;

    strcpy(s->life, state->life);
    if (first) {
        return;
    }
    session_tell(s, SESSION_NEW_LIFE, state->reason ?: state->event ?: "");
    keyboard_new_life(&s->keyboard);
    s->counted = false;
    s->next = 0;
    /* What has passed since is of this life. */
    if (s->options.mode != SHADOW_WIRE_FROM_END) {
        s->options.mode = SHADOW_WIRE_FROM_OLDEST;
    }
}

/* A guest that is not bound, or does not run yet, has nothing to protect. */
static void session_protection(Session *s)
{
    const ConsoleState *state = session_state(s);
    bool runs = state->attached && console_state_is(state, "active");
    const char *now = runs || !g_str_equal(state->protection, "none") ?
                      state->protection : "not running";

    if (g_strcmp0(s->protection, now)) {
        g_free(s->protection);
        s->protection = g_strdup(now);
        session_tell(s, SESSION_PROTECTION, now);
    }
}

static void session_attach(Session *s, Host *host)
{
    const ConsoleState *state = link_state(host->link);

    if (s->current && s->current->link) {
        keyboard_detach(&s->keyboard);
    }
    s->current = host;
    if (!console_state_lives(state, s->life)) {
        session_new_life(s, state);
    }
    session_tell(s, SESSION_ATTACHED, follow_name(host));
    session_protection(s);
    session_start(s);
    keyboard_attach(&s->keyboard, host->link);
}

static gboolean session_two(void *opaque)
{
    Session *s = opaque;
    g_autofree char *text = follow_text(s->follow);

    s->two_timer = 0;
    session_tell(s, SESSION_TWO, text);
    return G_SOURCE_REMOVE;
}

/*
 * Where two hosts have it nothing is typed, nor where it is not known yet.
 * It is told when it lasts.
 */
static void session_set_two(Session *s, bool two)
{
    if (s->two != two) {
        s->two = two;
        g_clear_handle_id(&s->two_timer, g_source_remove);
        if (two) {
            s->two_timer = g_timeout_add(TWO_AFTER, session_two, s);
        }
    }
    s->keyboard.paused = two || !follow_complete(s->follow);
    keyboard_pump(&s->keyboard);
}

static void session_set_waiting(Session *s, bool waiting)
{
    g_autofree char *text = NULL;

    if (s->waiting != waiting) {
        s->waiting = waiting;
        text = follow_text(s->follow);
        session_tell(s, waiting ? SESSION_WAITING : SESSION_GOING, text);
    }
}

/* The console has moved away, and all that it has written here is read. */
static bool session_is_over(const Session *s)
{
    const ConsoleState *state = session_state(s);

    return s->options.stay && console_state_is(state, "gone") &&
           (!s->counted || s->next >= state->output_end);
}

/* The link that was followed has ended, or the console has left it. */
static void session_check_current(Session *s)
{
    if (!s->current) {
        return;
    }
    if (!s->current->link) {
        keyboard_detach(&s->keyboard);
        if (s->options.stay) {
            session_end(s, s->current->why);
        }
        s->current = NULL;
    } else if (session_is_over(s)) {
        session_end(s, "moved to another host");
    }
}

/* The host to follow now, of the life that is known, or after a while of any */
static FollowVerdict session_choose(Session *s, Host **best)
{
    FollowVerdict verdict = follow_best(s->follow, s->life, s->current, best);

    if (verdict == FOLLOW_NONE && *s->life && follow_complete(s->follow)) {
        verdict = follow_best(s->follow, "", s->current, best);
        if (verdict == FOLLOW_ONE &&
            console_state_is(link_state((*best)->link), "frozen")) {
            return FOLLOW_NONE;
        }
    }
    return verdict;
}

/* What follows from what the hosts say now */
static void session_look(Session *s)
{
    Host *best;
    FollowVerdict verdict;
    bool active;

    session_check_current(s);
    if (s->ended) {
        return;
    }
    verdict = session_choose(s, &best);
    session_set_two(s, verdict == FOLLOW_TWO);
    if (verdict == FOLLOW_ONE && best != s->current &&
        (follow_complete(s->follow) || *s->life)) {
        session_attach(s, best);
    }
    active = session_state(s) && console_state_is(session_state(s), "active");
    session_set_waiting(s, !active);
    if (s->two) {
        return;
    }
    if (active && follow_complete(s->follow)) {
        follow_settle(s->follow, s->current);
    } else if (!active && !s->options.stay) {
        follow_search(s->follow);
    }
    if (!*s->life && !s->options.wait && follow_hopeless(s->follow)) {
        g_autofree char *text = follow_text(s->follow);

        session_end(s, text);
    }
}

static void session_notice(Session *s)
{
    const ConsoleState *state = session_state(s);
    g_autofree char *text = NULL;

    if (!console_state_lives(state, s->life)) {
        session_new_life(s, state);
        session_start(s);
        if (s->keyboard.wants) {
            keyboard_attach(&s->keyboard, s->current->link);
        }
    }
    session_protection(s);
    if (state->event && !g_str_equal(state->event, "changed")) {
        text = g_strdup_printf("%s%s%s", state->event,
                               state->reason ? ": " : "",
                               state->reason ?: "");
        session_tell(s, SESSION_NOTICE, text);
    }
    keyboard_notice(&s->keyboard);
}

static void on_changed(Host *host, void *opaque)
{
    Session *s = opaque;
    Host *was = s->current;

    if (s->ended) {
        return;
    }
    session_look(s);
    if (!s->ended && host && host == was && was == s->current) {
        session_notice(s);
    }
    if (!s->ended && s->client->changed) {
        s->client->changed(s->opaque);
    }
}

static void session_output(Session *s, const ShadowWireFrame *frame)
{
    uint64_t position = frame->position, skip = 0;

    if (!s->counted) {
        s->counted = true;
        s->next = position;
    }
    if (position > s->next) {
        g_autofree char *text = g_strdup_printf(
            "%" PRIu64 " bytes, from %" PRIu64 " on", position - s->next,
            s->next);

        s->lost += position - s->next;
        s->next = position;
        session_tell(s, SESSION_LOST, text);
    }
    skip = MIN(s->next - position, frame->len);
    s->dropped += skip;
    if (skip < frame->len) {
        s->next = position + frame->len;
        s->client->output(position + skip, frame->payload + skip,
                          frame->len - skip, s->opaque);
    }
    if (session_is_over(s)) {
        session_end(s, "moved to another host");
    }
}

static void on_frame(Host *host, const ShadowWireFrame *frame, void *opaque)
{
    Session *s = opaque;

    if (host != s->current || s->ended) {
        return;                 /* of one that was followed before */
    }
    if (frame->type == SHADOW_WIRE_OUTPUT) {
        session_output(s, frame);
        return;
    }
    if (!keyboard_frame(&s->keyboard, frame)) {
        follow_fail(host, "its counts of what was typed cannot be");
        return;
    }
    if (s->client->changed) {
        s->client->changed(s->opaque);
    }
}

static void on_sent(Host *host, void *opaque)
{
    Session *s = opaque;

    if (host == s->current) {
        keyboard_pump(&s->keyboard);
    }
}

static const FollowHandler session_follow = {
    .changed = on_changed,
    .frame = on_frame,
    .sent = on_sent,
};

static void on_keyboard(KeyboardNews news, const char *text, void *opaque)
{
    static const SessionNews names[] = {
        [KEYBOARD_OURS] = SESSION_KEYBOARD,
        [KEYBOARD_NOT_OURS] = SESSION_NO_KEYBOARD,
        [KEYBOARD_REFUSED] = SESSION_REFUSED,
        [KEYBOARD_UNSENT] = SESSION_UNSENT,
    };

    session_tell(opaque, names[news], text);
}

void session_init(Session *s, const SessionOptions *options,
                  const SessionClient *client, void *opaque)
{
    *s = (Session) { .options = *options, .client = client,
                     .opaque = opaque };
    keyboard_init(&s->keyboard, options->user, options->keyboard, on_keyboard,
                  s);
    s->keyboard.force = options->force;
    s->keyboard.typed.accepted = client->typed;
    s->keyboard.typed.opaque = opaque;
    s->follow = follow_new(options->hosts, options->console, options->user,
                           options->patience, &session_follow, s);
    follow_search(s->follow);
}

void session_free(Session *s)
{
    g_clear_handle_id(&s->two_timer, g_source_remove);
    follow_free(s->follow);
    keyboard_free(&s->keyboard);
    g_free(s->protection);
}
