/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a door says of itself and its console, checked.
 *
 * Names were chosen by users, and reasons are written elsewhere: what is shown
 * of them has no control characters.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "state.h"

#define TEXT_MAX 200            /* characters of one text that is kept */
#define CLIENTS_MAX 64
#define NESTING_MAX 16

char *console_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new("");
    unsigned n = 0;

    for (const char *p = valid; *p && n < TEXT_MAX; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
        n++;
    }
    return g_string_free(out, false);
}

static void who_free(void *opaque)
{
    ConsoleWho *who = opaque;

    if (who) {
        g_free(who->name);
        g_free(who->peer);
        g_free(who->role);
        g_free(who);
    }
}

static void state_clear_console(ConsoleState *s)
{
    g_free(s->state);
    g_free(s->protection);
    g_free(s->moved_to);
    who_free(s->writer);
    g_clear_pointer(&s->clients, g_ptr_array_unref);
    g_free(s->event);
    g_free(s->reason);
}

void console_state_free(ConsoleState *s)
{
    if (s) {
        state_clear_console(s);
        g_free(s->guest);
        g_free(s->device);
        g_free(s->host);
        g_free(s->role);
        g_free(s);
    }
}

/* Members of an object: a default where there is none, or not of that type */

static JsonNode *member(JsonObject *obj, const char *name, GType type)
{
    JsonNode *node = obj ? json_object_get_member(obj, name) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == type ? node : NULL;
}

static char *get_text(JsonObject *obj, const char *name)
{
    JsonNode *node = member(obj, name, G_TYPE_STRING);

    return node ? console_printable(json_node_get_string(node)) : NULL;
}

static int64_t get_int(JsonObject *obj, const char *name)
{
    JsonNode *node = member(obj, name, G_TYPE_INT64);

    return node ? json_node_get_int(node) : 0;
}

static bool get_bool(JsonObject *obj, const char *name, bool otherwise)
{
    JsonNode *node = member(obj, name, G_TYPE_BOOLEAN);

    return node ? json_node_get_boolean(node) : otherwise;
}

static JsonObject *get_object(JsonObject *obj, const char *name)
{
    JsonNode *node = obj ? json_object_get_member(obj, name) : NULL;

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) :
           NULL;
}

static JsonArray *get_array(JsonObject *obj, const char *name)
{
    JsonNode *node = json_object_get_member(obj, name);

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) :
           NULL;
}

/* A position is not negative. */
static bool get_position(JsonObject *obj, const char *name, uint64_t *out)
{
    JsonNode *node = member(obj, name, G_TYPE_INT64);

    if (!node || json_node_get_int(node) < 0) {
        return false;
    }
    *out = json_node_get_int(node);
    return true;
}

static JsonObject *element(JsonArray *array, unsigned i)
{
    JsonNode *node = json_array_get_element(array, i);

    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static ConsoleWho *get_who(JsonObject *obj)
{
    ConsoleWho *who;

    if (!obj) {
        return NULL;
    }
    who = g_new0(ConsoleWho, 1);
    who->client = get_int(obj, "client");
    who->since = get_int(obj, "since");
    who->name = get_text(obj, "name") ?: g_strdup("");
    who->peer = get_text(obj, "peer") ?: g_strdup("");
    who->role = get_text(obj, "role") ?: g_strdup("");
    return who;
}

static void get_clients(JsonObject *obj, ConsoleState *s)
{
    JsonArray *array = get_array(obj, "clients");
    unsigned count = array ? MIN(json_array_get_length(array), CLIENTS_MAX) : 0;

    s->clients = g_ptr_array_new_with_free_func(who_free);
    for (unsigned i = 0; i < count; i++) {
        ConsoleWho *who = get_who(element(array, i));

        if (who) {
            g_ptr_array_add(s->clients, who);
        }
    }
    s->clients_total = get_int(obj, "clients-total");
}

static void get_leases(JsonObject *obj, ConsoleState *s)
{
    JsonArray *array = get_array(obj, "leases");
    unsigned length = array ? json_array_get_length(array) : 0;

    s->leases_known = array;
    for (unsigned i = 0; i < length && i < CONSOLE_LEASES_MAX; i++) {
        JsonObject *entry = element(array, i);
        ConsoleLease *lease = &s->leases[s->leases_count];

        if (entry && get_position(entry, "start", &lease->start)) {
            lease->lease = get_int(entry, "lease");
            s->leases_count++;
        }
    }
}

static bool get_life(JsonObject *obj, char *life)
{
    g_autofree char *text = get_text(obj, "life");

    if (!text || strlen(text) != CONSOLE_LIFE_LEN ||
        strspn(text, "0123456789abcdef") != CONSOLE_LIFE_LEN) {
        return false;
    }
    strcpy(life, text);
    return true;
}

#define MEASUREMENT_LEN 64

/* What keeps the console from the cloud VM, and what runs where that is private */
static char *get_protection(JsonObject *obj)
{
    g_autofree char *protection = get_text(obj, "protection");
    g_autofree char *measured = get_text(obj, "measurement");

    if (!g_strcmp0(protection, "private") && !measured) {
        return g_strdup("private; it began with what the cloud VM gave");
    }
    if (!g_strcmp0(protection, "private") &&
        strlen(measured) == MEASUREMENT_LEN &&
        strspn(measured, "0123456789abcdef") == MEASUREMENT_LEN) {
        return g_strdup_printf("private, launched as sha256 %s", measured);
    }
    return protection ? g_steal_pointer(&protection) : g_strdup("unknown");
}

/* All that hello and notice share; @s has nothing of it yet. */
static bool get_state(JsonObject *obj, ConsoleState *s)
{
    s->state = get_text(obj, "state");
    s->protection = get_protection(obj);
    s->moved_to = get_text(obj, "moved-to");
    s->attached = get_bool(obj, "attached", false);
    s->input_enabled = get_bool(obj, "input-enabled", true);
    s->writer = get_who(get_object(obj, "writer"));
    get_clients(obj, s);
    get_leases(obj, s);
    return s->state && get_life(obj, s->life) &&
           get_position(obj, "epoch", &s->epoch) &&
           get_position(obj, "input-accepted", &s->accepted) &&
           get_position(obj, "input-taken", &s->taken) &&
           get_position(obj, "breaks", &s->breaks) &&
           get_position(obj, "output-start", &s->output_start) &&
           get_position(obj, "output-end", &s->output_end) &&
           get_position(obj, "first", &s->first) &&
           s->output_start <= s->output_end;
}

bool console_json_too_deep(const uint8_t *json, size_t len)
{
    bool string = false;
    int depth = 0;

    for (size_t i = 0; i < len; i++) {
        if (string && json[i] == '\\') {
            i++;
        } else if (json[i] == '"') {
            string = !string;
        } else if (!string && strchr("[{", json[i]) && json[i]) {
            if (++depth > NESTING_MAX) {
                return true;
            }
        } else if (!string && strchr("]}", json[i]) && json[i]) {
            depth--;
        }
    }
    return false;
}

static JsonParser *parse(const uint8_t *json, size_t len, JsonObject **root,
                         const char **why)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *node;

    *why = "what the door says of itself makes no sense";
    if (console_json_too_deep(json, len) ||
        !g_utf8_validate((const char *)json, len, NULL) ||
        !json_parser_load_from_data(parser, (const char *)json, len, NULL)) {
        return NULL;
    }
    node = json_parser_get_root(parser);
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        return NULL;
    }
    *root = json_node_get_object(node);
    return g_steal_pointer(&parser);
}

ConsoleState *console_state_new(const uint8_t *json, size_t len,
                                const char **why)
{
    g_autoptr(ConsoleState) s = g_new0(ConsoleState, 1);
    JsonObject *root, *state;
    g_autoptr(JsonParser) parser = parse(json, len, &root, why);

    if (!parser) {
        return NULL;
    }
    if (get_int(root, "version") != SHADOW_WIRE_VERSION) {
        *why = "the door speaks another version of the protocol";
        return NULL;
    }
    s->guest = get_text(root, "guest");
    s->device = get_text(root, "device");
    s->host = get_text(root, "host");
    s->role = get_text(root, "role");
    s->client = get_int(root, "client");
    state = get_object(root, "state");
    if (!s->guest || !s->device || !s->role || !state || !get_state(state, s)) {
        return NULL;
    }
    return g_steal_pointer(&s);
}

bool console_state_update(ConsoleState *s, const uint8_t *json, size_t len,
                          const char **why)
{
    g_autoptr(ConsoleState) fresh = g_new0(ConsoleState, 1);
    JsonObject *root, *state;
    g_autoptr(JsonParser) parser = parse(json, len, &root, why);

    state = parser ? get_object(root, "state") : NULL;
    if (!state || !get_state(state, fresh)) {
        return false;
    }
    fresh->event = get_text(root, "event");
    fresh->reason = get_text(root, "reason");
    fresh->guest = g_steal_pointer(&s->guest);
    fresh->device = g_steal_pointer(&s->device);
    fresh->host = g_steal_pointer(&s->host);
    fresh->role = g_steal_pointer(&s->role);
    fresh->client = s->client;
    state_clear_console(s);
    *s = *fresh;
    *fresh = (ConsoleState) { 0 };
    return true;
}

bool console_state_lives(const ConsoleState *s, const char *life)
{
    return *life && g_str_equal(s->life, life);
}

bool console_state_is(const ConsoleState *s, const char *state)
{
    return g_str_equal(s->state, state);
}

char *console_who_text(const ConsoleWho *who)
{
    g_autoptr(GDateTime) since = g_date_time_new_from_unix_local(who->since);
    g_autofree char *time = since ? g_date_time_format(since, "%F %R") :
                                    g_strdup("?");

    return g_strdup_printf("%s%s(%s), since %s", who->name,
                           *who->name ? " " : "", who->peer, time);
}
