/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frames that are spoken at a door: made, taken apart and checked.
 */
#include <string.h>
#include "shadow-wire.h"

/* Which fields of the header a frame uses, and what its payload may have */
typedef struct WireKind {
    uint8_t type;
    bool lease, position;
    uint16_t min, max;          /* bytes of payload */
} WireKind;

static const WireKind wire_by_door[] = {
    { SHADOW_WIRE_HELLO, false, false, 2, SHADOW_WIRE_PAYLOAD_MAX },
    { SHADOW_WIRE_NOTICE, false, false, 2, SHADOW_WIRE_PAYLOAD_MAX },
    { SHADOW_WIRE_OUTPUT, false, true, 1, SHADOW_WIRE_PAYLOAD_MAX },
    { SHADOW_WIRE_KEYBOARD, true, true, 0, SHADOW_WIRE_TEXT_MAX },
    { SHADOW_WIRE_ACCEPTED, true, true, SHADOW_WIRE_ACCEPTED_LEN,
      SHADOW_WIRE_ACCEPTED_LEN },
    { SHADOW_WIRE_REFUSED, true, true, 0, SHADOW_WIRE_TEXT_MAX },
    { SHADOW_WIRE_PING, false, false, 0, SHADOW_WIRE_PING_MAX },
    { SHADOW_WIRE_ERROR, false, false, 0, SHADOW_WIRE_TEXT_MAX },
    { }
};

static const WireKind wire_by_client[] = {
    { SHADOW_WIRE_HELLO, false, false, 1, 1 + SHADOW_WIRE_NAME_MAX },
    { SHADOW_WIRE_START, false, true, 1, 1 + SHADOW_WIRE_LIFE_LEN },
    { SHADOW_WIRE_KEYBOARD, false, false, 1, 1 },
    { SHADOW_WIRE_INPUT, true, true, 1, SHADOW_WIRE_PAYLOAD_MAX },
    { SHADOW_WIRE_BREAK, true, true, sizeof(uint64_t), sizeof(uint64_t) },
    { SHADOW_WIRE_PING, false, false, 0, SHADOW_WIRE_PING_MAX },
    { }
};

static const WireKind *wire_kind(ShadowWireSide by, uint8_t type)
{
    const WireKind *kind;

    kind = by == SHADOW_WIRE_BY_DOOR ? wire_by_door : wire_by_client;
    while (kind->type && kind->type != type) {
        kind++;
    }
    return kind->type ? kind : NULL;
}

/* Numbers are big-endian, and stand anywhere. */

static uint64_t wire_get(const uint8_t *p, unsigned size)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < size; i++) {
        val = val << 8 | p[i];
    }
    return val;
}

static void wire_set(uint8_t *p, unsigned size, uint64_t val)
{
    for (unsigned i = size; i; i--) {
        p[i - 1] = val;
        val >>= 8;
    }
}

void shadow_wire_reader_init(ShadowWireReader *r, ShadowWireSide by)
{
    *r = (ShadowWireReader) { .by = by };
}

void shadow_wire_reader_free(ShadowWireReader *r)
{
    g_clear_pointer(&r->payload, g_free);
    r->have = 0;
}

bool shadow_wire_reader_half(const ShadowWireReader *r)
{
    return r->have;
}

static const char *wire_check(ShadowWireSide by, const ShadowWireFrame *f,
                              uint8_t reserved)
{
    const WireKind *kind = wire_kind(by, f->type);

    if (!kind) {
        return "a frame has an unknown type";
    }
    if (reserved) {
        return "a reserved field of a frame is not 0";
    }
    if (f->len < kind->min || f->len > kind->max) {
        return "a frame is longer or shorter than its type may be";
    }
    if ((f->lease && !kind->lease) || (f->position && !kind->position)) {
        return "a field is used by a frame that has none such";
    }
    if (f->position > SHADOW_WIRE_POSITION_MAX) {
        return "a position is out of range";
    }
    return NULL;
}

static void wire_get_header(const uint8_t *h, ShadowWireFrame *f)
{
    *f = (ShadowWireFrame) {
        .type = h[0],
        .len = wire_get(h + 2, 2),
        .lease = wire_get(h + 4, 4),
        .position = wire_get(h + 8, 8),
    };
}

/* Fill up to @size bytes of @to, of which @r has some. */
static void wire_take(ShadowWireReader *r, uint8_t *to, size_t at, size_t size,
                      const uint8_t **buf, size_t *len)
{
    size_t n = MIN(size - at, *len);

    if (n) {
        memcpy(to + at, *buf, n);
    }
    *buf += n;
    *len -= n;
    r->have += n;
}

ShadowWireGot shadow_wire_read(ShadowWireReader *r, const uint8_t **buf,
                               size_t *len, ShadowWireFrame *frame,
                               const char **why)
{
    size_t size;

    if (!r->have) {
        /* the one that was read before is not needed any more */
        g_clear_pointer(&r->payload, g_free);
    }
    if (r->have < SHADOW_WIRE_HEADER) {
        wire_take(r, r->header, r->have, SHADOW_WIRE_HEADER, buf, len);
    }
    if (r->have < SHADOW_WIRE_HEADER) {
        return SHADOW_WIRE_MORE;
    }
    wire_get_header(r->header, frame);
    *why = wire_check(r->by, frame, r->header[1]);
    if (*why) {
        return SHADOW_WIRE_BAD;
    }
    size = SHADOW_WIRE_HEADER + frame->len;
    if (frame->len && !r->payload) {
        r->payload = g_malloc(frame->len);
    }
    wire_take(r, r->payload, r->have - SHADOW_WIRE_HEADER, frame->len, buf,
              len);
    if (r->have < size) {
        return SHADOW_WIRE_MORE;
    }
    frame->payload = r->payload;
    r->have = 0;
    return SHADOW_WIRE_FRAME;
}

void shadow_wire_put_header(uint8_t out[SHADOW_WIRE_HEADER],
                            const ShadowWireFrame *frame)
{
    out[0] = frame->type;
    out[1] = 0;
    wire_set(out + 2, 2, frame->len);
    wire_set(out + 4, 4, frame->lease);
    wire_set(out + 8, 8, frame->position);
}

void shadow_wire_put(GByteArray *out, const ShadowWireFrame *frame)
{
    uint8_t header[SHADOW_WIRE_HEADER];

    shadow_wire_put_header(header, frame);
    g_byte_array_append(out, header, sizeof(header));
    g_byte_array_append(out, frame->payload, frame->len);
}

bool shadow_wire_name_valid(const char *name, size_t len)
{
    const char *end = name + len;

    if (len > SHADOW_WIRE_NAME_MAX || !g_utf8_validate(name, len, NULL)) {
        return false;
    }
    for (; name < end; name = g_utf8_next_char(name)) {
        if (!g_unichar_isprint(g_utf8_get_char(name))) {
            return false;
        }
    }
    return true;
}

/* Frames of a client */

void shadow_wire_put_hello(GByteArray *out, const char *name)
{
    uint8_t payload[1 + SHADOW_WIRE_NAME_MAX] = { SHADOW_WIRE_VERSION };
    size_t len = MIN(strlen(name), SHADOW_WIRE_NAME_MAX);

    memcpy(payload + 1, name, len);
    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = SHADOW_WIRE_HELLO, .len = 1 + len, .payload = payload });
}

void shadow_wire_put_start(GByteArray *out, const ShadowWireStart *start)
{
    uint8_t payload[1 + SHADOW_WIRE_LIFE_LEN] = { start->mode };
    bool life = start->mode == SHADOW_WIRE_FROM_POSITION;

    memcpy(payload + 1, start->life, SHADOW_WIRE_LIFE_LEN);
    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = SHADOW_WIRE_START, .len = life ? sizeof(payload) : 1,
        .position = start->count, .payload = payload });
}

void shadow_wire_put_keyboard(GByteArray *out, ShadowWireKeyboard what)
{
    uint8_t payload = what;

    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = SHADOW_WIRE_KEYBOARD, .len = 1, .payload = &payload });
}

void shadow_wire_put_break(GByteArray *out, uint32_t lease, uint64_t position,
                           uint64_t number)
{
    uint8_t payload[sizeof(uint64_t)];

    wire_set(payload, sizeof(payload), number);
    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = SHADOW_WIRE_BREAK, .len = sizeof(payload), .lease = lease,
        .position = position, .payload = payload });
}

bool shadow_wire_get_hello(const ShadowWireFrame *f, ShadowWireHello *hello,
                           const char **why)
{
    const char *name = (const char *)f->payload + 1;
    size_t len = f->len - 1;

    *hello = (ShadowWireHello) { .version = f->payload[0] };
    if (hello->version != SHADOW_WIRE_VERSION) {
        *why = "this door speaks version 1 only";
        return false;
    }
    if (!shadow_wire_name_valid(name, len)) {
        *why = "a name has to be printable UTF-8";
        return false;
    }
    memcpy(hello->name, name, len);
    return true;
}

bool shadow_wire_get_start(const ShadowWireFrame *f, ShadowWireStart *start,
                           const char **why)
{
    bool life = f->payload[0] == SHADOW_WIRE_FROM_POSITION;
    bool count = life || f->payload[0] == SHADOW_WIRE_FROM_LAST;

    *start = (ShadowWireStart) {
        .mode = f->payload[0], .count = f->position };
    if (!strchr("plfben", f->payload[0]) || !f->payload[0] ||
        f->len != 1 + (life ? SHADOW_WIRE_LIFE_LEN : 0) ||
        (f->position && !count)) {
        *why = "a start makes no sense";
        return false;
    }
    if (life) {
        memcpy(start->life, f->payload + 1, SHADOW_WIRE_LIFE_LEN);
    }
    return true;
}

bool shadow_wire_get_keyboard(const ShadowWireFrame *f,
                              ShadowWireKeyboard *what, const char **why)
{
    *what = f->payload[0];
    if (*what != SHADOW_WIRE_TAKE_FREE && *what != SHADOW_WIRE_TAKE_OVER &&
        *what != SHADOW_WIRE_RELEASE) {
        *why = "the keyboard can be taken, taken over and released";
        return false;
    }
    return true;
}

uint64_t shadow_wire_get_break(const ShadowWireFrame *f)
{
    return wire_get(f->payload, sizeof(uint64_t));
}

/* Frames of a door */

void shadow_wire_put_accepted(GByteArray *out, uint32_t lease,
                              uint64_t position, const ShadowWireAccepted *a)
{
    uint8_t payload[SHADOW_WIRE_ACCEPTED_LEN];

    wire_set(payload, 8, a->taken);
    wire_set(payload + 8, 8, a->limit);
    wire_set(payload + 16, 8, a->breaks);
    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = SHADOW_WIRE_ACCEPTED, .len = sizeof(payload), .lease = lease,
        .position = position, .payload = payload });
}

void shadow_wire_put_text(GByteArray *out, ShadowWireType type, uint32_t lease,
                          uint64_t position, const char *text)
{
    size_t len = MIN(strlen(text), SHADOW_WIRE_TEXT_MAX);

    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = type, .len = len, .lease = lease, .position = position,
        .payload = (const uint8_t *)text });
}

void shadow_wire_get_accepted(const ShadowWireFrame *f, ShadowWireAccepted *a)
{
    *a = (ShadowWireAccepted) {
        .taken = wire_get(f->payload, 8),
        .limit = wire_get(f->payload + 8, 8),
        .breaks = wire_get(f->payload + 16, 8),
    };
}

char *shadow_wire_get_text(const ShadowWireFrame *f)
{
    char *text = g_utf8_make_valid((const char *)f->payload ?: "", f->len);
    GString *out = g_string_new("");

    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
    }
    g_free(text);
    return g_string_free(out, false);
}
