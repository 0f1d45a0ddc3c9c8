/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frames that are spoken at a door.
 */
#include "qemu/osdep.h"
#include "shadow/hw/char/shadow-wire.h"

/* All of @out by a reader that is fed @step bytes at a time */
static unsigned read_all(ShadowWireSide by, const GByteArray *out, size_t step,
                         ShadowWireFrame *last, GByteArray *payload)
{
    ShadowWireReader r;
    unsigned n = 0;

    shadow_wire_reader_init(&r, by);
    for (size_t at = 0; at < out->len; at += step) {
        const uint8_t *buf = out->data + at;
        size_t len = MIN(step, out->len - at);
        ShadowWireFrame f;
        const char *why;
        ShadowWireGot got;

        while ((got = shadow_wire_read(&r, &buf, &len, &f, &why)) ==
               SHADOW_WIRE_FRAME) {
            n++;
            *last = f;
            g_byte_array_set_size(payload, 0);
            g_byte_array_append(payload, f.payload, f.len);
        }
        g_assert_cmpint(got, ==, SHADOW_WIRE_MORE);
        g_assert_cmpint(len, ==, 0);
    }
    g_assert_false(shadow_wire_reader_half(&r));
    shadow_wire_reader_free(&r);
    return n;
}

static void test_pieces(void)
{
    static const size_t steps[] = { 1, 7, 16, 17, 5000, 100000 };
    g_autofree uint8_t *bytes = g_malloc(SHADOW_WIRE_PAYLOAD_MAX);
    g_autoptr(GByteArray) out = g_byte_array_new();

    for (unsigned i = 0; i < SHADOW_WIRE_PAYLOAD_MAX; i++) {
        bytes[i] = i * 7;
    }
    shadow_wire_put_hello(out, "alice");
    shadow_wire_put_keyboard(out, SHADOW_WIRE_TAKE_FREE);
    shadow_wire_put(out, &(ShadowWireFrame) { .type = SHADOW_WIRE_PING });
    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = SHADOW_WIRE_INPUT, .lease = 0x01020304,
        .position = 0x1122334455667788, .len = SHADOW_WIRE_PAYLOAD_MAX,
        .payload = bytes });
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        g_autoptr(GByteArray) payload = g_byte_array_new();
        ShadowWireFrame f;

        g_assert_cmpint(read_all(SHADOW_WIRE_BY_CLIENT, out, steps[i], &f,
                                 payload), ==, 4);
        g_assert_cmpint(f.type, ==, SHADOW_WIRE_INPUT);
        g_assert_cmphex(f.lease, ==, 0x01020304);
        g_assert_cmphex(f.position, ==, 0x1122334455667788);
        g_assert_cmpmem(payload->data, payload->len, bytes,
                        SHADOW_WIRE_PAYLOAD_MAX);
    }
}

/* As it stands in docs/door.rst, byte for byte */
static void test_layout(void)
{
    static const uint8_t expect[] = {
        'B', 0, 0, 8, 0, 0, 1, 2, 0, 0, 0, 0, 0, 3, 4, 5,
        0, 0, 0, 0, 0, 0, 6, 7,
        'A', 0, 0, 24, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 10,
        0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2,
        0, 0, 0, 0, 0, 0, 0, 3,
        'G', 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
        'l',
        'H', 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        1, 'm', 'e',
    };
    g_autoptr(GByteArray) out = g_byte_array_new();

    shadow_wire_put_break(out, 0x102, 0x030405, 0x607);
    shadow_wire_put_accepted(out, 9, 10, &(ShadowWireAccepted) {
        .taken = 1, .limit = 2, .breaks = 3 });
    shadow_wire_put_start(out, &(ShadowWireStart) {
        .mode = SHADOW_WIRE_FROM_LAST, .count = 256 });
    shadow_wire_put_hello(out, "me");
    g_assert_cmpmem(out->data, out->len, expect, sizeof(expect));
}

typedef struct Header {
    const char *what;
    uint8_t byte[SHADOW_WIRE_HEADER];
    ShadowWireSide by;
} Header;

/* Refused by the header alone, before a byte of payload has come */
static const Header bad_headers[] = {
    { "no type", { 0 }, SHADOW_WIRE_BY_CLIENT },
    { "a type of the door's", { 'O', 0, 0, 1 }, SHADOW_WIRE_BY_CLIENT },
    { "a type of the client's", { 'I', 0, 0, 1 }, SHADOW_WIRE_BY_DOOR },
    { "reserved", { 'P', 1 }, SHADOW_WIRE_BY_CLIENT },
    { "long ping", { 'P', 0, 0, 65 }, SHADOW_WIRE_BY_CLIENT },
    { "long hello", { 'H', 0, 0, 66 }, SHADOW_WIRE_BY_CLIENT },
    { "empty hello", { 'H' }, SHADOW_WIRE_BY_CLIENT },
    { "empty input", { 'I' }, SHADOW_WIRE_BY_CLIENT },
    { "long input", { 'I', 0, 0x40, 1 }, SHADOW_WIRE_BY_CLIENT },
    { "longest input", { 'I', 0, 0xff, 0xff }, SHADOW_WIRE_BY_CLIENT },
    { "short break", { 'B', 0, 0, 7 }, SHADOW_WIRE_BY_CLIENT },
    { "long start", { 'G', 0, 0, 18 }, SHADOW_WIRE_BY_CLIENT },
    { "lease", { 'P', 0, 0, 0, 0, 0, 0, 1 }, SHADOW_WIRE_BY_CLIENT },
    { "position", { 'W', 0, 0, 1, [15] = 1 }, SHADOW_WIRE_BY_CLIENT },
    { "position that wraps", { 'I', 0, 0, 1, [8] = 0x80 },
      SHADOW_WIRE_BY_CLIENT },
    { "short accepted", { 'A', 0, 0, 23 }, SHADOW_WIRE_BY_DOOR },
    { "long text", { 'E', 0, 4, 1 }, SHADOW_WIRE_BY_DOOR },
    { "long output", { 'O', 0, 0x40, 1 }, SHADOW_WIRE_BY_DOOR },
};

static void test_bad_header(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(bad_headers); i++) {
        const Header *h = &bad_headers[i];
        const uint8_t *buf = h->byte;
        size_t len = SHADOW_WIRE_HEADER;
        ShadowWireReader r;
        ShadowWireFrame f;
        const char *why = NULL;

        g_test_message("%s", h->what);
        shadow_wire_reader_init(&r, h->by);
        g_assert_cmpint(shadow_wire_read(&r, &buf, &len, &f, &why), ==,
                        SHADOW_WIRE_BAD);
        g_assert_nonnull(why);
        g_assert_null(r.payload);
        shadow_wire_reader_free(&r);
    }
}

typedef struct Payload {
    ShadowWireType type;
    const char *bytes;
    unsigned len;
    uint64_t position;
    bool good;
} Payload;

static const Payload payloads[] = {
    { 'H', "\1", 1, 0, true },
    { 'H', "\1Ali\xc3\xa7""e", 7, 0, true },
    { 'H', "\2Alice", 6, 0, false },
    { 'H', "\0Alice", 6, 0, false },
    { 'H', "\1Al\xff", 4, 0, false },
    { 'H', "\1A\033[", 4, 0, false },
    { 'H', "\1A\0b", 4, 0, false },
    { 'G', "e", 1, 0, true },
    { 'G', "e", 1, 1, false },
    { 'G', "l", 1, 77, true },
    { 'G', "x", 1, 0, false },
    { 'G', "\0", 1, 0, false },
    { 'G', "p", 1, 0, false },
    { 'G', "p0123456789abcdef", 17, 5, true },
    { 'G', "p0123456789abcde", 16, 5, false },
    { 'G', "e0123456789abcdef", 17, 0, false },
    { 'W', "t", 1, 0, true },
    { 'W', "f", 1, 0, true },
    { 'W', "r", 1, 0, true },
    { 'W', "x", 1, 0, false },
};

static void test_payload(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(payloads); i++) {
        const Payload *p = &payloads[i];
        ShadowWireFrame f = {
            .type = p->type, .len = p->len, .position = p->position,
            .payload = (const uint8_t *)p->bytes,
        };
        ShadowWireHello hello;
        ShadowWireStart start;
        ShadowWireKeyboard what;
        const char *why = NULL;
        bool good;

        g_test_message("%u", i);
        if (p->type == 'H') {
            good = shadow_wire_get_hello(&f, &hello, &why);
        } else if (p->type == 'G') {
            good = shadow_wire_get_start(&f, &start, &why);
        } else {
            good = shadow_wire_get_keyboard(&f, &what, &why);
        }
        g_assert_cmpint(good, ==, p->good);
        g_assert_cmpint(!why, ==, p->good);
    }
}

/* A person reads it: nothing in it drives a terminal. */
static void test_text(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autofree char *longest = g_strnfill(2 * SHADOW_WIRE_TEXT_MAX, 'x');
    g_autofree char *text = NULL;
    ShadowWireFrame f;

    shadow_wire_put_text(out, SHADOW_WIRE_ERROR, 0, 0, longest);
    g_assert_cmpint(out->len, ==, SHADOW_WIRE_HEADER + SHADOW_WIRE_TEXT_MAX);
    g_byte_array_set_size(out, 0);
    shadow_wire_put_text(out, SHADOW_WIRE_REFUSED, 3, 4, "a\033[31mb\xff\n");
    g_assert_cmpint(read_all(SHADOW_WIRE_BY_DOOR, out, 3, &f, payload), ==, 1);
    f.payload = payload->data;
    text = shadow_wire_get_text(&f);
    g_assert_cmpstr(text, ==, "a?[31mb\xef\xbf\xbd?");
}

/* Whatever comes: no byte beyond what is given, and no end of it. */
static void test_random(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        uint8_t bytes[256];
        const uint8_t *buf = bytes;
        size_t len = sizeof(bytes);
        ShadowWireReader r;
        ShadowWireFrame f;
        const char *why;

        for (unsigned i = 0; i < sizeof(bytes); i++) {
            bytes[i] = g_test_rand_int_range(0, 4) ? 0 :
                       g_test_rand_int_range(0, 256);
        }
        bytes[0] = "HGWIBP"[g_test_rand_int_range(0, 6)];
        shadow_wire_reader_init(&r, SHADOW_WIRE_BY_CLIENT);
        while (shadow_wire_read(&r, &buf, &len, &f, &why) ==
               SHADOW_WIRE_FRAME) {
            g_assert_cmpint(f.len, <=, SHADOW_WIRE_PAYLOAD_MAX);
        }
        shadow_wire_reader_free(&r);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow-wire/pieces", test_pieces);
    g_test_add_func("/shadow-wire/layout", test_layout);
    g_test_add_func("/shadow-wire/bad-header", test_bad_header);
    g_test_add_func("/shadow-wire/payload", test_payload);
    g_test_add_func("/shadow-wire/text", test_text);
    g_test_add_func("/shadow-wire/random", test_random);
    return g_test_run();
}
