/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session as it is recorded.
 */
#include "cast.h"
#include "recorder.h"
#include "terminal.h"

/* What was accepted before the first output came; a break has no data. */
typedef struct Early {
    uint64_t position;
    GBytes *data;               /* or NULL */
} Early;

struct Recorder {
    char *path;
    const Args *args;
    Cast *cast;                 /* or NULL, before the first life */
    char life[CONSOLE_LIFE_LEN + 1];
    bool begun;                 /* this life */
    uint64_t next, end;         /* positions: of what comes, of what was held */
    GArray *early;
};

static void early_clear(void *opaque)
{
    Early *e = opaque;

    g_clear_pointer(&e->data, g_bytes_unref);
}

Recorder *recorder_new(const char *path, const Args *args)
{
    Recorder *r = g_new0(Recorder, 1);

    r->path = g_strdup(path);
    r->args = args;
    r->early = g_array_new(false, false, sizeof(Early));
    g_array_set_clear_func(r->early, early_clear);
    return r;
}

void recorder_free(Recorder *r)
{
    if (r) {
        cast_close(r->cast);
        g_array_unref(r->early);
        g_free(r->path);
        g_free(r);
    }
}

static bool recorder_keep(Recorder *r, uint64_t position, const uint8_t *data,
                          size_t len, GError **errp)
{
    return data ? cast_typed(r->cast, position, data, len, errp) :
                  cast_break(r->cast, position, errp);
}

/* This life, with output from @position on */
static bool recorder_start(Recorder *r, uint64_t position, GError **errp)
{
    bool good = cast_begin(r->cast, r->life, position, errp);

    r->begun = true;
    r->next = position;
    for (unsigned i = 0; good && i < r->early->len; i++) {
        Early *e = &g_array_index(r->early, Early, i);
        size_t len = 0;
        const uint8_t *data = e->data ? g_bytes_get_data(e->data, &len) : NULL;

        good = recorder_keep(r, e->position, data, len, errp);
    }
    g_array_set_size(r->early, 0);
    return good;
}

bool recorder_begin(Recorder *r, const Session *s, uint64_t end, GError **errp)
{
    const ConsoleState *state = session_state(s);
    int rows, cols;

    if (!r->cast) {
        terminal_size(&rows, &cols);
        r->cast = cast_create(r->path, r->args->key, state, rows, cols,
                              r->args->input, errp);
        if (!r->cast) {
            return false;
        }
    } else if (g_str_equal(r->life, s->life)) {
        return true;            /* the screen is drawn again */
    }
    if (!recorder_end(r, errp)) {
        return false;
    }
    g_strlcpy(r->life, s->life, sizeof(r->life));
    r->end = end;
    if (s->counted || end == state->output_start) {
        return recorder_start(r, s->counted ? s->next : end, errp);
    }
    return true;
}

bool recorder_output(Recorder *r, const Session *s, uint64_t position,
                     const uint8_t *data, size_t len, GError **errp)
{
    size_t known;

    if (!r->begun && !recorder_start(r, position, errp)) {
        return false;
    }
    if (position > r->next &&
        !cast_lost(r->cast, position - r->next, errp)) {
        return false;
    }
    known = position < r->next ? MIN(len, r->next - position) : 0;
    r->next = MAX(r->next, position + len);
    return known == len || cast_output(r->cast, data + known, len - known,
                                       errp);
}

bool recorder_typed(Recorder *r, uint64_t position, const uint8_t *data,
                    size_t len, GError **errp)
{
    Early early = { .position = position };

    if (!r->args->input) {
        return true;
    }
    if (r->begun) {
        return recorder_keep(r, position, data, len, errp);
    }
    early.data = data ? g_bytes_new(data, len) : NULL;
    g_array_append_val(r->early, early);
    return true;
}

bool recorder_mark(Recorder *r, GError **errp)
{
    return !r->begun || cast_mark(r->cast, false, errp);
}

bool recorder_end(Recorder *r, GError **errp)
{
    if (!*r->life) {
        return true;
    }
    if (!r->begun && !recorder_start(r, r->end, errp)) {
        return false;
    }
    r->begun = false;
    return cast_mark(r->cast, true, errp);
}
