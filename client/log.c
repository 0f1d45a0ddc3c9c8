/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log: what the console has written, as far as it is held.
 */
#include <stdio.h>

#include "args.h"
#include "terminal.h"

typedef struct Log {
    Session session;
    GMainLoop *loop;
    uint64_t end;
    int status;
} Log;

static void log_leave(Log *l, int status)
{
    l->status = status;
    g_main_loop_quit(l->loop);
}

static void log_begin(uint64_t end, void *opaque)
{
    Log *l = opaque;
    const ConsoleState *state = session_state(&l->session);

    l->end = end;
    if (end == state->output_start && !state->first) {
        log_leave(l, EXIT_GOOD);
    }
    if (l->session.counted && l->session.next >= end) {
        log_leave(l, EXIT_GOOD);
    }
}

static void log_output(uint64_t position, const uint8_t *data, size_t len,
                       void *opaque)
{
    Log *l = opaque;
    size_t wanted = position < l->end ? MIN(len, l->end - position) : 0;

    if (!terminal_write(data, wanted)) {
        log_leave(l, EXIT_FAILED);
    } else if (position + len >= l->end) {
        log_leave(l, EXIT_GOOD);
    }
}

static void log_tell(SessionNews news, const char *text, void *opaque)
{
    Log *l = opaque;

    if (news == SESSION_LOST) {
        fprintf(stderr, "shadow-console: not held any more: %s\n", text);
    } else if (news == SESSION_TWO) {
        fprintf(stderr, "shadow-console: two hosts say that they have this "
                "console: %s\n", text);
        log_leave(l, EXIT_FAILED);
    } else if (news == SESSION_ENDED) {
        fprintf(stderr, "shadow-console: %s\n", text);
        log_leave(l, EXIT_FAILED);
    }
}

static const SessionClient log_client = {
    .begin = log_begin,
    .output = log_output,
    .tell = log_tell,
};

int log_command(Args *args)
{
    Log l = { .loop = g_main_loop_new(NULL, false) };
    SessionOptions options;

    args_session(args, &options, SHADOW_WIRE_FROM_OLDEST);
    options.keyboard = false;
    session_init(&l.session, &options, &log_client, &l);
    g_main_loop_run(l.loop);
    session_free(&l.session);
    return l.status;
}
