/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes back with a snapshot, and what does not.  That one is refused
 * unless it is allowed is in test-shadow-purpose.c.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define FCR_ENABLE_14 0xc1
#define FIFO_TAKES 14           /* up to its trigger level */

static void expect_notice(int user, unsigned input, unsigned output)
{
    user_expect_notice(user, "went back to a snapshot", input, output);
}

/* Back in place */

/*
 * The machine goes back: its registers, and what its FIFO held.  What the user
 * has typed since and no guest has read, and what was printed, does not.
 */
static void test_in_place(void)
{
    QTestState *qts = shadow_start_com1_with(",snapshots=on");
    int user = user_connect("c0");
    g_autoptr(GByteArray) env = NULL;

    shadow_expect_connected(qts, 0, 0);
    port_out(qts, COM1 + UART_FCR, FCR_ENABLE_14);
    port_out(qts, COM1 + UART_SCR, 0x11);
    uart_write(qts, COM1, "before,");
    user_expect(user, "before,");
    user_send(user, "abc");
    shadow_wait_count(qts, "com1", "input-taken", 3);
    env = shadow_snapshot(qts);

    uart_expect(qts, COM1, "abc");
    port_out(qts, COM1 + UART_SCR, 0x22);
    uart_write(qts, COM1, "after");
    user_expect(user, "after");
    user_send(user, "0123456789abcdqueued");
    shadow_wait_count(qts, "com1", "input-accepted", 3 + FIFO_TAKES + 6);
    shadow_wait_count(qts, "com1", "input-taken", 3 + FIFO_TAKES);
    uart_write(qts, COM1, "unread");
    shadow_wait_count(qts, "com1", "output-sent", 18);

    g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
    shadow_assert_state(qts, "vm1", "active");
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x11);
    user_expect(user, "unread");
    expect_notice(user, 23, 18);
    uart_expect(qts, COM1, "abcqueued");
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 23);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 23);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 18);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-dropped"), ==, 0);

    /* the user is told once, and goes on where things stood */
    uart_write(qts, COM1, "new");
    user = user_connect("c0");
    shadow_expect_connected(qts, 23, 18);
    user_expect(user, "new");
    user_send(user, "more");
    uart_expect(qts, COM1, "more");
    user_expect_nothing(user);
    close(user);
    qtest_quit(qts);
}

/* Nobody is there: who comes next is told. */
static void test_told_later(void)
{
    QTestState *qts = shadow_start_com1_with(",snapshots=on");
    g_autoptr(GByteArray) env = NULL;
    int user;

    uart_write(qts, COM1, "out");
    env = shadow_snapshot(qts);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
    }
    expect_notice(user_connect("c0"), 0, 0);
    user = user_connect("c0");
    shadow_expect_connected(qts, 0, 0);
    user_expect(user, "out");
    user_expect_nothing(user);
    close(user);
    qtest_quit(qts);
}

/* A transport that cannot hang up goes on after the line. */
static void test_no_hang_up(void)
{
    g_autofree char *path = shadow_path("out");
    g_autofree char *text = NULL;
    g_autoptr(GByteArray) env = NULL;
    QTestState *qts;

    qts = shadow_start(",snapshots=on", "-chardev file,id=c0,path=%s "
                       "-device shadow-serial,id=com1,guest=vm1,chardev=c0",
                       path);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    env = shadow_snapshot(qts);
    uart_write(qts, COM1, "before");
    shadow_wait_count(qts, "com1", "output-sent", 6);
    g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
    uart_write(qts, COM1, "after");
    shadow_wait_count(qts, "com1", "output-sent", 11);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "before\r\n[shadow-serial vm1/com1: went back "
                    "to a snapshot, input=0 output=6]\r\nafter");
    qtest_quit(qts);
}

/* The line to an agent that knows the edges of before */
static void test_interrupt(void)
{
    QTestState *qts = shadow_start_com1_with(",snapshots=on");
    g_autoptr(GByteArray) env = NULL;

    port_out(qts, COM1 + UART_MCR, 8);
    port_out(qts, COM1 + UART_IER, 2);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    env = shadow_snapshot(qts);
    port_out(qts, COM1 + UART_IER, 0);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 0);
    g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    qtest_quit(qts);
}

/* A snapshot of other devices changes nothing. */
static void test_half_fitting(void)
{
    QTestState *qts = shadow_start_com1_with(",snapshots=on");
    int user = user_connect("c0");
    g_autoptr(GByteArray) env = shadow_snapshot(qts);

    qtest_qmp_device_add(qts, "shadow-serial", "com2", "{'guest': 'vm1', "
                         "'iobase': %d, 'irq': 3}", COM2);
    port_out(qts, COM1 + UART_SCR, 0x22);
    uart_write(qts, COM1, "text");
    user_send(user, "typed");
    shadow_wait_count(qts, "com1", "input-accepted", 5);
    g_assert_cmpint(shadow_restore_env(qts, env), ==, -EINVAL);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x22);
    user_expect(user, "text");
    uart_expect(qts, COM1, "typed");
    user_expect_nothing(user);
    g_assert_cmpuint(shadow_guest_count(qts, "snapshots-restored"), ==, 0);
    close(user);
    qtest_quit(qts);
}

static void test_recorded(void)
{
    QTestState *qts = shadow_start_com1_with(",snapshots=on");
    g_autoptr(GByteArray) env = NULL;
    g_autofree char *text = NULL;
    QDict *data;

    for (unsigned i = 1; i <= 3; i++) {
        g_clear_pointer(&env, g_byte_array_unref);
        env = shadow_snapshot(qts);
        data = shadow_event(qts, "SHADOW_GUEST_SAVED");
        g_assert_true(qdict_get_bool(data, "snapshot"));
        g_assert_cmpint(qdict_get_int(data, "epoch"), ==, i);
        qobject_unref(data);
    }
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
        data = shadow_event(qts, "SHADOW_GUEST_RESTORED");
        g_assert_true(qdict_get_bool(data, "snapshot"));
        g_assert_cmpint(qdict_get_int(data, "epoch"), ==, 3);
        qobject_unref(data);
    }
    g_assert_cmpuint(shadow_guest_count(qts, "saves"), ==, 3);
    g_assert_cmpuint(shadow_guest_count(qts, "snapshots-saved"), ==, 3);
    g_assert_cmpuint(shadow_guest_count(qts, "restores"), ==, 2);
    g_assert_cmpuint(shadow_guest_count(qts, "snapshots-restored"), ==, 2);
    text = qtest_hmp(qts, "info shadow");
    g_assert_nonnull(strstr(text, "snapshots allowed: 3 saved, 2 restored"));

    /* a migration is not one */
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    data = shadow_event(qts, "SHADOW_GUEST_SAVED");
    g_assert_false(qdict_get_bool(data, "snapshot"));
    qobject_unref(data);
    g_assert_cmpuint(shadow_epoch(qts), ==, 4);
    g_assert_cmpuint(shadow_guest_count(qts, "snapshots-saved"), ==, 3);
    qtest_quit(qts);
}

/* In another QEMU: the whole state goes back */

static void test_restart(void)
{
    g_autofree char *path = shadow_path("vm1.state");
    g_autofree char *props = g_strdup_printf(",snapshots=on,state-file=%s",
                                             path);
    g_autofree char *incoming = g_strdup_printf("%s,incoming=on", props);
    QTestState *qts = shadow_start_com1_with(props);
    g_autoptr(GByteArray) env = NULL;
    g_autoptr(GByteArray) newer = NULL;
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_SCR, 0x11);
    uart_write(qts, COM1, "sent,");
    user_expect(user, "sent,");
    user_send(user, "typed");
    shadow_wait_count(qts, "com1", "input-accepted", 5);
    env = shadow_snapshot(qts);
    uart_expect(qts, COM1, "typed");
    uart_write(qts, COM1, "later");
    user_expect(user, "later");
    newer = shadow_snapshot(qts);
    close(user);
    qtest_quit(qts);

    for (unsigned i = 0; i < 2; i++) {
        qts = shadow_start_com1_with(incoming);
        g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
        shadow_assert_state(qts, "vm1", "restored");
        user = user_connect("c0");
        user_expect_nothing(user);
        shadow_run(qts);
        expect_notice(user, 5, 5);
        g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x11);
        uart_expect(qts, COM1, "typed");
        /* the newest epoch is not forgotten */
        g_assert_cmpuint(shadow_epoch(qts), >=, 2);
        qtest_quit(qts);
    }
    unlink(path);
}

/* What was not told before the guest left again is not told at all. */
static void test_told_no_more(void)
{
    QTestState *from = shadow_start_com1_with(",snapshots=on");
    QTestState *to = shadow_start_incoming_with(",snapshots=on", "");
    g_autoptr(GByteArray) env = shadow_snapshot(from);
    int user;

    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_state(to, "vm1", "incoming");
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    uart_write(from, COM1, "text");
    shadow_move(from, to);
    shadow_run(to);
    user = user_connect("d0");
    user_expect(user, "text");
    user_expect_nothing(user);
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-snapshot/in-place", test_in_place);
    qtest_add_func("/shadow-snapshot/told-later", test_told_later);
    qtest_add_func("/shadow-snapshot/no-hang-up", test_no_hang_up);
    qtest_add_func("/shadow-snapshot/interrupt", test_interrupt);
    qtest_add_func("/shadow-snapshot/half-fitting", test_half_fitting);
    qtest_add_func("/shadow-snapshot/recorded", test_recorded);
    qtest_add_func("/shadow-snapshot/restart", test_restart);
    qtest_add_func("/shadow-snapshot/told-no-more", test_told_no_more);
    return shadow_test_run();
}
