/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doors: several users of one console.
 */
#include "qemu/osdep.h"
#include "shadow-door-user.h"

static QTestState *start(const char *props)
{
    QTestState *qts = shadow_renew_com1();

    door_add(qts, props);
    return qts;
}

static void stop(QTestState *qts)
{
    shadow_object_del(qts, "d1");
}

/* Who comes is told at once where he is, and by whom. */
static void test_hello(void)
{
    QTestState *qts = start(", 'host-name': 'host-a'");
    DoorUser *u = door_connect("door");
    QDict *state = qdict_get_qdict(u->said, "state");

    g_assert_cmpint(qdict_get_int(u->said, "version"), ==, 1);
    g_assert_cmpstr(qdict_get_str(u->said, "guest"), ==, "vm1");
    g_assert_cmpstr(qdict_get_str(u->said, "device"), ==, "com1");
    g_assert_cmpstr(qdict_get_str(u->said, "type"), ==, "shadow-serial");
    g_assert_cmpstr(qdict_get_str(u->said, "host"), ==, "host-a");
    g_assert_cmpstr(qdict_get_str(u->said, "role"), ==, "write");
    g_assert_cmpuint(strlen(qdict_get_str(state, "life")), ==, 32);
    g_assert_cmpstr(qdict_get_str(state, "state"), ==, "active");
    g_assert_true(qdict_get_bool(state, "attached"));
    g_assert_true(qdict_get_bool(state, "input-enabled"));
    g_assert_false(qdict_haskey(state, "writer"));
    g_assert_cmpint(qdict_get_int(state, "clients-total"), ==, 1);
    door_hello(u, "alice");
    door_ping(u);
    door_leave(u);
    stop(qts);
}

/* Two read, one of them types, and each gets all of it once. */
static void test_read_and_write(void)
{
    QTestState *qts = start("");
    DoorUser *alice = door_enter("door", "alice");
    DoorUser *bob = door_enter("door", "bob");

    door_start(alice, SHADOW_WIRE_FROM_END, 0);
    door_ping(alice);
    uart_write(qts, COM1, "login: ");
    door_start(bob, SHADOW_WIRE_FROM_OLDEST, 0);
    door_expect_output(alice, "login: ");
    door_expect_output(bob, "login: ");
    door_take(alice, SHADOW_WIRE_TAKE_FREE);
    door_type(alice, "root\r");
    uart_expect(qts, COM1, "root\r");
    door_expect_accepted(alice, 5, 5);
    uart_write(qts, COM1, "root");
    door_expect_output(alice, "root");
    door_expect_output(bob, "root");
    door_leave(alice);
    door_leave(bob);
    stop(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-door/hello", test_hello);
    qtest_add_func("/shadow-door/read-and-write", test_read_and_write);
    return shadow_test_run();
}
