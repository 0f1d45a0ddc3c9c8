/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session in words, for a person who asks.
 */
#include "session.h"

char *session_text(const Session *s)
{
    const ConsoleState *state = session_state(s);
    size_t waiting = typed_waiting(&s->keyboard.typed);
    GString *text = g_string_new("");

    if (state) {
        g_string_append_printf(text, "%s/%s at %s: %s, %s", state->guest,
                               state->device, follow_name(s->current),
                               state->state, state->protection);
    } else {
        g_autofree char *hosts = follow_text(s->follow);

        g_string_append_printf(text, "waiting (%s)", hosts);
    }
    if (s->two) {
        g_string_append(text, "; TWO HOSTS HAVE IT, nothing is typed");
    }
    g_string_append(text, s->keyboard.lease ? "; keyboard: yours" : "");
    if (waiting) {
        g_string_append_printf(text, "; %zu typed wait", waiting);
    }
    return g_string_free(text, false);
}

char *session_who(const Session *s)
{
    const ConsoleState *state = session_state(s);
    g_autofree char *line = session_text(s);
    GString *text = g_string_new(line);

    if (!state) {
        return g_string_free(text, false);
    }
    for (unsigned i = 0; i < state->clients->len; i++) {
        ConsoleWho *who = g_ptr_array_index(state->clients, i);
        g_autofree char *name = console_who_text(who);

        g_string_append_printf(text, "\n  %s, %s%s%s", name, who->role,
                               state->writer && state->writer->client ==
                               who->client ? ", has the keyboard" : "",
                               who->client == state->client ? " (you)" : "");
    }
    if (state->clients_total > state->clients->len) {
        g_string_append_printf(text, "\n  and %" PRId64 " more",
                               state->clients_total - state->clients->len);
    }
    return g_string_free(text, false);
}

const char *session_news_name(SessionNews news)
{
    static const char *const names[] = {
        [SESSION_ATTACHED] = "attached", [SESSION_WAITING] = "waiting",
        [SESSION_GOING] = "going", [SESSION_KEYBOARD] = "keyboard",
        [SESSION_NO_KEYBOARD] = "no-keyboard", [SESSION_REFUSED] = "refused",
        [SESSION_UNSENT] = "unsent", [SESSION_NEW_LIFE] = "new-life",
        [SESSION_TWO] = "two-hosts", [SESSION_PROTECTION] = "protection",
        [SESSION_NOTICE] = "notice", [SESSION_LOST] = "lost",
        [SESSION_ENDED] = "ended",
    };

    return names[news];
}
