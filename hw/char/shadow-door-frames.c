/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a door's client says, and what it is told.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "shadow/hw/char/shadow-door.h"

/*
 * One notice waits for a client that does not read.  It has the event that a
 * user has to know of first; the state is as it is when it is sent.
 */
static const uint8_t door_weight[SHADOW_DOOR_EVENT__MAX] = {
    [SHADOW_DOOR_EVENT_CHANGED] = 0,
    [SHADOW_DOOR_EVENT_WRITER] = 1,
    [SHADOW_DOOR_EVENT_HANGUP] = 2,
    [SHADOW_DOOR_EVENT_ATTACHED] = 3,
    [SHADOW_DOOR_EVENT_RESUMED] = 3,
    [SHADOW_DOOR_EVENT_FREEZING] = 3,
    [SHADOW_DOOR_EVENT_RESTORED] = 4,
    [SHADOW_DOOR_EVENT_MOVED] = 4,
    [SHADOW_DOOR_EVENT_SNAPSHOT] = 5,
    [SHADOW_DOOR_EVENT_DETACHED] = 6,
    [SHADOW_DOOR_EVENT_PROTECTION] = 7,
};

static void door_put_frame(DoorClient *c, ShadowWireType type, uint64_t pos,
                           const void *payload, size_t len)
{
    g_autoptr(GByteArray) out = g_byte_array_sized_new(SHADOW_WIRE_HEADER +
                                                       len);

    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = type, .len = len, .position = pos, .payload = payload });
    door_client_put(c, out);
}

static void door_put_text(DoorClient *c, ShadowWireType type, const char *text)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    shadow_wire_put_text(out, type, c->lease, c->console->in.end, text);
    door_client_put(c, out);
}

static void door_put_error(DoorClient *c)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree char *text = g_steal_pointer(&c->error);

    shadow_wire_put_text(out, SHADOW_WIRE_ERROR, 0, 0, text);
    door_client_put(c, out);
}

/* It has the keyboard no more, from the position on where it was lost. */
static void door_put_lost(DoorClient *c)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree char *text = g_steal_pointer(&c->lost);

    if (text) {
        shadow_wire_put_text(out, SHADOW_WIRE_KEYBOARD, 0, c->lost_at, text);
        door_client_put(c, out);
    }
}

static void door_refuse(DoorClient *c, const char *why)
{
    door_put_text(c, SHADOW_WIRE_REFUSED, why);
    c->ack = c->lease;
}

/* As a reader of the console */

static DoorClient *door_client_of(ShadowReader *r)
{
    return container_of(r, DoorClient, reader);
}

static void door_reader_flush(ShadowReader *r)
{
    door_client_flush(door_client_of(r));
}

/* A protection that is lost has a reason; that it has come is no more news. */
static unsigned door_event_weight(ShadowDoorEvent event, const char *reason)
{
    return event == SHADOW_DOOR_EVENT_PROTECTION && !reason ?
           door_weight[SHADOW_DOOR_EVENT_CHANGED] : door_weight[event];
}

static void door_reader_tell(ShadowReader *r, ShadowDoorEvent event,
                             const char *reason)
{
    DoorClient *c = door_client_of(r);

    if (c->news && door_event_weight(event, reason) <
                   door_event_weight(c->event, c->reason)) {
        return;
    }
    c->news = true;
    c->event = event;
    g_free(c->reason);
    c->reason = reason ? door_printable(reason, SHADOW_WIRE_TEXT_MAX / 2) :
                         NULL;
}

static void door_reader_lost(ShadowReader *r, const char *reason)
{
    DoorClient *c = door_client_of(r);

    c->lease = 0;
    g_free(c->lost);
    c->lost = g_strdup(reason);
    c->lost_at = c->console->in.end;
}

static void door_reader_ended(ShadowReader *r, const char *reason)
{
    DoorClient *c = door_client_of(r);

    c->dev = NULL;
    c->console = NULL;
    door_client_end(c, reason);
}

const ShadowReaderOps door_reader_ops = {
    .flush = door_reader_flush,
    .tell = door_reader_tell,
    .lost = door_reader_lost,
    .ended = door_reader_ended,
};

/* What it is told */

/* With who has been given the keyboard, or why it has not */
static void door_put_keyboard(DoorClient *c, const char *why)
{
    door_put_text(c, SHADOW_WIRE_KEYBOARD, why);
    c->ack = c->lease;
}

static bool door_say_json(DoorClient *c, ShadowWireType type, GString *json)
{
    if (!json) {
        door_client_end(c, "the console's state cannot be told");
        return false;
    }
    door_put_frame(c, type, 0, json->str, json->len);
    g_string_free(json, true);
    return true;
}

/*
 * That the guest takes one byte after the other is told when it has taken all
 * of them, or many.
 */
static bool door_ack_due(DoorClient *c, const ShadowWireAccepted *now)
{
    ShadowConsole *con = c->console;

    return c->ack || c->told_accepted != con->in.end ||
           c->told.breaks != now->breaks || now->limit < c->told.limit ||
           (c->told.taken != now->taken &&
            (now->taken == con->in.end || now->taken < c->told.taken ||
             now->taken - c->told.taken >= con->input_size / 4)) ||
           (c->told.limit != now->limit && now->taken == con->in.end);
}

static bool door_say_accepted(DoorClient *c)
{
    g_autoptr(GByteArray) out = NULL;
    ShadowWireAccepted now;

    if (!c->lease) {
        return false;
    }
    now = (ShadowWireAccepted) {
        .taken = c->console->in.start,
        .limit = shadow_keyboard_limit(c->console),
        .breaks = c->console->life.breaks,
    };
    if (!door_ack_due(c, &now)) {
        return false;
    }
    c->ack = false;
    c->told = now;
    c->told_accepted = c->console->in.end;
    out = g_byte_array_new();
    shadow_wire_put_accepted(out, c->lease, c->told_accepted, &now);
    door_client_put(c, out);
    return true;
}

/* What comes next; what was overwritten is skipped, and counted. */
static const uint8_t *door_peek(DoorClient *c, uint32_t *len)
{
    const ShadowRing *ring = &c->console->out;
    ShadowReader *r = &c->reader;

    if (r->position > ring->end) {
        /* a state has come that had less */
        r->position = ring->end;
    }
    if (r->position >= ring->start) {
        return shadow_ring_peek(ring, r->position, len);
    }
    if (r->position < c->console->first.end) {
        return shadow_ring_peek(&c->console->first, r->position, len);
    }
    r->dropped += ring->start - r->position;
    r->position = ring->start;
    return shadow_ring_peek(ring, r->position, len);
}

/*
 * Where there is no chardev, those who read at doors are the only users: what
 * they were sent is sent.
 */
static void door_sent(ShadowConsole *c, uint64_t pos, uint32_t len)
{
    if (!c->user->chr && pos <= c->sent) {
        c->sent = MAX(c->sent, pos + len);
    }
}

static bool door_say_output(DoorClient *c)
{
    ShadowReader *r = &c->reader;
    const uint8_t *run;
    uint64_t pos;
    uint32_t len;

    if (!c->reads) {
        return false;
    }
    run = door_peek(c, &len);
    pos = r->position;
    if (!run) {
        return false;
    }
    len = MIN(len, SHADOW_WIRE_PAYLOAD_MAX);
    r->position += len;
    door_sent(c->console, pos, len);
    door_put_frame(c, SHADOW_WIRE_OUTPUT, pos, run, len);
    return true;
}

bool door_client_say(DoorClient *c)
{
    if (c->error) {
        door_put_error(c);
        c->parting = true;
        return false;
    }
    if (c->parting || !c->console) {
        return false;
    }
    if (!c->welcomed) {
        c->welcomed = true;
        c->news = false;
        return door_say_json(c, SHADOW_WIRE_HELLO, door_hello_json(c));
    }
    if (!c->greeted) {
        return false;
    }
    if (c->lost) {
        door_put_lost(c);
        return true;
    }
    if (c->news) {
        c->news = false;
        return door_say_json(c, SHADOW_WIRE_NOTICE, door_notice_json(c));
    }
    return door_say_accepted(c) || door_say_output(c);
}

/* What it says */

static bool door_hear_hello(DoorClient *c, const ShadowWireFrame *f,
                            const char **why)
{
    ShadowWireHello hello;

    if (c->greeted) {
        *why = "a client says hello once";
        return false;
    }
    if (!shadow_wire_get_hello(f, &hello, why)) {
        return false;
    }
    c->greeted = true;
    c->deadline = 0;
    g_free(c->reader.name);
    c->reader.name = g_strdup(hello.name);
    shadow_readers_changed(&c->console->readers);
    return true;
}

static const char *door_start(DoorClient *c, const ShadowWireStart *start)
{
    const ShadowRing *ring = &c->console->out;
    uint64_t pos = ring->end;

    switch (start->mode) {
    case SHADOW_WIRE_FROM_POSITION:
        if (memcmp(start->life, c->console->life.id, sizeof(start->life))) {
            return "this is another life of the console";
        }
        if (start->count > ring->end) {
            return "the guest has not written as much";
        }
        pos = start->count;
        break;
    case SHADOW_WIRE_FROM_LAST:
        pos = ring->end - MIN(start->count, shadow_ring_used(ring));
        break;
    case SHADOW_WIRE_FROM_FIRST:
        pos = c->console->first.end ? 0 : ring->start;
        break;
    case SHADOW_WIRE_FROM_OLDEST:
        pos = ring->start;
        break;
    default:
        break;
    }
    c->reader.position = pos;
    c->reads = start->mode != SHADOW_WIRE_FROM_NOWHERE;
    return NULL;
}

static bool door_hear_start(DoorClient *c, const ShadowWireFrame *f,
                            const char **why)
{
    ShadowWireStart start;
    const char *refused;

    if (!shadow_wire_get_start(f, &start, why)) {
        return false;
    }
    refused = door_start(c, &start);
    if (refused) {
        door_refuse(c, refused);
    }
    return true;
}

static bool door_hear_keyboard(DoorClient *c, const ShadowWireFrame *f,
                               const char **why)
{
    g_autofree char *text = NULL;
    ShadowWireKeyboard what;

    if (!shadow_wire_get_keyboard(f, &what, why)) {
        return false;
    }
    door_put_lost(c);
    if (!c->console) {
        return true;
    }
    if (what == SHADOW_WIRE_RELEASE) {
        c->lease = 0;
        shadow_keyboard_release(c->console, &c->reader);
        door_put_keyboard(c, "released");
    } else {
        c->lease = shadow_keyboard_take(c->console, &c->reader,
                                        what == SHADOW_WIRE_TAKE_OVER, &text);
        door_put_keyboard(c, text ?: "");
    }
    return true;
}

bool door_client_hear(DoorClient *c, const ShadowWireFrame *f,
                      const char **why)
{
    const char *refused = NULL;

    if (!c->greeted && f->type != SHADOW_WIRE_HELLO) {
        *why = "a client says hello first";
        return false;
    }
    switch (f->type) {
    case SHADOW_WIRE_HELLO:
        return door_hear_hello(c, f, why);
    case SHADOW_WIRE_START:
        return door_hear_start(c, f, why);
    case SHADOW_WIRE_KEYBOARD:
        return door_hear_keyboard(c, f, why);
    case SHADOW_WIRE_INPUT:
        refused = shadow_keyboard_input(c->console, &c->reader, f->lease,
                                        f->position, f->payload, f->len);
        break;
    case SHADOW_WIRE_BREAK:
        refused = shadow_keyboard_break(c->console, &c->reader, f->lease,
                                        f->position,
                                        shadow_wire_get_break(f));
        break;
    default:
        door_put_frame(c, SHADOW_WIRE_PING, 0, f->payload, f->len);
        break;
    }
    if (refused) {
        door_refuse(c, refused);
    }
    return true;
}
