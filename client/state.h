/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a door says of itself and its console: ShadowDoorHello and
 * ShadowDoorNotice of docs/door.rst, checked.
 */
#ifndef CONSOLE_STATE_H
#define CONSOLE_STATE_H

#include <glib.h>
#include <stdbool.h>
#include <inttypes.h>

#include "shadow-wire.h"

#define CONSOLE_LIFE_LEN (2 * SHADOW_WIRE_LIFE_LEN)
#define CONSOLE_LEASES_MAX 8

/* Who is connected.  All texts are printable. */
typedef struct ConsoleWho {
    int64_t client;
    int64_t since;              /* seconds since 1970 */
    char *name, *peer, *role;
} ConsoleWho;

/* A lease under which something was typed, and where that began */
typedef struct ConsoleLease {
    uint32_t lease;
    uint64_t start;
} ConsoleLease;

typedef struct ConsoleState {
    /* of the hello: */
    char *guest, *device, *host, *role;
    int64_t client;
    /* of each: */
    char life[CONSOLE_LIFE_LEN + 1];
    uint64_t epoch;
    char *state, *protection, *moved_to;
    bool attached, input_enabled;
    uint64_t accepted, taken, breaks, output_start, output_end, first;
    ConsoleWho *writer;         /* or NULL */
    GPtrArray *clients;         /* of ConsoleWho */
    int64_t clients_total;
    bool leases_known;
    unsigned leases_count;
    ConsoleLease leases[CONSOLE_LEASES_MAX];    /* newest last */
    /* of the last notice, or NULL: */
    char *event, *reason;
} ConsoleState;

/* From the payload of a hello; NULL, with *@why set, if it makes no sense. */
ConsoleState *console_state_new(const uint8_t *json, size_t len,
                                const char **why);
void console_state_free(ConsoleState *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConsoleState, console_state_free)

/* From the payload of a notice.  False, and nothing changed, if it is bad. */
bool console_state_update(ConsoleState *s, const uint8_t *json, size_t len,
                          const char **why);

/* The same life, which is known */
bool console_state_lives(const ConsoleState *s, const char *life);
bool console_state_is(const ConsoleState *s, const char *state);

/* "alice (uid 1000), since 12:03"; to be freed */
char *console_who_text(const ConsoleWho *who);

/* Nested so deeply that json-glib's parser, which calls itself, is at risk */
bool console_json_too_deep(const uint8_t *json, size_t len);

/* @text with what is not printable made harmless, and cut; to be freed */
char *console_printable(const char *text);

#endif /* CONSOLE_STATE_H */
