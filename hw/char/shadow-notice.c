/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines for a console's user that no guest has written.
 */
#include "qemu/osdep.h"
#include "shadow/hw/char/shadow-notice.h"

void shadow_notices_init(ShadowNotices *n)
{
    n->line = g_string_new("");
}

void shadow_notices_free(ShadowNotices *n)
{
    for (unsigned kind = 0; kind < SHADOW_FAREWELL__MAX; kind++) {
        g_free(n->farewell[kind]);
    }
    g_free(n->greeting);
    g_free(n->writer);
    g_string_free(n->line, true);
}

void shadow_notices_connect(ShadowNotices *n)
{
    g_string_truncate(n->line, 0);
    memset(n->begun, 0, sizeof(n->begun));
    n->parting = false;
}

size_t shadow_notices_greet(ShadowNotices *n)
{
    g_string_append(n->line, n->greeting ?: "");
    g_string_append(n->line, n->writer ?: "");
    return n->line->len;
}

void shadow_notices_set_greeting(ShadowNotices *n, const char *line)
{
    g_free(n->greeting);
    n->greeting = g_strdup(line);
}

void shadow_notices_set_writer(ShadowNotices *n, char *line)
{
    g_free(n->writer);
    n->writer = line;
}

void shadow_notices_add(ShadowNotices *n, ShadowFarewell kind,
                        const char *what)
{
    if (n->farewell[kind] && n->begun[kind]) {
        /* half told, and nothing has moved since: it is the same line */
        return;
    }
    g_free(n->farewell[kind]);
    n->farewell[kind] = g_strdup(what);
    n->begun[kind] = false;
}

void shadow_notices_drop(ShadowNotices *n, ShadowFarewell kind)
{
    g_clear_pointer(&n->farewell[kind], g_free);
}

bool shadow_notices_due(const ShadowNotices *n)
{
    for (unsigned kind = 0; kind < SHADOW_FAREWELL__MAX; kind++) {
        if (n->farewell[kind]) {
            return true;
        }
    }
    return n->parting;
}

const GString *shadow_notices_next(ShadowNotices *n, uint64_t input,
                                   uint64_t output)
{
    for (unsigned kind = 0; !n->line->len && kind < SHADOW_FAREWELL__MAX;
         kind++) {
        if (!n->farewell[kind]) {
            continue;
        }
        if (!n->begun[kind]) {
            n->begun[kind] = true;
            n->parting = true;
            g_string_printf(n->line, "\r\n[%s %s, input=%" PRIu64 " output=%"
                            PRIu64 "]\r\n", n->type, n->farewell[kind],
                            input, output);
        } else if (kind != SHADOW_FAREWELL_MOVED) {
            shadow_notices_drop(n, kind);
        }
    }
    return n->line->len ? n->line : NULL;
}

void shadow_notices_written(ShadowNotices *n, size_t len)
{
    g_string_erase(n->line, 0, len);
}
