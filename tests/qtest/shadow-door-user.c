/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of a door, as the tests play it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "shadow-door-user.h"

void door_add(QTestState *qts, const char *props)
{
    g_autofree char *path = shadow_path("door");
    g_autofree char *json = NULL;

    json = g_strdup_printf("{ 'execute': 'object-add', 'arguments': {"
                           " 'qom-type': 'shadow-door', 'id': 'd1',"
                           " 'guest': 'vm1', 'device': 'com1',"
                           " 'addr': 'unix:%s'%s } }", path, props);
    qtest_qmp_assert_success(qts, json, NULL);
}

/* What has come next, as far as it is a frame; false at the end */
static bool door_receive(DoorUser *u)
{
    const char *why = NULL;
    ssize_t n;

    for (;;) {
        ShadowWireGot got = shadow_wire_read(&u->wire, &u->next, &u->len,
                                             &u->frame, &why);

        g_assert_cmpstr(why, ==, NULL);
        if (got == SHADOW_WIRE_FRAME) {
            return true;
        }
        n = u->transport ? u->transport->receive(u->transport->opaque, u->buf,
                                                 sizeof(u->buf)) :
                           user_receive(u->fd, (char *)u->buf,
                                        sizeof(u->buf));
        if (n <= 0) {
            return false;
        }
        u->next = u->buf;
        u->len = n;
    }
}

static void door_said(DoorUser *u)
{
    g_autofree char *text = g_strndup((char *)u->frame.payload, u->frame.len);

    qobject_unref(u->said);
    u->said = qobject_to(QDict, qobject_from_json(text, &error_abort));
    g_assert_nonnull(u->said);
}

DoorUser *door_stand_at(int fd, const DoorTransport *transport)
{
    DoorUser *u = g_new0(DoorUser, 1);

    u->fd = fd;
    u->transport = transport;
    shadow_wire_reader_init(&u->wire, SHADOW_WIRE_BY_DOOR);
    return u;
}

DoorUser *door_connect_by(int fd, const DoorTransport *transport)
{
    DoorUser *u = door_stand_at(fd, transport);

    door_expect(u, SHADOW_WIRE_HELLO);
    door_said(u);
    return u;
}

DoorUser *door_connect_fd(int fd)
{
    return door_connect_by(fd, NULL);
}

DoorUser *door_connect(const char *name)
{
    return door_connect_fd(user_connect(name));
}

DoorUser *door_enter(const char *name, const char *user)
{
    DoorUser *u = door_connect(name);

    door_hello(u, user);
    return u;
}

void door_leave(DoorUser *u)
{
    close(u->fd);
    shadow_wire_reader_free(&u->wire);
    qobject_unref(u->said);
    g_free(u);
}

void door_send(DoorUser *u, const GByteArray *frames)
{
    if (u->transport) {
        u->transport->send(u->transport->opaque, frames->data, frames->len);
        return;
    }
    g_assert_cmpint(send(u->fd, frames->data, frames->len, MSG_NOSIGNAL), ==,
                    frames->len);
}

void door_send_frame(DoorUser *u, ShadowWireType type, uint32_t lease,
                     uint64_t position, const void *payload, size_t len)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    shadow_wire_put(out, &(ShadowWireFrame) {
        .type = type, .lease = lease, .position = position,
        .payload = payload, .len = len });
    door_send(u, out);
}

void door_hello(DoorUser *u, const char *user)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    shadow_wire_put_hello(out, user);
    door_send(u, out);
}

void door_type(DoorUser *u, const char *text)
{
    door_send_frame(u, SHADOW_WIRE_INPUT, u->lease, u->accepted, text,
                    strlen(text));
}

void door_start(DoorUser *u, ShadowWireMode mode, uint64_t count)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    shadow_wire_put_start(out, &(ShadowWireStart) {
        .mode = mode, .count = count });
    door_send(u, out);
}

const ShadowWireFrame *door_next(DoorUser *u)
{
    do {
        g_assert_true(door_receive(u));
        if (u->frame.type == SHADOW_WIRE_NOTICE) {
            door_said(u);
        }
    } while (u->frame.type == SHADOW_WIRE_NOTICE);
    return &u->frame;
}

const ShadowWireFrame *door_expect(DoorUser *u, ShadowWireType type)
{
    const ShadowWireFrame *f;

    do {
        f = door_next(u);
        /* how far the guest is comes whenever it gets there */
    } while (f->type != type && f->type == SHADOW_WIRE_ACCEPTED);
    if (f->type != type && f->len) {
        g_test_message("%c: %.*s", f->type, f->len, f->payload);
    }
    g_assert_cmpint(f->type, ==, type);
    return f;
}

void door_expect_text(DoorUser *u, ShadowWireType type, const char *what)
{
    g_autofree char *text = shadow_wire_get_text(door_expect(u, type));

    if (!strstr(text, what)) {
        g_assert_cmpstr(text, ==, what);
    }
}

QDict *door_expect_event(DoorUser *u, const char *event)
{
    do {
        g_assert_true(door_receive(u));
        if (u->frame.type != SHADOW_WIRE_NOTICE) {
            g_test_message("%c instead of %s", u->frame.type, event);
        }
        g_assert_cmpint(u->frame.type, ==, SHADOW_WIRE_NOTICE);
        door_said(u);
    } while (strcmp(qdict_get_str(u->said, "event"), event));
    return qdict_get_qdict(u->said, "state");
}

void door_expect_output(DoorUser *u, const char *text)
{
    size_t len = strlen(text);

    while (len) {
        const ShadowWireFrame *f = door_expect(u, SHADOW_WIRE_OUTPUT);

        g_assert_cmpuint(f->position, ==, u->position);
        g_assert_cmpuint(f->len, <=, len);
        g_assert_cmpmem(f->payload, f->len, text, f->len);
        u->position += f->len;
        text += f->len;
        len -= f->len;
    }
}

void door_expect_accepted(DoorUser *u, uint64_t accepted, uint64_t taken)
{
    ShadowWireAccepted a;

    do {
        const ShadowWireFrame *f = door_expect(u, SHADOW_WIRE_ACCEPTED);

        g_assert_cmpuint(f->lease, ==, u->lease);
        g_assert_cmpuint(f->position, <=, accepted);
        u->accepted = f->position;
        shadow_wire_get_accepted(f, &a);
    } while (u->accepted != accepted || a.taken != taken);
}

void door_expect_end(DoorUser *u)
{
    while (door_receive(u)) {
        g_assert_cmpint(u->frame.type, ==, SHADOW_WIRE_NOTICE);
    }
    door_leave(u);
}

void door_expect_error(DoorUser *u, const char *what)
{
    door_expect_text(u, SHADOW_WIRE_ERROR, what);
    door_expect_end(u);
}

void door_take(DoorUser *u, ShadowWireKeyboard how)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    const ShadowWireFrame *f;

    shadow_wire_put_keyboard(out, how);
    door_send(u, out);
    f = door_expect(u, SHADOW_WIRE_KEYBOARD);
    if (!f->lease) {
        g_test_message("%.*s", f->len, f->payload);
    }
    g_assert_cmpuint(f->lease, !=, 0);
    u->lease = f->lease;
    u->accepted = f->position;
    f = door_expect(u, SHADOW_WIRE_ACCEPTED);
    g_assert_cmpuint(f->lease, ==, u->lease);
    g_assert_cmpuint(f->position, ==, u->accepted);
}

void door_ping(DoorUser *u)
{
    const ShadowWireFrame *f;

    door_send_frame(u, SHADOW_WIRE_PING, 0, 0, "ping", 4);
    f = door_expect(u, SHADOW_WIRE_PING);
    g_assert_cmpmem(f->payload, f->len, "ping", 4);
}

/* Until so many are there, the chardev's user included */
void shadow_wait_clients(QTestState *qts, const char *device, unsigned n)
{
    gint64 end = g_get_monotonic_time() + SHADOW_HANGS_US;

    for (;;) {
        QDict *info = shadow_query_device(qts, device);
        size_t have = qlist_size(qdict_get_qlist(info, "clients"));

        qobject_unref(info);
        if (have == n) {
            return;
        }
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}
