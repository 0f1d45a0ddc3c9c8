/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run: a program at the console.  What it has to wait for and to type is done
 * step by step; without --send its standard input is typed.
 */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "events.h"
#include "terminal.h"

#define SEEN_MAX 65536          /* bytes that are searched for a text */

typedef struct Run {
    Session session;
    Args *args;
    GMainLoop *loop;
    GString *seen;              /* after the last text that was found */
    unsigned step;
    guint input;                /* source */
    bool piped, input_ended;
    int status;
} Run;

static gboolean on_input(int fd, GIOCondition condition, void *opaque);

static void run_leave(Run *r, int status, const char *why)
{
    if (why) {
        terminal_say(why);
    }
    r->status = status;
    g_main_loop_quit(r->loop);
}

/* The text of the step, of which the letter is @kind; or NULL */
static const char *run_step(const Run *r, char kind)
{
    const char *step = r->step < r->args->steps->len ?
                       g_ptr_array_index(r->args->steps, r->step) : NULL;

    return step && *step == kind ? step + 1 : NULL;
}

static bool run_found(Run *r, const char *text)
{
    const char *at = memmem(r->seen->str, r->seen->len, text, strlen(text));

    if (!at) {
        return false;
    }
    g_string_erase(r->seen, 0, at + strlen(text) - r->seen->str);
    return true;
}

/* Do all steps that can be done now. */
static void run_go_on(Run *r)
{
    Keyboard *k = &r->session.keyboard;
    const char *text;

    while (r->step < r->args->steps->len) {
        text = run_step(r, 'e');
        if (text && !run_found(r, text)) {
            return;
        }
        text = run_step(r, 's');
        if (text) {
            if (strlen(text) > typed_room(&k->typed)) {
                return;
            }
            keyboard_type(k, (const uint8_t *)text, strlen(text));
        }
        r->step++;
    }
    /* All is found and typed; and accepted? */
    if (!typed_waiting(&k->typed) && (r->input_ended || !r->piped ||
                                      r->args->steps->len)) {
        run_leave(r, EXIT_GOOD, NULL);
    }
}

static void run_begin(uint64_t end, void *opaque)
{
}

static void run_output(uint64_t position, const uint8_t *data, size_t len,
                       void *opaque)
{
    Run *r = opaque;

    if (!terminal_write(data, len)) {
        run_leave(r, EXIT_FAILED, NULL);
        return;
    }
    g_string_append_len(r->seen, (const char *)data, len);
    run_go_on(r);
    if (r->seen->len > SEEN_MAX) {
        g_string_erase(r->seen, 0, r->seen->len - SEEN_MAX / 2);
    }
}

static void run_tell(SessionNews news, const char *text, void *opaque)
{
    Run *r = opaque;

    events_write(&r->session, session_news_name(news), text);
    switch (news) {
    case SESSION_NO_KEYBOARD:
    case SESSION_REFUSED:
    case SESSION_TWO:
    case SESSION_UNSENT:
    case SESSION_ENDED:
        /* A program has nobody to ask. */
        run_leave(r, EXIT_FAILED, *text ? text : session_news_name(news));
        break;
    default:
        break;
    }
}

static void run_changed(void *opaque)
{
    Run *r = opaque;

    if (!r->input && r->piped && !r->input_ended &&
        typed_room(&r->session.keyboard.typed)) {
        r->input = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_input,
                                 r);
    }
    run_go_on(r);
}

static const SessionClient run_client = {
    .begin = run_begin,
    .output = run_output,
    .tell = run_tell,
    .changed = run_changed,
};

static gboolean on_input(int fd, GIOCondition condition, void *opaque)
{
    Run *r = opaque;
    uint8_t data[4096];
    size_t room = typed_room(&r->session.keyboard.typed);
    ssize_t n = room ? read(fd, data, MIN(sizeof(data), room)) : 0;

    if (n > 0) {
        keyboard_type(&r->session.keyboard, data, n);
        return G_SOURCE_CONTINUE;
    }
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return G_SOURCE_CONTINUE;
    }
    r->input = 0;
    if (room) {
        r->input_ended = true;
        run_go_on(r);
    }
    return G_SOURCE_REMOVE;
}

static gboolean on_timeout(void *opaque)
{
    Run *r = opaque;
    g_autofree char *text = session_text(&r->session);
    g_autofree char *why = g_strdup_printf("no %s in time: %s",
                                           run_step(r, 'e') ?: "end", text);

    run_leave(r, EXIT_TIMEOUT, why);
    return G_SOURCE_REMOVE;
}

static bool run_sends(const Args *args)
{
    for (unsigned i = 0; i < args->steps->len; i++) {
        if (*(char *)g_ptr_array_index(args->steps, i) == 's') {
            return true;
        }
    }
    return false;
}

int run_command(Args *args)
{
    Run r = { .args = args, .loop = g_main_loop_new(NULL, false),
              .seen = g_string_new("") };
    SessionOptions options;
    bool sends = run_sends(args);

    args_session(args, &options, SHADOW_WIRE_FROM_END);
    r.piped = !sends && !isatty(STDIN_FILENO) && !args->read_only;
    options.keyboard = sends || r.piped;
    events_open(args->events);
    session_init(&r.session, &options, &run_client, &r);
    if (args->timeout) {
        g_timeout_add_seconds(args->timeout, on_timeout, &r);
    }
    if (r.piped) {
        r.input = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_input,
                                &r);
    }
    g_main_loop_run(r.loop);
    session_free(&r.session);
    return r.status;
}
