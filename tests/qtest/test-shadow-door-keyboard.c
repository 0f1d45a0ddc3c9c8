/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One at most has the keyboard of a console, and what he types is accepted
 * exactly once.
 */
#include "qemu/osdep.h"
#include "shadow-door-user.h"

static QTestState *start_with(const char *props, const char *door)
{
    QTestState *qts = shadow_renew_com1_with(props);

    door_add(qts, door);
    return qts;
}

static QTestState *start(void)
{
    return start_with("", "");
}

static void stop(QTestState *qts)
{
    shadow_object_del(qts, "d1");
}

static void ask(DoorUser *u, ShadowWireKeyboard what)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    shadow_wire_put_keyboard(out, what);
    door_send(u, out);
}

static void send_break(DoorUser *u, uint64_t position, uint64_t number)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    shadow_wire_put_break(out, u->lease, position, number);
    door_send(u, out);
}

/* Refused, and told how things stand */
static void expect_refused(DoorUser *u, const char *what)
{
    door_expect_text(u, SHADOW_WIRE_REFUSED, what);
    if (u->lease) {
        door_expect(u, SHADOW_WIRE_ACCEPTED);
    }
}

/* It is a matter of leases, not of who was there first. */
static void test_take_over(void)
{
    QTestState *qts = start();
    DoorUser *alice = door_enter("door", "alice");
    DoorUser *bob = door_enter("door", "bob");
    uint32_t old;

    door_take(alice, SHADOW_WIRE_TAKE_FREE);
    old = alice->lease;
    ask(bob, SHADOW_WIRE_TAKE_FREE);
    door_expect_text(bob, SHADOW_WIRE_KEYBOARD, "alice (uid ");
    g_assert_cmpuint(bob->frame.lease, ==, 0);
    door_type(alice, "a");
    door_expect_accepted(alice, 1, 1);
    door_take(bob, SHADOW_WIRE_TAKE_OVER);
    g_assert_cmpuint(bob->lease, !=, old);
    g_assert_cmpuint(bob->accepted, ==, 1);
    door_expect_text(alice, SHADOW_WIRE_KEYBOARD, "taken over by bob (uid ");
    g_assert_cmpuint(alice->frame.lease, ==, 0);

    /* what she typed before she read that is not hers to type any more */
    alice->lease = 0;
    door_send_frame(alice, SHADOW_WIRE_INPUT, old, 1, "x", 1);
    expect_refused(alice, "by this lease");
    door_send_frame(alice, SHADOW_WIRE_INPUT, bob->lease, 1, "x", 1);
    expect_refused(alice, "by this lease");
    door_type(bob, "b");
    door_expect_accepted(bob, 2, 1);
    uart_expect(qts, COM1, "ab");

    ask(bob, SHADOW_WIRE_RELEASE);
    door_expect_text(bob, SHADOW_WIRE_KEYBOARD, "released");
    door_take(alice, SHADOW_WIRE_TAKE_FREE);
    door_leave(alice);
    /* it is free when its holder has gone */
    shadow_wait_clients(qts, "com1", 1);
    door_take(bob, SHADOW_WIRE_TAKE_FREE);
    door_leave(bob);
    stop(qts);
}

/* The chardev's user has it as long as nobody takes it over. */
static void test_chardev(void)
{
    QTestState *qts = start();
    g_autofree char *taken = NULL;
    DoorUser *alice = door_enter("door", "alice");
    int user = user_connect("c0");
    char text[128] = "";

    shadow_wait_connected(qts, "com1", true);
    user_send(user, "u");
    uart_expect(qts, COM1, "u");
    ask(alice, SHADOW_WIRE_TAKE_FREE);
    door_expect_text(alice, SHADOW_WIRE_KEYBOARD, "the chardev's user has");
    door_take(alice, SHADOW_WIRE_TAKE_OVER);
    g_assert_cmpuint(alice->accepted, ==, 1);
    taken = g_strdup_printf("the keyboard was taken over by alice (uid %u)",
                            getuid());
    user_expect_notice(user, taken, 1, 0);

    /* who comes back is told, reads, and is not listened to */
    user = user_connect("c0");
    user_send(user, "later");
    user_receive(user, text, sizeof(text) - 1);
    g_assert_nonnull(strstr(text, "has had the keyboard since"));
    uart_write(qts, COM1, "out");
    user_expect(user, "out");
    door_type(alice, "a");
    uart_expect(qts, COM1, "a");
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 2);
    door_leave(alice);
    uart_expect(qts, COM1, "later");
    close(user);
    stop(qts);
}

/* Both are told, wherever the guest is in its life. */
static const struct {
    const char *state;
    bool saved, committed, unbound, chardev;
} states[] = {
    { "active" },
    { "frozen", true },
    { "gone", true, true },
    { "active", .unbound = true },
    { "active", .chardev = true },
    { "frozen", true, .chardev = true },
};

static void test_take_over_in(unsigned n)
{
    QTestState *qts = start();
    DoorUser *alice = door_enter("door", "alice");
    DoorUser *bob = door_enter("door", "bob");
    int user = states[n].chardev ? user_connect("c0") : -1;

    if (user >= 0) {
        shadow_wait_connected(qts, "com1", true);
    }
    if (states[n].saved) {
        g_byte_array_unref(shadow_envelope(qts, "vm1"));
    }
    if (states[n].committed) {
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    }
    if (states[n].unbound) {
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    }
    shadow_assert_state(qts, "vm1", states[n].state);
    if (user >= 0) {
        char text[128] = "";

        door_take(alice, SHADOW_WIRE_TAKE_OVER);
        user_receive(user, text, sizeof(text) - 1);
        g_assert_nonnull(strstr(text, "the keyboard was taken over by"));
        user_expect_end(user);
    } else {
        door_take(alice, SHADOW_WIRE_TAKE_FREE);
    }
    door_take(bob, SHADOW_WIRE_TAKE_OVER);
    door_expect_text(alice, SHADOW_WIRE_KEYBOARD, "taken over by bob");
    door_type(bob, "x");
    if (!states[n].saved && !states[n].unbound) {
        door_expect_accepted(bob, 1, 1);
    } else {
        expect_refused(bob, "no room");
    }
    door_leave(alice);
    door_leave(bob);
    stop(qts);
}

static void test_states(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
        g_test_message("%u", i);
        test_take_over_in(i);
    }
}

/* With "abc" accepted, and room for 5 more */
static const struct {
    const char *text;
    uint64_t position;
    uint32_t lease;             /* added to the right one */
    const char *refused;
    const char *read;
} inputs[] = {
    { "d", 3, 0, NULL, "abcd" },
    { "abc", 0, 0, NULL, "abc" },
    { "abcde", 0, 0, NULL, "abcde" },
    { "cd", 2, 0, NULL, "abcd" },
    { "b", 1, 0, NULL, "abc" },
    { "d", 4, 0, "missing", "abc" },
    { "d", INT64_MAX, 0, "missing", "abc" },
    { "d", 3, 1, "by this lease", "abc" },
    { "a", 0, 1, "by this lease", "abc" },
    { "defgh", 3, 0, NULL, "abcdefgh" },
    { "defghi", 3, 0, "no room", "abc" },
    { "abcdefghi", 0, 0, "no room", "abc" },
};

static void test_input(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(inputs); i++) {
        QTestState *qts = start_with(",input-size=8", "");
        DoorUser *u = door_enter("door", "alice");

        g_test_message("%u", i);
        /* the guest takes nothing: one byte waits in the UART already */
        door_take(u, SHADOW_WIRE_TAKE_FREE);
        port_out(qts, COM1 + UART_MCR, 0x10);
        door_type(u, "abc");
        door_expect_accepted(u, 3, 0);
        door_send_frame(u, SHADOW_WIRE_INPUT, u->lease + inputs[i].lease,
                        inputs[i].position, inputs[i].text,
                        strlen(inputs[i].text));
        if (inputs[i].refused) {
            expect_refused(u, inputs[i].refused);
        }
        door_send_frame(u, SHADOW_WIRE_PING, 0, 0, NULL, 0);
        while (door_next(u)->type != SHADOW_WIRE_PING) {
            g_assert_cmpint(u->frame.type, ==, SHADOW_WIRE_ACCEPTED);
        }
        g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==,
                         strlen(inputs[i].read));
        port_out(qts, COM1 + UART_MCR, 0);
        uart_expect(qts, COM1, inputs[i].read);
        door_leave(u);
        stop(qts);
    }
}

/* A BREAK has a place among the bytes, and a number. */
static void test_break(void)
{
    QTestState *qts = start();
    DoorUser *u = door_enter("door", "alice");

    door_take(u, SHADOW_WIRE_TAKE_FREE);
    port_out(qts, COM1 + UART_MCR, 0x10);
    door_type(u, "ab");
    door_expect_accepted(u, 2, 0);
    send_break(u, 1, 0);
    expect_refused(u, "missing");
    send_break(u, 3, 0);
    expect_refused(u, "missing");
    send_break(u, 2, 1);
    expect_refused(u, "missing");
    send_break(u, 2, 0);
    door_expect(u, SHADOW_WIRE_ACCEPTED);
    /* once more, as after a connection that broke */
    send_break(u, 2, 0);
    door_ping(u);
    door_type(u, "c");
    door_expect_accepted(u, 3, 0);
    port_out(qts, COM1 + UART_MCR, 0);
    uart_expect(qts, COM1, "ab");
    uart_wait(qts, COM1, LSR_BI);
    port_in(qts, COM1 + UART_DATA);
    uart_expect(qts, COM1, "c");
    g_assert_cmphex(port_in(qts, COM1 + UART_LSR) & LSR_BI, ==, 0);
    /* breaks do not wait without end */
    port_out(qts, COM1 + UART_MCR, 0x10);
    for (unsigned i = 1; i <= 8; i++) {
        send_break(u, 3, i);
        door_expect(u, SHADOW_WIRE_ACCEPTED);
    }
    send_break(u, 3, 9);
    expect_refused(u, "no room");
    door_leave(u);
    stop(qts);
}

/* Who comes by a door for readers types nothing. */
static void test_role(void)
{
    QTestState *qts = start_with("", ", 'role': 'read'");
    DoorUser *u = door_enter("door", "eve");

    ask(u, SHADOW_WIRE_TAKE_FREE);
    door_expect_text(u, SHADOW_WIRE_KEYBOARD, "for readers");
    ask(u, SHADOW_WIRE_TAKE_OVER);
    door_expect_text(u, SHADOW_WIRE_KEYBOARD, "for readers");
    door_send_frame(u, SHADOW_WIRE_INPUT, 0, 0, "x", 1);
    expect_refused(u, "for readers");
    door_send_frame(u, SHADOW_WIRE_INPUT, 1, 0, "x", 1);
    expect_refused(u, "for readers");
    send_break(u, 0, 0);
    expect_refused(u, "for readers");
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 0);
    door_leave(u);
    stop(qts);
}

/* Nothing is read while the guest is not bound, and the lease has ended. */
static void test_detached(void)
{
    QTestState *qts = start();
    DoorUser *u = door_enter("door", "alice");
    uint32_t old;

    door_take(u, SHADOW_WIRE_TAKE_FREE);
    old = u->lease;
    port_out(qts, COM1 + UART_MCR, 0x10);
    door_type(u, "ab");
    door_expect_accepted(u, 2, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    door_expect_text(u, SHADOW_WIRE_KEYBOARD, "detached");
    u->lease = 0;
    g_assert_false(qdict_get_bool(door_expect_event(u, "detached"),
                                  "attached"));
    shadow_bind(qts, "vm1", SHADOW_PROCESS + 0x1000, 1);
    door_expect_event(u, "attached");
    door_send_frame(u, SHADOW_WIRE_INPUT, old, 2, "c", 1);
    expect_refused(u, "by this lease");
    /* what waits is not given to another before someone has come since */
    port_out(qts, COM1 + UART_MCR, 0);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 0);
    door_take(u, SHADOW_WIRE_TAKE_FREE);
    uart_expect(qts, COM1, "ab");
    door_leave(u);
    stop(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-door/take-over", test_take_over);
    qtest_add_func("/shadow-door/chardev", test_chardev);
    qtest_add_func("/shadow-door/states", test_states);
    qtest_add_func("/shadow-door/input", test_input);
    qtest_add_func("/shadow-door/break", test_break);
    qtest_add_func("/shadow-door/role", test_role);
    qtest_add_func("/shadow-door/detached", test_detached);
    return shadow_test_run();
}
