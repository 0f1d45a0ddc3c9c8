/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to a session, for programs.
 */
#include <errno.h>
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "args.h"
#include "events.h"

static FILE *events_file;

void events_open(const char *path)
{
    if (path) {
        events_file = fopen(path, "ae");
        if (!events_file) {
            args_fail(EXIT_FAILED, "%s: %s", path, g_strerror(errno));
        }
    }
}

static void add_text(JsonBuilder *b, const char *name, const char *text)
{
    json_builder_set_member_name(b, name);
    json_builder_add_string_value(b, text);
}

static void add_int(JsonBuilder *b, const char *name, int64_t value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_int_value(b, value);
}

void events_write(const Session *s, const char *event, const char *text)
{
    g_autoptr(JsonBuilder) b = json_builder_new();
    const ConsoleState *state = session_state(s);
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *line = NULL;

    if (!events_file) {
        return;
    }
    json_builder_begin_object(b);
    add_int(b, "time-us", g_get_real_time());
    add_text(b, "event", event);
    add_text(b, "text", text);
    add_text(b, "life", s->life);
    add_text(b, "host", s->current ? follow_name(s->current) : "");
    add_text(b, "state", state ? state->state : "");
    add_int(b, "epoch", state ? state->epoch : 0);
    add_int(b, "output", s->next);
    add_int(b, "output-dropped", s->dropped);
    add_int(b, "output-lost", s->lost);
    add_int(b, "input-accepted", s->keyboard.typed.base);
    add_int(b, "input-waiting", typed_waiting(&s->keyboard.typed));
    add_int(b, "lease", s->keyboard.lease);
    json_builder_end_object(b);
    root = json_builder_get_root(b);
    line = json_to_string(root, false);
    fprintf(events_file, "%s\n", line);
    fflush(events_file);
}
