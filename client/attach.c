/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach and watch: a person at the console.
 *
 * The guest's output goes to the user's terminal as it is, as with any serial
 * line.  At first, and when asked, the screen is painted from what is held.
 */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cast.h"
#include "escape.h"
#include "events.h"
#include "recorder.h"
#include "screen.h"
#include "terminal.h"

#define EXPOSED_AFTER 3000      /* ms: one that starts is protected by then */

typedef struct Attach {
    Session session;
    Args *args;
    GMainLoop *loop;
    Screen *screen;             /* until it is painted */
    uint64_t paint_at;          /* this position */
    Recorder *recorder;         /* or NULL */
    guint keys, exposed;        /* sources */
    bool raw_output;            /* no terminal: all as it comes */
    bool told_waiting, told_keyboard, ended_input, again;
    bool escaped;               /* the escape key was the last */
    int status;
    char *title;
} Attach;

static gboolean on_keys(int fd, GIOCondition condition, void *opaque);

static void attach_leave(Attach *a, int status)
{
    a->status = status;
    g_main_loop_quit(a->loop);
}

static void attach_write(Attach *a, const void *data, size_t len)
{
    if (!terminal_write(data, len)) {
        attach_leave(a, EXIT_FAILED);
    }
}

static void attach_paint(Attach *a)
{
    GString *frame = screen_paint(a->screen);

    attach_write(a, frame->str, frame->len);
    g_string_free(frame, true);
    g_clear_pointer(&a->screen, screen_free);
}

/* A session that is to be recorded and cannot be does not go on. */
static void attach_recorded(Attach *a, bool good, GError **err)
{
    if (!good) {
        terminal_say((*err)->message);
        g_clear_error(err);
        g_clear_pointer(&a->recorder, recorder_free);
        attach_leave(a, EXIT_FAILED);
    }
}

static void attach_begin(uint64_t end, void *opaque)
{
    Attach *a = opaque;
    const ConsoleState *state = session_state(&a->session);
    GError *err = NULL;
    int rows, cols;

    if (a->recorder) {
        attach_recorded(a, recorder_begin(a->recorder, &a->session, end, &err),
                        &err);
    }
    g_clear_pointer(&a->screen, screen_free);
    if (a->raw_output || (end == state->output_start && !a->again)) {
        return;
    }
    terminal_size(&rows, &cols);
    a->screen = screen_new(rows, cols);
    a->paint_at = end;
    if (end == state->output_start) {
        attach_paint(a);
    }
    a->again = true;
}

static void attach_output(uint64_t position, const uint8_t *data, size_t len,
                          void *opaque)
{
    Attach *a = opaque;
    GError *err = NULL;
    size_t held = 0;

    if (a->recorder) {
        attach_recorded(a, recorder_output(a->recorder, &a->session, position,
                                           data, len, &err), &err);
    }
    if (a->screen) {
        held = position < a->paint_at ? MIN(len, a->paint_at - position) : 0;
        screen_write(a->screen, data, held);
        if (position + len >= a->paint_at) {
            attach_paint(a);
        }
    }
    if (held < len) {
        attach_write(a, data + held, len - held);
    }
}

static void attach_typed(uint64_t position, const uint8_t *data, size_t len,
                         void *opaque)
{
    Attach *a = opaque;
    GError *err = NULL;

    if (a->recorder) {
        attach_recorded(a, recorder_typed(a->recorder, position, data, len,
                                          &err), &err);
    }
}

static gboolean on_mark(void *opaque)
{
    Attach *a = opaque;
    GError *err = NULL;

    if (a->recorder) {
        attach_recorded(a, recorder_mark(a->recorder, &err), &err);
    }
    return G_SOURCE_CONTINUE;
}

static void attach_record(Attach *a)
{
    if (a->args->record_to) {
        a->recorder = recorder_new(a->args->record_to, a->args);
        g_timeout_add_seconds(CAST_MARK_SECONDS, on_mark, a);
    }
}

static void attach_end_record(Attach *a)
{
    GError *err = NULL;

    if (a->recorder) {
        attach_recorded(a, recorder_end(a->recorder, &err), &err);
        recorder_free(a->recorder);
    }
}

static void attach_title(Attach *a)
{
    g_autofree char *title = session_text(&a->session);

    if (!a->args->no_title && g_strcmp0(title, a->title)) {
        g_free(a->title);
        a->title = g_steal_pointer(&title);
        terminal_title(a->title);
    }
}

static void attach_say(const char *format, const char *text)
{
    g_autofree char *line = g_strdup_printf(format, text);

    terminal_say(line);
}

static gboolean on_exposed(void *opaque)
{
    Attach *a = opaque;

    a->exposed = 0;
    attach_say("not protected from the cloud VM: %s", "none");
    return G_SOURCE_REMOVE;
}

static void attach_protection(Attach *a, const char *protection)
{
    g_clear_handle_id(&a->exposed, g_source_remove);
    if (g_str_equal(protection, "broken")) {
        attach_say("not protected from the cloud VM: %s", protection);
    } else if (g_str_has_prefix(protection, "private")) {
        attach_say("the guest's memory is %s", protection);
    } else if (g_str_equal(protection, "none")) {
        a->exposed = g_timeout_add(EXPOSED_AFTER, on_exposed, a);
    }
}

static void attach_tell_waiting(Attach *a)
{
    if (a->session.waiting && !a->told_waiting &&
        typed_waiting(&a->session.keyboard.typed)) {
        a->told_waiting = true;
        terminal_say("the guest does not run here now; what you type waits");
    }
}

/* Whatever the user has to know is said once, where the screen is. */
static void attach_news(Attach *a, SessionNews news, const char *text)
{
    switch (news) {
    case SESSION_NO_KEYBOARD:
        attach_say("you do not have the keyboard: %s (Ctrl-] t takes it over)",
                   text);
        break;
    case SESSION_REFUSED:
        attach_say("refused: %s", text);
        break;
    case SESSION_UNSENT:
        attach_say("typed and not sent: %s", text);
        break;
    case SESSION_NEW_LIFE:
        attach_say("the console is not the same any more, its counts begin "
                   "anew (%s)", text);
        break;
    case SESSION_TWO:
        attach_say("two hosts say that they have this console, nothing is "
                   "typed: %s", text);
        break;
    case SESSION_PROTECTION:
        attach_protection(a, text);
        break;
    case SESSION_LOST:
        attach_say("output was overwritten before it was read: %s", text);
        break;
    case SESSION_WAITING:
        attach_tell_waiting(a);
        break;
    case SESSION_GOING:
        a->told_waiting = false;
        break;
    case SESSION_KEYBOARD:
        a->told_keyboard = false;
        break;
    default:
        break;
    }
}

static void attach_tell(SessionNews news, const char *text, void *opaque)
{
    Attach *a = opaque;

    events_write(&a->session, session_news_name(news), text);
    if (news == SESSION_ENDED) {
        attach_say("%s", text);
        attach_leave(a, *a->session.life ? EXIT_GOOD : EXIT_FAILED);
        return;
    }
    attach_news(a, news, text);
    attach_title(a);
}

/* From a pipe all was typed that there is. */
static void attach_check_end(Attach *a)
{
    if (a->ended_input && *a->session.life && !a->args->read_only &&
        !typed_waiting(&a->session.keyboard.typed)) {
        attach_leave(a, EXIT_GOOD);
    }
}

static void attach_changed(void *opaque)
{
    Attach *a = opaque;

    attach_title(a);
    if (!a->keys && typed_room(&a->session.keyboard.typed) && !a->ended_input) {
        a->keys = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_keys, a);
    }
    attach_check_end(a);
}

static const SessionClient attach_client = {
    .begin = attach_begin,
    .output = attach_output,
    .tell = attach_tell,
    .typed = attach_typed,
    .changed = attach_changed,
};

static void attach_type(Attach *a, const uint8_t *keys, size_t len)
{
    Keyboard *k = &a->session.keyboard;
    const ConsoleState *state = session_state(&a->session);

    if (!len) {
        return;
    }
    if (!keyboard_may_type(k) && state && !state->writer &&
        !a->args->read_only) {
        keyboard_take(k, false);        /* who had it has gone */
    }
    if (!keyboard_may_type(k)) {
        if (!a->told_keyboard) {
            a->told_keyboard = true;
            terminal_say("this was not typed: you do not have the keyboard "
                         "(Ctrl-] t takes it over)");
        }
        return;
    }
    keyboard_type(k, keys, len);
    attach_tell_waiting(a);
}

static void attach_escape(Attach *a, uint8_t key)
{
    switch (escape_do(&a->session, key, a->args)) {
    case ESCAPE_LEAVE:
        attach_leave(a, EXIT_GOOD);
        break;
    case ESCAPE_ITSELF:
        attach_type(a, &key, 1);
        break;
    case ESCAPE_DONE:
        attach_title(a);
    }
}

/* The escape key is one while there is a terminal; else all is typed. */
static void attach_keys(Attach *a, const uint8_t *keys, size_t len)
{
    size_t from = 0;

    if (!terminal_is_raw()) {
        attach_type(a, keys, len);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (a->escaped) {
            a->escaped = false;
            from = i + 1;
            attach_escape(a, keys[i]);
        } else if (keys[i] == ESCAPE_KEY) {
            attach_type(a, keys + from, i - from);
            from = i + 1;
            a->escaped = true;
        }
    }
    if (!a->escaped) {
        attach_type(a, keys + from, len - from);
    }
}

static gboolean on_keys(int fd, GIOCondition condition, void *opaque)
{
    Attach *a = opaque;
    uint8_t keys[4096];
    size_t room = typed_room(&a->session.keyboard.typed);
    ssize_t n;

    if (!room) {
        a->keys = 0;            /* until some was accepted */
        return G_SOURCE_REMOVE;
    }
    n = read(fd, keys, MIN(sizeof(keys), room));
    if (n > 0) {
        attach_keys(a, keys, n);
        attach_title(a);
        return G_SOURCE_CONTINUE;
    }
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return G_SOURCE_CONTINUE;
    }
    a->keys = 0;
    a->ended_input = true;
    if (terminal_is_raw()) {
        attach_leave(a, EXIT_GOOD);
    }
    attach_check_end(a);
    return G_SOURCE_REMOVE;
}

static gboolean on_signal(void *opaque)
{
    attach_leave(opaque, EXIT_FAILED);
    return G_SOURCE_CONTINUE;
}

int attach_command(Args *args)
{
    Attach a = { .args = args, .loop = g_main_loop_new(NULL, false) };
    SessionOptions options;

    args_session(args, &options, SHADOW_WIRE_FROM_OLDEST);
    a.raw_output = !isatty(STDOUT_FILENO);
    if (a.raw_output && !args->from && args->last < 0) {
        options.mode = SHADOW_WIRE_FROM_END;
    }
    events_open(args->events);
    terminal_raw();
    g_unix_signal_add(SIGTERM, on_signal, &a);
    g_unix_signal_add(SIGHUP, on_signal, &a);
    g_unix_signal_add(SIGINT, on_signal, &a);
    attach_record(&a);
    session_init(&a.session, &options, &attach_client, &a);
    a.keys = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_keys, &a);
    g_main_loop_run(a.loop);
    if (a.screen) {
        attach_paint(&a);
    }
    attach_end_record(&a);
    events_write(&a.session, "left", "");
    terminal_title("");
    terminal_restore();
    session_free(&a.session);
    return a.status;
}

int watch_command(Args *args)
{
    args->read_only = args->watch = true;
    return attach_command(args);
}
