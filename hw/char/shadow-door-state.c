/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a door tells its clients of the console, as JSON.
 */
#include "qemu/osdep.h"
#include "qapi/qapi-visit-shadow.h"
#include "qapi/qobject-output-visitor.h"
#include "qobject/qjson.h"
#include "qobject/qobject.h"
#include "shadow/hw/char/shadow-door.h"
#include "shadow/hw/core/shadow-guest.h"

#define STATE_CLIENTS_MAX 64

static ShadowDoorClientList *state_clients(ShadowConsole *c, unsigned max)
{
    ShadowDoorClientList *list = NULL, **tail = &list;
    unsigned n = 0;
    ShadowReader *r;

    if (c->connected && n++ < max) {
        QAPI_LIST_APPEND(tail, shadow_console_query_user(c));
    }
    QTAILQ_FOREACH(r, &c->readers.all, next) {
        if (n++ == max) {
            break;
        }
        QAPI_LIST_APPEND(tail, shadow_reader_query(r));
    }
    return list;
}

static ShadowDoorLeaseList *state_leases(const ShadowConsoleLife *life)
{
    ShadowDoorLeaseList *list = NULL;

    for (unsigned i = life->n_leases; i; i--) {
        ShadowDoorLease *lease = g_new0(ShadowDoorLease, 1);

        lease->lease = life->lease[i - 1];
        lease->start = life->lease_start[i - 1];
        QAPI_LIST_PREPEND(list, lease);
    }
    return list;
}

static ShadowDoorState *door_state(DoorClient *client, unsigned max)
{
    ShadowDoorState *s = g_new0(ShadowDoorState, 1);
    ShadowConsole *c = client->console;
    ShadowGuest *g = client->dev->guest;

    s->life = shadow_console_life_text(c);
    s->epoch = g ? g->epoch : 0;
    s->state = g ? g->state : SHADOW_GUEST_STATE_GONE;
    s->protection = g ? g->protection : SHADOW_PROTECTION_NONE;
    s->measurement = g ? g_strdup(g->privacy.measurement) : NULL;
    s->moved_to = g ? g_strdup(g->moved_to) : NULL;
    s->attached = !c->detached;
    s->input_enabled = c->input_enabled;
    s->input_accepted = c->in.end;
    s->input_taken = c->in.start;
    s->breaks = c->life.breaks;
    s->leases = state_leases(&c->life);
    s->output_start = c->out.start;
    s->output_end = c->out.end;
    s->first = c->first.end;
    s->writer = shadow_keyboard_query(c);
    s->clients = state_clients(c, max);
    s->clients_total = c->readers.n + c->connected;
    return s;
}

/* What @v has put in *@obj, which is freed; NULL if it has failed */
static GString *state_finish(Visitor *v, QObject **obj, bool ok)
{
    GString *json = NULL;

    if (ok) {
        visit_complete(v, obj);
        json = qobject_to_json(*obj);
        qobject_unref(*obj);
    }
    visit_free(v);
    return json;
}

static GString *hello_json(DoorClient *c, unsigned max)
{
    g_autoptr(ShadowDoorHello) hello = g_new0(ShadowDoorHello, 1);
    QObject *obj = NULL;
    Visitor *v = qobject_output_visitor_new(&obj);

    hello->version = SHADOW_WIRE_VERSION;
    hello->guest = g_strdup(c->door->guest);
    hello->device = g_strdup(c->door->device);
    hello->type = g_strdup(object_get_typename(OBJECT(c->dev)));
    hello->host = g_strdup(c->door->host_name);
    hello->role = c->reader.role;
    hello->client = c->reader.client;
    hello->state = door_state(c, max);
    return state_finish(v, &obj, visit_type_ShadowDoorHello(v, NULL, &hello,
                                                            NULL));
}

static GString *notice_json(DoorClient *c, unsigned max)
{
    g_autoptr(ShadowDoorNotice) notice = g_new0(ShadowDoorNotice, 1);
    QObject *obj = NULL;
    Visitor *v = qobject_output_visitor_new(&obj);

    notice->event = c->event;
    notice->reason = g_strdup(c->reason);
    notice->state = door_state(c, max);
    return state_finish(v, &obj, visit_type_ShadowDoorNotice(v, NULL, &notice,
                                                             NULL));
}

/* With as many of the clients as a frame has room for */
static GString *state_json(DoorClient *c, GString *(*make)(DoorClient *c,
                                                           unsigned max))
{
    for (unsigned max = STATE_CLIENTS_MAX; ; max /= 2) {
        GString *json = make(c, max);

        if (!json || json->len <= SHADOW_WIRE_PAYLOAD_MAX) {
            return json;
        }
        g_string_free(json, true);
        if (!max) {
            return NULL;
        }
    }
}

GString *door_hello_json(DoorClient *c)
{
    return state_json(c, hello_json);
}

GString *door_notice_json(DoorClient *c)
{
    return state_json(c, notice_json);
}

char *door_printable(const char *text, size_t max)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new("");

    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar ch = g_utf8_get_char(p);

        if (out->len + 6 > max) {
            break;
        }
        g_string_append_unichar(out, g_unichar_isprint(ch) ? ch : '?');
    }
    return g_string_free(out, false);
}
