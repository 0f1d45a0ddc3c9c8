/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a console, and of those who are there.
 */
#include "qemu/osdep.h"
#include "shadow/hw/char/shadow-console.h"
#include "shadow/migration/shadow-secret.h"

const uint8_t *shadow_console_life(ShadowConsole *c)
{
    if (!c->life.known) {
        c->life.known = shadow_random(c->life.id, sizeof(c->life.id));
    }
    return c->life.known ? c->life.id : NULL;
}

void shadow_console_new_life(ShadowConsole *c)
{
    if (c->life.known) {
        c->life.known = false;
        c->life.n_leases = 0;
        shadow_console_life(c);
        shadow_keyboard_end(c, "the console has a new life");
        shadow_readers_tell(&c->readers, SHADOW_DOOR_EVENT_CHANGED,
                            "the console has a new life");
    }
}

void shadow_console_note_lease(ShadowConsole *c, uint32_t lease, uint64_t pos)
{
    ShadowConsoleLife *l = &c->life;

    if (l->n_leases && l->lease[l->n_leases - 1] == lease) {
        return;
    }
    if (l->n_leases == SHADOW_CONSOLE_LEASES) {
        l->n_leases--;
        memmove(l->lease, l->lease + 1, l->n_leases * sizeof(l->lease[0]));
        memmove(l->lease_start, l->lease_start + 1,
                l->n_leases * sizeof(l->lease_start[0]));
    }
    l->lease[l->n_leases] = lease;
    l->lease_start[l->n_leases++] = pos;
}

char *shadow_console_life_text(ShadowConsole *c)
{
    GString *text = g_string_new("");

    shadow_console_life(c);
    for (unsigned i = 0; i < sizeof(c->life.id); i++) {
        g_string_append_printf(text, "%02x", c->life.id[i]);
    }
    return g_string_free(text, false);
}

ShadowDoorClient *shadow_console_query_user(ShadowConsole *c)
{
    ShadowDoorClient *info = g_new0(ShadowDoorClient, 1);

    info->name = g_strdup("");
    info->peer = g_strdup("chardev");
    info->role = c->input_enabled ? SHADOW_DOOR_ROLE_WRITE :
                                    SHADOW_DOOR_ROLE_READ;
    info->since = c->user_since;
    return info;
}

void shadow_console_query(ShadowConsole *c, ShadowDeviceInfo *info)
{
    info->connected = c->connected;
    info->input_accepted = c->in.end;
    info->input_taken = c->in.start;
    info->output_produced = c->out.end;
    info->output_sent = c->sent;
    info->output_start = c->out.start;
    info->output_dropped = c->dropped;
    info->input_enabled = c->input_enabled;
    info->life = c->life.known ? shadow_console_life_text(c) : NULL;
    info->first = c->first.end;
    info->writer = shadow_keyboard_query(c);
}

static void query_base(ShadowDoorClientInfo *info, ShadowDoorClient *base)
{
    info->client = base->client;
    info->name = g_steal_pointer(&base->name);
    info->peer = g_steal_pointer(&base->peer);
    info->role = base->role;
    info->since = base->since;
    qapi_free_ShadowDoorClient(base);
}

ShadowDoorClientInfoList *shadow_console_query_clients(ShadowConsole *c)
{
    ShadowDoorClientInfoList *list = NULL, **tail = &list;
    ShadowDoorClientInfo *info;
    ShadowReader *r;

    if (c->connected) {
        info = g_new0(ShadowDoorClientInfo, 1);
        query_base(info, shadow_console_query_user(c));
        info->position = c->sent;
        info->dropped = c->dropped;
        info->keyboard = c->input_enabled && !c->keyboard.holder;
        QAPI_LIST_APPEND(tail, info);
    }
    QTAILQ_FOREACH(r, &c->readers.all, next) {
        info = g_new0(ShadowDoorClientInfo, 1);
        query_base(info, shadow_reader_query(r));
        info->door = g_strdup(r->door);
        info->position = r->position;
        info->dropped = r->dropped;
        info->keyboard = c->keyboard.holder == r;
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}
