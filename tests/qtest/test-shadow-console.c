/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console as its user sees it: bounded queues, what one is sent on
 * connecting, flow control, a frozen port.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "shadow-common.h"

/* What the queue has no room for waits in the transport. */
static void test_input_bound(void)
{
    QTestState *qts = shadow_renew_com1_with(",input-size=64");
    g_autofree char *text = shadow_pattern(1000);
    int user = user_connect("c0");

    user_send(user, text);
    shadow_wait_count(qts, "com1", "input-accepted", 65);
    g_usleep(20000);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 65);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 1);
    uart_expect(qts, COM1, text);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 1000);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 1000);
    close(user);
}

/* Typed before the nested guest is there to read it */
static void test_input_before_boot(void)
{
    QTestState *qts = shadow_renew_com1_unbound("");
    int user = user_connect("c0");

    user_send(user, "early");
    shadow_wait_count(qts, "com1", "input-accepted", 5);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    uart_expect(qts, COM1, "early");
    close(user);
}

static void test_input_of_a_lost_connection(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    user_send(user, "sent ");
    shadow_wait_count(qts, "com1", "input-accepted", 5);
    close(user);
    shadow_wait_connected(qts, "com1", false);
    user = user_connect("c0");
    shadow_expect_connected(qts, 0, 0);
    shadow_expect_connected(qts, 5, 0);
    user_send(user, "in two");
    uart_expect(qts, COM1, "sent in two");
    close(user);
}

/* No user: the guest never waits, the newest output is kept */
static void test_output_bound(void)
{
    QTestState *qts = shadow_renew_com1_with(",output-size=100");
    g_autofree char *text = shadow_pattern(250);
    int user;

    uart_write(qts, COM1, text);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 250);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-start"), ==, 150);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 150);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-dropped"), ==, 150);
    user = user_connect("c0");
    shadow_expect_connected(qts, 0, 150);
    user_expect(user, text + 150);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 250);
    close(user);
}

/* History that was sent once is no loss when it is overwritten. */
static void test_sent_output_is_not_dropped(void)
{
    QTestState *qts = shadow_renew_com1_with(",output-size=100");
    g_autofree char *text = shadow_pattern(250);
    int user = user_connect("c0");

    shadow_wait_connected(qts, "com1", true);
    for (unsigned i = 0; i < 250; i += 50) {
        g_autofree char *part = g_strndup(text + i, 50);

        uart_write(qts, COM1, part);
        user_expect(user, part);
    }
    g_assert_cmpuint(shadow_count(qts, "com1", "output-start"), ==, 150);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-dropped"), ==, 0);
    close(user);
}

static void test_no_chardev(void)
{
    QTestState *qts = shadow_start("", "-device shadow-serial,id=com1,"
                                   "guest=vm1");

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    uart_write(qts, COM1, "to nobody");
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 9);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 0);
    qtest_quit(qts);
}

static void test_ringbuf(void)
{
    QTestState *qts;
    QDict *rsp;

    qts = shadow_start("", "-chardev ringbuf,id=c0,size=1024 -device "
                       "shadow-serial,id=com1,guest=vm1,chardev=c0");
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    uart_write(qts, COM1, "any chardev will do");
    shadow_wait_count(qts, "com1", "output-sent", 19);
    rsp = qtest_qmp(qts, "{'execute': 'ringbuf-read', 'arguments': "
                    "{'device': 'c0', 'size': 1024}}");
    g_assert_cmpstr(qdict_get_str(rsp, "return"), ==, "any chardev will do");
    qobject_unref(rsp);
    qtest_quit(qts);
}

/* Two connections, with output before, during and between them */
static void check_replay(const char *props, uint64_t offset,
                         const char *expect)
{
    QTestState *qts = shadow_renew_com1_with(props);
    int user;

    uart_write(qts, COM1, "boot,");
    user = user_connect("c0");
    shadow_expect_connected(qts, 0, 0);
    user_expect(user, "boot,");
    uart_write(qts, COM1, "login,");
    user_expect(user, "login,");
    user_send(user, "me");
    uart_expect(qts, COM1, "me");
    close(user);
    shadow_wait_connected(qts, "com1", false);
    uart_write(qts, COM1, "away,");
    user = user_connect("c0");
    shadow_expect_connected(qts, 2, offset);
    user_expect(user, expect);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 16);
    user_expect_nothing(user);
    close(user);
}

static void test_replay_unsent(void)
{
    check_replay("", 11, "away,");
    check_replay(",replay=unsent", 11, "away,");
}

static void test_replay_history(void)
{
    check_replay(",replay=history", 0, "boot,login,away,");
    check_replay(",replay=history,output-size=10", 6, "ogin,away,");
}

static void test_rts(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    /* firmware that never raised it gets its input */
    user_send(user, "a");
    uart_expect(qts, COM1, "a");

    port_out(qts, COM1 + UART_MCR, 0x0b);
    user_send(user, "b");
    uart_expect(qts, COM1, "b");
    port_out(qts, COM1 + UART_MCR, 0x09);
    user_send(user, "cd");
    shadow_wait_count(qts, "com1", "input-accepted", 4);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 2);
    g_assert_cmphex(port_in(qts, COM1 + UART_LSR) & LSR_DR, ==, 0);
    port_out(qts, COM1 + UART_MCR, 0x0b);
    uart_expect(qts, COM1, "cd");
    close(user);
}

static void test_rts_ignored(void)
{
    QTestState *qts = shadow_renew_com1_with(",flow-control=off");
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_MCR, 0x0b);
    port_out(qts, COM1 + UART_MCR, 0x09);
    user_send(user, "ab");
    uart_expect(qts, COM1, "ab");
    close(user);
}

static void test_rts_forgotten_on_reset(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_MCR, 0x0b);
    port_out(qts, COM1 + UART_MCR, 0x09);
    user_send(user, "ab");
    shadow_wait_count(qts, "com1", "input-accepted", 2);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_RESET, "vm1"), ==, 0);
    uart_expect(qts, COM1, "ab");
    close(user);
}

/* The operator moves the console to another chardev. */
static void test_chardev_change(void)
{
    g_autofree char *path = shadow_path("other");
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    uart_write(qts, COM1, "here");
    user_expect(user, "here");
    qtest_qmp_assert_success(qts, "{'execute': 'chardev-change', 'arguments': "
                             "{'id': 'c0', 'backend': {'type': 'socket', "
                             "'data': {'server': true, 'wait': false, 'addr': "
                             "{'type': 'unix', 'data': {'path': %s}}}}}}",
                             path);
    user_expect_end(user);
    uart_write(qts, COM1, "and there");
    user = user_connect("other");
    user_expect(user, "and there");
    user_send(user, "yes");
    uart_expect(qts, COM1, "yes");
    close(user);
}

/* A frozen port */

static void test_frozen_has_no_side_effects(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");
    struct ultracall_device before, after;

    port_out(qts, COM1 + UART_SCR, 0x5a);
    port_out(qts, COM1 + UART_IER, 0x03);
    user_send(user, "ab");
    shadow_wait_count(qts, "com1", "input-accepted", 2);
    before = shadow_irq_poll(qts, "vm1", 0);
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);

    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(port_in(qts, COM1 + UART_LSR), ==, 0);
        g_assert_cmphex(port_in(qts, COM1 + UART_DATA), ==, 0);
        g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0x01);
        g_assert_cmphex(port_in(qts, COM1 + UART_MSR) & 0xf0, ==, 0xb0);
        g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
    }
    port_out(qts, COM1 + UART_IER, 0x01);
    port_out(qts, COM1 + UART_SCR, 0x77);
    port_out(qts, COM1 + UART_DATA, 'x');
    /* what it reads is what it has written, as its driver relies on */
    g_assert_cmphex(port_in(qts, COM1 + UART_IER), ==, 0x01);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x77);
    after = shadow_irq_poll(qts, "vm1", 0);
    g_assert_cmpmem(&before, sizeof(before), &after, sizeof(after));
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 0);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 1);

    /* what a guest that should have been stopped wrote comes late */
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_IER), ==, 0x01);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x77);
    user_expect(user, "x");
    uart_expect(qts, COM1, "ab");
    close(user);
}

static void test_frozen_holds_input(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    user_send(user, "before,");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 7);
    user_send(user, "while,");
    g_usleep(20000);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 7);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    user_send(user, "after");
    uart_expect(qts, COM1, "before,while,after");
    close(user);
}

/* One who comes while the port is frozen hears of it when it works again. */
static void test_frozen_user_waits(void)
{
    QTestState *qts = shadow_renew_com1();
    int user;

    uart_write(qts, COM1, "unsent");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    user = user_connect("c0");
    shadow_wait_connected(qts, "com1", true);
    user_send(user, "hi");
    user_expect_nothing(user);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_expect_connected(qts, 0, 0);
    user_expect(user, "unsent");
    uart_expect(qts, COM1, "hi");
    close(user);
}

static void test_frozen_break(void)
{
    QTestState *qts;
    int user;

    qts = shadow_start("", "-chardev socket,id=c0,path=%s/c0,server=on,"
                       "wait=off,telnet=on -device shadow-serial,id=com1,"
                       "guest=vm1,chardev=c0,input-size=1", shadow_dir);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    user = user_connect("c0");
    user_send(user, "\xff\xf3");
    shadow_wait_connected(qts, "com1", true);
    g_assert_cmphex(port_in(qts, COM1 + UART_LSR), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    uart_wait(qts, COM1, LSR_BI);
    close(user);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-console/input/bound", test_input_bound);
    qtest_add_func("/shadow-console/input/before-boot",
                   test_input_before_boot);
    qtest_add_func("/shadow-console/input/lost-connection",
                   test_input_of_a_lost_connection);
    qtest_add_func("/shadow-console/output/bound", test_output_bound);
    qtest_add_func("/shadow-console/output/history",
                   test_sent_output_is_not_dropped);
    qtest_add_func("/shadow-console/output/no-chardev", test_no_chardev);
    qtest_add_func("/shadow-console/output/ringbuf", test_ringbuf);
    qtest_add_func("/shadow-console/replay/unsent", test_replay_unsent);
    qtest_add_func("/shadow-console/replay/history", test_replay_history);
    qtest_add_func("/shadow-console/rts/holds-input", test_rts);
    qtest_add_func("/shadow-console/rts/ignored", test_rts_ignored);
    qtest_add_func("/shadow-console/rts/reset", test_rts_forgotten_on_reset);
    qtest_add_func("/shadow-console/chardev-change", test_chardev_change);
    qtest_add_func("/shadow-console/frozen/no-side-effects",
                   test_frozen_has_no_side_effects);
    qtest_add_func("/shadow-console/frozen/input", test_frozen_holds_input);
    qtest_add_func("/shadow-console/frozen/user", test_frozen_user_waits);
    qtest_add_func("/shadow-console/frozen/break", test_frozen_break);
    return shadow_test_run();
}
