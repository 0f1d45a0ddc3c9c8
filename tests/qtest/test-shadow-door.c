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

#define MSR_DDCD 0x08
#define MSR_DCD  0x80

/* The chip looks at its lines in the guest's time. */
static void wait_msr(QTestState *qts, uint8_t bits, uint8_t value)
{
    gint64 end = g_get_monotonic_time() + SHADOW_HANGS_US;

    while ((port_in(qts, COM1 + UART_MSR) & bits) != value) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        qtest_clock_step(qts, 1000000);
        g_usleep(1000);
    }
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

/* On the command line, before there is a guest or a device */
static void test_command_line(void)
{
    QTestState *qts = shadow_start("", "-object shadow-door,id=d1,guest=vm1,"
                                   "device=com1,addr=unix:%s/early,role=read,"
                                   "max-clients=3,idle-timeout=100,"
                                   "websocket=off " SHADOW_COM1, shadow_dir,
                                   shadow_dir);
    DoorUser *u = door_connect("early");

    g_assert_cmpstr(qdict_get_str(u->said, "role"), ==, "read");
    door_leave(u);
    shadow_qmp_refused(qts, "cannot be changed",
                       "{ 'execute': 'qom-set', 'arguments': { 'path':"
                       " '/objects/d1', 'property': 'role',"
                       " 'value': 'write' } }");
    qtest_quit(qts);
}

#define DOOR_WEB "'addr': 'unix:x', 'websocket': true, "

/* What cannot be is refused, with a reason. */
static void test_options(void)
{
    static const struct {
        const char *props, *refused;
    } options[] = {
        { "'addr': 'nowhere'", "nowhere" },
        { "'addr': 'unix:/nowhere/door'", "/nowhere/door" },
        { "'addr': 'unix:x', 'max-clients': 0", "max-clients must be" },
        { "'addr': 'unix:x', 'max-clients': 10001", "max-clients must be" },
        { "'addr': 'unix:x', 'tls-authz': 'a'", "tls-authz needs tls-creds" },
        { "'addr': 'unix:x', 'tls-creds': 'key0'", "no TLS credentials" },
        { "'addr': 'unix:x', 'role': 'own'", "own" },
        { "'addr': 'unix:x', 'origin': 'https://a'", "needs websocket=on" },
        { DOOR_WEB "'origin': ''", "origin is empty" },
        { DOOR_WEB "'origin': 'null'", "origin 'null' is not" },
        { DOOR_WEB "'origin': '*'", "origin '*' is not" },
        { DOOR_WEB "'origin': '://a'", "is not SCHEME" },
        { DOOR_WEB "'origin': 'https://'", "is not SCHEME" },
        { DOOR_WEB "'origin': 'https://a https://b/'", "'https://b/' is not" },
    };
    QTestState *qts = shadow_renew_com1();

    for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
        g_autofree char *json = g_strdup_printf(
            "{ 'execute': 'object-add', 'arguments': {"
            " 'qom-type': 'shadow-door', 'id': 'd1', 'guest': 'vm1',"
            " 'device': 'com1', %s } }", options[i].props);

        shadow_qmp_refused(qts, options[i].refused, json, NULL);
    }
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

/* The first bytes are kept, here and there, however much comes after them. */
static void expect_first(QTestState *qts, const char *door)
{
    DoorUser *u = door_enter(door, "late");
    g_autofree char *text = shadow_pattern(300);
    const ShadowWireFrame *f;

    door_start(u, SHADOW_WIRE_FROM_FIRST, 0);
    f = door_expect(u, SHADOW_WIRE_OUTPUT);
    g_assert_cmpuint(f->position, ==, 0);
    g_assert_cmpmem(f->payload, f->len, text, 100);
    u->position = 300 - 128;
    door_expect_output(u, text + u->position);
    u->position = 300 - 128;
    door_start(u, SHADOW_WIRE_FROM_OLDEST, 0);
    door_expect_output(u, text + u->position);
    g_assert_cmpuint(shadow_count(qts, "com1", "first"), ==, 100);
    door_leave(u);
}

static void test_first(void)
{
    QTestState *from = shadow_renew_com1_with(",output-size=128,"
                                              "first-size=100");
    QTestState *to = shadow_start_incoming(",output-size=128,first-size=100");
    QTestState *small = shadow_start_incoming(",output-size=128,first-size=99");
    g_autofree char *text = shadow_pattern(300);
    g_autofree char *path = g_strdup_printf("unix:%s/door2", shadow_dir);
    g_autoptr(GByteArray) env = NULL;

    door_add(from, "");
    uart_write(from, COM1, text);
    expect_first(from, "door");
    env = shadow_envelope(from, "vm1");
    g_assert_cmpint(shadow_restore(to, "vm1", env->data, env->len), ==, 0);
    qtest_qmp_assert_success(to, "{ 'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'shadow-door', 'id': 'd2',"
                             " 'guest': 'vm1', 'device': 'com1',"
                             " 'addr': %s } }", path);
    expect_first(to, "door2");
    /* one that keeps fewer has none */
    g_assert_cmpint(shadow_restore(small, "vm1", env->data, env->len), ==, 0);
    g_assert_cmpuint(shadow_count(small, "com1", "first"), ==, 0);
    qtest_quit(to);
    qtest_quit(small);
    stop(from);
}

/* A console that takes no input says so, and does not. */
static void test_no_input(void)
{
    QTestState *qts = shadow_renew_com1_with(",input=off");
    int user = user_connect("c0");
    g_autoptr(GByteArray) out = g_byte_array_new();
    DoorUser *u;

    door_add(qts, "");
    user_send(user, "x");
    u = door_enter("door", "alice");
    g_assert_false(qdict_get_bool(qdict_get_qdict(u->said, "state"),
                                  "input-enabled"));
    shadow_wire_put_keyboard(out, SHADOW_WIRE_TAKE_OVER);
    door_send(u, out);
    door_expect_text(u, SHADOW_WIRE_KEYBOARD, "takes no input");
    g_assert_cmpuint(u->frame.lease, ==, 0);
    uart_write(qts, COM1, "out");
    user_expect(user, "out");
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 0);
    door_leave(u);
    close(user);
    stop(qts);
}

/* The guest sees the carrier fall when the last who could type has gone. */
static void test_hangup(void)
{
    QTestState *qts = shadow_renew_com1_with(",hangup=last-writer");
    DoorUser *alice, *bob;
    int user;

    door_add(qts, "");
    alice = door_enter("door", "alice");
    bob = door_enter("door", "bob");
    port_in(qts, COM1 + UART_MSR);
    door_take(alice, SHADOW_WIRE_TAKE_FREE);
    door_take(bob, SHADOW_WIRE_TAKE_OVER);
    door_leave(alice);
    shadow_wait_clients(qts, "com1", 1);
    g_assert_cmphex(port_in(qts, COM1 + UART_MSR) & (MSR_DCD | MSR_DDCD), ==,
                    MSR_DCD);
    door_leave(bob);
    wait_msr(qts, MSR_DCD, 0);
    wait_msr(qts, MSR_DCD, MSR_DCD);

    user = user_connect("c0");
    shadow_wait_connected(qts, "com1", true);
    close(user);
    wait_msr(qts, MSR_DCD, 0);
    wait_msr(qts, MSR_DCD, MSR_DCD);
    stop(qts);
}

/* Or when he has typed nothing for so long */
static void test_hangup_idle(void)
{
    QTestState *qts = shadow_renew_com1_with(",hangup=idle=1");
    DoorUser *u;

    door_add(qts, "");
    u = door_enter("door", "alice");
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    door_type(u, "x");
    wait_msr(qts, MSR_DCD, 0);
    door_expect(u, SHADOW_WIRE_ACCEPTED);
    door_expect_event(u, "hangup");
    wait_msr(qts, MSR_DCD, MSR_DCD);
    door_leave(u);
    stop(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-door/hello", test_hello);
    qtest_add_func("/shadow-door/command-line", test_command_line);
    qtest_add_func("/shadow-door/options", test_options);
    qtest_add_func("/shadow-door/read-and-write", test_read_and_write);
    qtest_add_func("/shadow-door/first", test_first);
    qtest_add_func("/shadow-door/no-input", test_no_input);
    qtest_add_func("/shadow-door/hangup", test_hangup);
    qtest_add_func("/shadow-door/hangup-idle", test_hangup_idle);
    return shadow_test_run();
}
