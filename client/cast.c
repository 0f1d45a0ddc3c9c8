/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording as it is written.
 *
 * An event "o" is a text, but a guest writes bytes: those that are no UTF-8
 * (and NUL) are in events "b" of our own, in hex, which players pass over.
 * So are those that are typed, in events "i" and "k".
 */
#include <fcntl.h>
#include <errno.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cast.h"
#include "sign.h"

/* Bytes of one direction */
typedef struct Stream {
    const char *text, *bytes;   /* codes */
    uint64_t position;          /* after what is in the file */
    GByteArray *tail;           /* the start of a character */
} Stream;

struct Cast {
    FILE *file;
    char *key;
    GChecksum *sum;             /* of what the next mark is about */
    gint64 started;             /* us */
    char life[CONSOLE_LIFE_LEN + 1];
    Stream out, in;
    bool typed;                 /* in this life: the position is known */
    bool unmarked;              /* something has come since the last mark */
    uint64_t marked;            /* position of the last mark */
};

static bool cast_line(Cast *c, const char *line, GError **errp)
{
    g_checksum_update(c->sum, (const uint8_t *)line, strlen(line));
    g_checksum_update(c->sum, (const uint8_t *)"\n", 1);
    if (fprintf(c->file, "%s\n", line) < 0 || fflush(c->file)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "the recording cannot be written: %s", g_strerror(errno));
        return false;
    }
    return true;
}

static char *cast_event_line(Cast *c, const char *code, const char *text)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);
    JsonArray *array = json_array_new();
    g_autofree char *line = NULL;
    g_auto(GStrv) parts = NULL;

    json_array_add_double_element(array, (g_get_monotonic_time() - c->started)
                                  / 1e6);
    json_array_add_string_element(array, code);
    json_array_add_string_element(array, text);
    json_node_take_array(root, array);
    line = json_to_string(root, false);
    /* the one control character that json-glib 1.6 does not escape */
    parts = g_strsplit(line, "\037", -1);
    return g_strjoinv("\\u001f", parts);
}

static bool cast_event(Cast *c, const char *code, const char *text,
                       GError **errp)
{
    g_autofree char *line = cast_event_line(c, code, text);

    return cast_line(c, line, errp);
}

static char *cast_header(const ConsoleState *s, int rows, int cols,
                         bool input)
{
    g_autoptr(JsonBuilder) b = json_builder_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *title = g_strdup_printf("%s/%s", s->guest, s->device);

    json_builder_begin_object(b);
    json_builder_set_member_name(b, "version");
    json_builder_add_int_value(b, 2);
    json_builder_set_member_name(b, "width");
    json_builder_add_int_value(b, cols);
    json_builder_set_member_name(b, "height");
    json_builder_add_int_value(b, rows);
    json_builder_set_member_name(b, "timestamp");
    json_builder_add_int_value(b, g_get_real_time() / G_USEC_PER_SEC);
    json_builder_set_member_name(b, "title");
    json_builder_add_string_value(b, title);
    json_builder_set_member_name(b, "host");
    json_builder_add_string_value(b, s->host ?: "");
    json_builder_set_member_name(b, "input");
    json_builder_add_boolean_value(b, input);
    json_builder_end_object(b);
    root = json_builder_get_root(b);
    return json_to_string(root, false);
}

Cast *cast_create(const char *path, const char *key, const ConsoleState *s,
                  int rows, int cols, bool input, GError **errp)
{
    static const uint8_t none[CAST_DIGEST_LEN];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_autofree char *header = cast_header(s, rows, cols, input);
    Cast *c;

    if (fd < 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", path,
                    g_strerror(errno));
        return NULL;
    }
    c = g_new0(Cast, 1);
    c->file = fdopen(fd, "w");
    c->key = g_strdup(key);
    c->sum = g_checksum_new(G_CHECKSUM_SHA256);
    c->started = g_get_monotonic_time();
    c->out = (Stream) { "o", "b", 0, g_byte_array_new() };
    c->in = (Stream) { "i", "k", 0, g_byte_array_new() };
    g_checksum_update(c->sum, none, sizeof(none));
    if (!cast_line(c, header, errp)) {
        cast_close(c);
        return NULL;
    }
    return c;
}

void cast_close(Cast *c)
{
    if (c) {
        fclose(c->file);
        g_checksum_free(c->sum);
        g_byte_array_unref(c->out.tail);
        g_byte_array_unref(c->in.tail);
        g_free(c->key);
        g_free(c);
    }
}

char *cast_message(const char *life, uint64_t position, const char *sha256)
{
    return g_strdup_printf("shadow-console recording 1\nlife %s\n"
                           "position %" PRIu64 "\nsha256 %s\n", life, position,
                           sha256);
}

/* Bytes that are no text */
static bool cast_bytes(Cast *c, Stream *s, const uint8_t *data, size_t len,
                       GError **errp)
{
    GString *hex = g_string_new("");
    bool good;

    for (size_t i = 0; i < len; i++) {
        g_string_append_printf(hex, "%02x", data[i]);
    }
    good = cast_event(c, s->bytes, hex->str, errp);
    g_string_free(hex, true);
    s->position += len;
    return good;
}

static bool cast_text(Cast *c, Stream *s, const uint8_t *data, size_t len,
                      GError **errp)
{
    g_autofree char *text = g_strndup((const char *)data, len);

    s->position += len;
    return cast_event(c, s->text, text, errp);
}

/* How many bytes from here on are no text; 0 if they may become it. */
static size_t not_text(const uint8_t *p, size_t len)
{
    size_t n = 0;

    /* all ones is for what is no character, one less for the start of one */
    while (n < len && (!p[n] || g_utf8_get_char_validated(
                           (const char *)p + n, len - n) == G_MAXUINT32)) {
        n++;
    }
    return n;
}

static bool cast_split(Cast *c, Stream *s, const uint8_t *p, size_t len,
                       GError **errp)
{
    const char *end;
    size_t n;

    while (len) {
        g_utf8_validate((const char *)p, len, &end);
        n = (const uint8_t *)end - p;
        if (n && !cast_text(c, s, p, n, errp)) {
            return false;
        }
        p += n;
        len -= n;
        n = not_text(p, len);
        if (n && !cast_bytes(c, s, p, n, errp)) {
            return false;
        }
        p += n;
        len -= n;
        if (len && !n && !g_utf8_validate((const char *)p, len, &end) &&
            (const uint8_t *)end == p) {
            g_byte_array_append(s->tail, p, len);
            return true;
        }
    }
    return true;
}

static bool cast_stream(Cast *c, Stream *s, const uint8_t *data, size_t len,
                        GError **errp)
{
    g_autoptr(GByteArray) all = s->tail;

    s->tail = g_byte_array_new();
    c->unmarked = true;
    g_byte_array_append(all, data, len);
    return cast_split(c, s, all->data, all->len, errp);
}

bool cast_output(Cast *c, const uint8_t *data, size_t len, GError **errp)
{
    return cast_stream(c, &c->out, data, len, errp) &&
           (c->out.position - c->marked < CAST_MARK_BYTES ||
            cast_mark(c, false, errp));
}

/* The start of a character, of which no more will come */
static bool cast_flush(Cast *c, Stream *s, GError **errp)
{
    g_autoptr(GByteArray) tail = s->tail;

    s->tail = g_byte_array_new();
    return !tail->len || cast_bytes(c, s, tail->data, tail->len, errp);
}

bool cast_lost(Cast *c, uint64_t bytes, GError **errp)
{
    g_autofree char *label = NULL;

    if (!cast_flush(c, &c->out, errp)) {
        return false;
    }
    label = g_strdup_printf("lost position=%" PRIu64 " bytes=%" PRIu64,
                            c->out.position, bytes);
    c->out.position += bytes;
    c->unmarked = true;
    return cast_event(c, "m", label, errp);
}

static bool cast_typed_from(Cast *c, uint64_t position, GError **errp)
{
    g_autofree char *label = g_strdup_printf("typed position=%" PRIu64,
                                             position);

    if (c->typed && position == c->in.position + c->in.tail->len) {
        return true;
    }
    if (!cast_flush(c, &c->in, errp)) {
        return false;
    }
    c->typed = true;
    c->in.position = position;
    return cast_event(c, "m", label, errp);
}

bool cast_typed(Cast *c, uint64_t position, const uint8_t *data, size_t len,
                GError **errp)
{
    return cast_typed_from(c, position, errp) &&
           cast_stream(c, &c->in, data, len, errp);
}

bool cast_break(Cast *c, uint64_t position, GError **errp)
{
    g_autofree char *label = g_strdup_printf("break position=%" PRIu64,
                                             position);

    c->unmarked = true;
    return cast_typed_from(c, position, errp) &&
           cast_flush(c, &c->in, errp) && cast_event(c, "m", label, errp);
}

bool cast_begin(Cast *c, const char *life, uint64_t position, GError **errp)
{
    g_autofree char *label = g_strdup_printf(
        "begins life=%s position=%" PRIu64, life, position);

    g_strlcpy(c->life, life, sizeof(c->life));
    c->out.position = c->marked = position;
    c->typed = false;
    return cast_event(c, "m", label, errp);
}

bool cast_mark(Cast *c, bool end, GError **errp)
{
    g_autofree char *message = NULL, *signature = NULL, *label = NULL;
    g_autofree char *sha256 = NULL;
    uint8_t digest[CAST_DIGEST_LEN];
    size_t len = sizeof(digest);

    if (!end && !c->unmarked) {
        return true;
    }
    if (end && (!cast_flush(c, &c->out, errp) ||
                !cast_flush(c, &c->in, errp))) {
        return false;
    }
    sha256 = g_strdup(g_checksum_get_string(c->sum));
    g_checksum_get_digest(c->sum, digest, &len);
    message = cast_message(c->life, c->out.position, sha256);
    signature = c->key ? sign_make(c->key, message, errp) : g_strdup("-");
    if (!signature) {
        return false;
    }
    label = g_strdup_printf("%s life=%s position=%" PRIu64 " sha256=%s "
                            "signature=%s", end ? "end" : "mark", c->life,
                            c->out.position, sha256, signature);
    g_checksum_reset(c->sum);
    g_checksum_update(c->sum, digest, sizeof(digest));
    c->marked = c->out.position;
    c->unmarked = false;
    return cast_event(c, "m", label, errp);
}
