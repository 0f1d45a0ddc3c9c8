/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record: a reader that keeps what the console writes.  What is typed it does
 * not see.
 */
#include <glib-unix.h>
#include <stdio.h>

#include "args.h"
#include "cast.h"
#include "events.h"
#include "recorder.h"
#include "verify.h"

typedef struct Record {
    Session session;
    Args *args;
    GMainLoop *loop;
    Recorder *recorder;         /* or NULL: it has failed */
    int status;
} Record;

static void record_leave(Record *r, int status)
{
    r->status = status;
    g_main_loop_quit(r->loop);
}

static void record_check(Record *r, bool good, GError **err)
{
    if (!good) {
        fprintf(stderr, "shadow-console: %s\n", (*err)->message);
        g_clear_error(err);
        g_clear_pointer(&r->recorder, recorder_free);
        record_leave(r, EXIT_FAILED);
    }
}

static void record_begin(uint64_t end, void *opaque)
{
    Record *r = opaque;
    GError *err = NULL;

    if (r->recorder) {
        record_check(r, recorder_begin(r->recorder, &r->session, end, &err),
                     &err);
    }
}

static void record_output(uint64_t position, const uint8_t *data, size_t len,
                          void *opaque)
{
    Record *r = opaque;
    GError *err = NULL;

    if (r->recorder) {
        record_check(r, recorder_output(r->recorder, &r->session, position,
                                        data, len, &err), &err);
    }
}

static void record_tell(SessionNews news, const char *text, void *opaque)
{
    Record *r = opaque;

    events_write(&r->session, session_news_name(news), text);
    if (news == SESSION_LOST || news == SESSION_TWO ||
        news == SESSION_NEW_LIFE || news == SESSION_ENDED) {
        fprintf(stderr, "shadow-console: %s: %s\n", session_news_name(news),
                text);
    }
    if (news == SESSION_ENDED) {
        record_leave(r, *r->session.life ? EXIT_GOOD : EXIT_FAILED);
    }
}

static const SessionClient record_client = {
    .begin = record_begin,
    .output = record_output,
    .tell = record_tell,
};

static gboolean on_mark(void *opaque)
{
    Record *r = opaque;
    GError *err = NULL;

    if (r->recorder) {
        record_check(r, recorder_mark(r->recorder, &err), &err);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_signal(void *opaque)
{
    record_leave(opaque, EXIT_GOOD);
    return G_SOURCE_CONTINUE;
}

int record_command(Args *args)
{
    Record r = { .args = args, .loop = g_main_loop_new(NULL, false) };
    SessionOptions options;
    CastEnds ends = { 0 };
    GError *err = NULL;

    args_session(args, &options, SHADOW_WIRE_FROM_OLDEST);
    options.keyboard = false;
    r.recorder = recorder_new(args->rest[1], args);
    if (args->after) {
        if (!verify_ends(args->after, &ends)) {
            args_fail(EXIT_FAILED, "%s: has no end", args->after);
        }
        options.mode = SHADOW_WIRE_FROM_POSITION;
        options.count = ends.last;
        options.life = ends.last_life;
    }
    events_open(args->events);
    g_unix_signal_add(SIGTERM, on_signal, &r);
    g_unix_signal_add(SIGINT, on_signal, &r);
    g_unix_signal_add(SIGHUP, on_signal, &r);
    g_timeout_add_seconds(CAST_MARK_SECONDS, on_mark, &r);
    session_init(&r.session, &options, &record_client, &r);
    g_main_loop_run(r.loop);
    if (r.recorder) {
        record_check(&r, recorder_end(r.recorder, &err), &err);
    }
    events_write(&r.session, "left", "");
    recorder_free(r.recorder);
    session_free(&r.session);
    return r.status;
}
