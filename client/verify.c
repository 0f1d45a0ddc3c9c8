/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify: whether recordings are what was recorded, and whether they join.
 */
#include <errno.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cast.h"
#include "sign.h"
#include "verify.h"

#define LINE_MAX_BYTES (1024 * 1024)

typedef struct Check {
    const char *path;
    const Args *args;           /* or NULL: marks are not checked */
    unsigned line;
    GChecksum *sum;
    CastEnds ends;
    uint64_t position;          /* by the bytes so far */
    uint64_t typed;             /* bytes, in all lives */
    bool input;                 /* what is typed is to be in it */
    bool begun, ended, unsigned_marks;
    unsigned marks;
    uint64_t lost;
    char *who;                  /* has signed */
} Check;

static bool wrong(Check *c, const char *what)
{
    g_autofree char *text = console_printable(what);

    if (c->args) {
        printf("%s: line %u: %s\n", c->path, c->line, text);
    }
    return false;
}

/* The value of NAME=VALUE in a label; to be freed, or NULL */
static char *label_get(const char *label, const char *name)
{
    g_autofree char *word = g_strdup_printf(" %s=", name);
    const char *at = strstr(label, word);

    return at ? g_strndup(at + strlen(word), strcspn(at + strlen(word), " ")) :
                NULL;
}

static bool label_number(const char *label, const char *name, uint64_t *out)
{
    g_autofree char *text = label_get(label, name);

    return text && g_ascii_string_to_unsigned(text, 10, 0,
                                              SHADOW_WIRE_POSITION_MAX, out,
                                              NULL);
}

static bool check_begins(Check *c, const char *label)
{
    g_autofree char *life = label_get(label, "life");
    uint64_t position;

    if (!life || strlen(life) != CONSOLE_LIFE_LEN ||
        !label_number(label, "position", &position)) {
        return wrong(c, "a beginning that makes no sense");
    }
    if (c->begun && !c->ended) {
        return wrong(c, "another life begins before the mark of this one");
    }
    if (!c->begun) {
        strcpy(c->ends.first_life, life);
        c->ends.first = position;
    }
    strcpy(c->ends.last_life, life);
    c->position = c->ends.last = position;
    c->ends.typed = false;
    c->begun = true;
    c->ended = false;
    return true;
}

static bool check_lost(Check *c, const char *label)
{
    uint64_t position, bytes;

    if (!label_number(label, "position", &position) ||
        !label_number(label, "bytes", &bytes) || position != c->position) {
        return wrong(c, "a loss that is not where it says");
    }
    c->position += bytes;
    c->lost += bytes;
    return true;
}

/* Where what is typed next stands: behind all that was typed before */
static bool check_typed(Check *c, const char *label)
{
    CastEnds *e = &c->ends;
    uint64_t position;

    if (!c->input || !label_number(label, "position", &position) ||
        (e->typed && position < e->typed_last)) {
        return wrong(c, "typed where it cannot be");
    }
    if (!e->typed) {
        e->typed = true;
        e->typed_first = position;
    }
    e->typed_last = position;
    return true;
}

static bool check_break(Check *c, const char *label)
{
    uint64_t position;

    return (c->ends.typed && label_number(label, "position", &position) &&
            position == c->ends.typed_last) ||
           wrong(c, "a break that is not where it says");
}

static bool check_typed_bytes(Check *c, size_t len)
{
    c->typed += len;
    c->ends.typed_last += len;
    return c->ends.typed || wrong(c, "typed nobody knows where");
}

static bool check_signature(Check *c, const char *label, const char *sha256)
{
    g_autofree char *signature = label_get(label, "signature");
    g_autofree char *message = cast_message(c->ends.last_life, c->position,
                                            sha256);
    g_autofree char *who = NULL;

    if (!signature || g_str_equal(signature, "-")) {
        c->unsigned_marks = true;
        return true;
    }
    if (!sign_check(message, signature, c->args->signers, c->args->principal,
                    &who)) {
        return wrong(c, who);
    }
    if (c->who && !g_str_equal(c->who, who)) {
        return wrong(c, "signed by another than before");
    }
    g_free(c->who);
    c->who = g_steal_pointer(&who);
    return true;
}

/* @sha256: of what came before this line */
static bool check_mark(Check *c, const char *label, const char *sha256)
{
    g_autofree char *said = label_get(label, "sha256");
    g_autofree char *life = label_get(label, "life");
    uint64_t position;

    c->marks++;
    c->ended = g_str_has_prefix(label, "end ");
    if (!label_number(label, "position", &position) || !life || !said) {
        return wrong(c, "a mark that makes no sense");
    }
    c->ends.last = position;
    if (!c->args) {
        return true;
    }
    if (!c->begun || !g_str_equal(life, c->ends.last_life)) {
        return wrong(c, "the mark is of another life");
    }
    if (position != c->position) {
        return wrong(c, "there are more or fewer bytes than the mark says");
    }
    if (!g_str_equal(said, sha256)) {
        return wrong(c, "what was recorded before this mark was changed");
    }
    return check_signature(c, label, sha256);
}

static bool check_label(Check *c, const char *label, const char *sha256)
{
    if (g_str_has_prefix(label, "begins ")) {
        return check_begins(c, label);
    } else if (g_str_has_prefix(label, "lost ")) {
        return check_lost(c, label);
    } else if (g_str_has_prefix(label, "typed ")) {
        return check_typed(c, label);
    } else if (g_str_has_prefix(label, "break ")) {
        return check_break(c, label);
    } else if (g_str_has_prefix(label, "mark ") ||
               g_str_has_prefix(label, "end ")) {
        return check_mark(c, label, sha256);
    }
    return true;
}

static bool check_event(Check *c, JsonNode *root, const char *sha256)
{
    JsonArray *array = JSON_NODE_HOLDS_ARRAY(root) ?
                       json_node_get_array(root) : NULL;
    const char *code, *text;

    if (!array || json_array_get_length(array) != 3) {
        return wrong(c, "not an event of a recording");
    }
    code = json_array_get_string_element(array, 1);
    text = json_array_get_string_element(array, 2);
    if (!code || !text) {
        return wrong(c, "not an event of a recording");
    }
    if (c->ended && !(g_str_equal(code, "m") &&
                      g_str_has_prefix(text, "begins "))) {
        return wrong(c, "something follows the end");
    }
    if (g_str_equal(code, "o")) {
        c->position += strlen(text);
    } else if (g_str_equal(code, "b")) {
        c->position += strlen(text) / 2;
    } else if (g_str_equal(code, "i")) {
        return check_typed_bytes(c, strlen(text));
    } else if (g_str_equal(code, "k")) {
        return check_typed_bytes(c, strlen(text) / 2);
    } else if (g_str_equal(code, "m")) {
        return check_label(c, text, sha256);
    }
    return true;
}

static bool check_header(Check *c, JsonNode *root)
{
    JsonObject *header = JSON_NODE_HOLDS_OBJECT(root) ?
                         json_node_get_object(root) : NULL;

    if (!header || json_object_get_int_member_with_default(header, "version",
                                                           0) != 2) {
        return wrong(c, "not the beginning of a recording");
    }
    c->input = json_object_get_boolean_member_with_default(header, "input",
                                                           false);
    return true;
}

static bool is_mark(const char *line)
{
    return strstr(line, ",\"m\",\"mark ") || strstr(line, ",\"m\",\"end ");
}

static bool check_line(Check *c, const char *line, size_t len)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *sha256 = NULL;
    uint8_t digest[CAST_DIGEST_LEN];
    size_t size = sizeof(digest);

    c->line++;
    if (len > LINE_MAX_BYTES || memchr(line, '\0', len) ||
        console_json_too_deep((const uint8_t *)line, len) ||
        !json_parser_load_from_data(parser, line, len, NULL) ||
        !json_parser_get_root(parser)) {
        return wrong(c, "not a line of a recording");
    }
    if (is_mark(line)) {
        GChecksum *so_far = g_checksum_copy(c->sum);

        sha256 = g_strdup(g_checksum_get_string(so_far));
        g_checksum_free(so_far);
        g_checksum_get_digest(c->sum, digest, &size);
        g_checksum_reset(c->sum);
        g_checksum_update(c->sum, digest, sizeof(digest));
    }
    g_checksum_update(c->sum, (const uint8_t *)line, len);
    if (c->line == 1) {
        return check_header(c, json_parser_get_root(parser));
    }
    return check_event(c, json_parser_get_root(parser), sha256 ?: "");
}

static bool check_file(Check *c)
{
    static const uint8_t none[CAST_DIGEST_LEN];
    FILE *file = fopen(c->path, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t len = 0;
    bool good = true;

    if (!file) {
        return wrong(c, g_strerror(errno));
    }
    c->sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(c->sum, none, sizeof(none));
    while (good && (len = getline(&line, &size, file)) > 0) {
        good = check_line(c, line, len);
    }
    free(line);
    fclose(file);
    g_checksum_free(c->sum);
    if (good && !c->marks) {
        return wrong(c, "there is no mark in it");
    }
    if (good && !c->ended) {
        return wrong(c, "it does not end with a mark: what follows the last "
                     "one may have been changed or cut off");
    }
    return good;
}

bool verify_ends(const char *path, CastEnds *ends)
{
    Check c = { .path = path };

    check_file(&c);
    *ends = c.ends;
    return c.marks && c.begun;
}

static bool verify_one(const char *path, const Args *args, CastEnds *ends)
{
    Check c = { .path = path, .args = args };
    bool good = check_file(&c);

    *ends = c.ends;
    if (good && c.unsigned_marks && args->signers) {
        good = wrong(&c, "it is not signed");
    }
    if (good) {
        printf("%s: good: life %s, output %" PRIu64 " to %" PRIu64 ", %u marks"
               "%s%s", path, c.ends.last_life, c.ends.first, c.ends.last,
               c.marks, c.unsigned_marks ? ", NOT SIGNED" : ", ",
               c.unsigned_marks ? "" : c.who);
        if (!c.unsigned_marks && !args->signers) {
            printf(" (whose key that is was not checked: --signers)");
        }
        if (c.input) {
            printf(", %" PRIu64 " bytes were typed", c.typed);
        }
        if (c.lost) {
            printf(", %" PRIu64 " bytes were lost before they were recorded",
                   c.lost);
        }
        printf("\n");
    }
    g_free(c.who);
    return good;
}

/* Whether @b begins where @a ends */
static bool verify_join(const char *a, const CastEnds *ea, const char *b,
                        const CastEnds *eb)
{
    if (!g_str_equal(ea->last_life, eb->first_life)) {
        printf("%s and %s: of two lives, they cannot join\n", a, b);
        return false;
    }
    if (ea->last != eb->first) {
        printf("%s and %s: %s of %" PRIu64 " bytes, from %" PRIu64 " on\n", a,
               b, ea->last < eb->first ? "a gap" : "an overlap",
               MAX(ea->last, eb->first) - MIN(ea->last, eb->first),
               MIN(ea->last, eb->first));
        return false;
    }
    if (ea->typed && eb->typed && eb->typed_first < ea->typed_last) {
        printf("%s and %s: what was typed in one overlaps the other, from %"
               PRIu64 " on\n", a, b, eb->typed_first);
        return false;
    }
    printf("%s and %s: join at %" PRIu64 "\n", a, b, ea->last);
    return true;
}

int verify_command(Args *args)
{
    CastEnds ends[2] = { 0 };
    bool good = true, one, before = false;

    for (unsigned i = 0; args->rest[i]; i++) {
        one = verify_one(args->rest[i], args, &ends[i & 1]);
        if (i && one && before) {
            good &= verify_join(args->rest[i - 1], &ends[!(i & 1)],
                                args->rest[i], &ends[i & 1]);
        }
        before = one;
        good &= one;
    }
    return good ? EXIT_GOOD : EXIT_FAILED;
}
