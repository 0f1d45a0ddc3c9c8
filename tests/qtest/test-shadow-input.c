/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Input keeps its order and is not lost: a BREAK among what was typed, a reset
 * of the nested machine, a receiver that is emptied, the loop-back test.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define BREAK "\xff\xf3"
#define ALL_DONE "."
#define MCR_LOOP 0x10

/* What the guest reads until "."; "#" stands for a BREAK */
static void expect_input(QTestState *qts, const char *expect)
{
    int64_t end = g_get_monotonic_time() + SHADOW_HANGS_US;
    g_autoptr(GString) got = g_string_new("");

    while (!got->len || got->str[got->len - 1] != '.') {
        uint8_t lsr = port_in(qts, COM1 + UART_LSR);

        if (lsr & LSR_DR) {
            uint8_t c = port_in(qts, COM1);

            g_string_append_c(got, lsr & LSR_BI ? '#' : c);
            g_assert_cmpint(c == 0, ==, (lsr & LSR_BI) != 0);
        } else {
            g_usleep(100);
        }
        if (g_get_monotonic_time() > end) {
            break;
        }
    }
    g_assert_cmpstr(got->str, ==, expect);
}

/* telnet, whose negotiation is not read */
static QTestState *start_telnet(const char *guest, const char *name)
{
    return shadow_start(guest, "-chardev socket,id=c0,path=%s/%s,server=on,"
                        "wait=off,telnet=on -device shadow-serial,id=com1,"
                        "guest=vm1,chardev=c0", shadow_dir, name);
}

static QTestState *start_telnet_com1(uint8_t fcr)
{
    QTestState *qts = start_telnet("", "c0");

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    port_out(qts, COM1 + UART_FCR, fcr);
    return qts;
}

/* With the FIFO, without it, and with it full; all in one read, or not */
static void test_break_order(void)
{
    static const uint8_t fcr[] = { 0, 0x01, 0xc1 };
    static const char typed[] = "reboot -f\rreboot -f\r" BREAK "h" BREAK
                                BREAK "bc" ALL_DONE;

    for (unsigned i = 0; i < ARRAY_SIZE(fcr); i++) {
        QTestState *qts = start_telnet_com1(fcr[i]);
        int user = user_connect("c0");

        shadow_wait_connected(qts, "com1", true);
        user_send(user, typed);
        shadow_wait_count(qts, "com1", "input-accepted", 24);
        expect_input(qts, "reboot -f\rreboot -f\r#h##bc.");
        for (const char *c = typed; *c; c++) {
            const char text[] = { *c, 0 };

            user_send(user, text);
        }
        expect_input(qts, "reboot -f\rreboot -f\r#h##bc.");
        close(user);
        qtest_quit(qts);
    }
}

/* However many: none is lost, and none is read before there is room */
static void test_break_many(void)
{
    QTestState *qts = start_telnet_com1(0x01);
    g_autoptr(GString) expect = g_string_new("a");
    int user = user_connect("c0");

    user_send(user, "a");
    for (unsigned i = 0; i < 100; i++) {
        user_send(user, BREAK);
        g_string_append_c(expect, '#');
    }
    user_send(user, ALL_DONE);
    g_string_append_c(expect, '.');
    expect_input(qts, expect->str);
    close(user);
    qtest_quit(qts);
}

/* A BREAK that waits moves along, and comes back when nobody took it. */
static void test_break_moves(void)
{
    QTestState *from = start_telnet_com1(0x01);
    QTestState *to = start_telnet(",incoming=on", "d0");
    g_autoptr(GByteArray) env = NULL;
    int user = user_connect("c0");

    shadow_wait_connected(from, "com1", true);
    user_send(user, "ab" BREAK "h" ALL_DONE);
    shadow_wait_count(from, "com1", "input-accepted", 4);
    env = shadow_envelope(from, "vm1");
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    expect_input(from, "ab#h.");

    user_send(user, "ab" BREAK BREAK "h" ALL_DONE);
    shadow_wait_count(from, "com1", "input-accepted", 8);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    shadow_move(from, to);
    shadow_run(to);
    expect_input(to, "ab##h.");
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

/* What the guest has not read it reads after the reset. */
static void test_reset(void)
{
    static const uint8_t fcr[] = { 0, 0x01, 0xc1 };

    for (unsigned i = 0; i < ARRAY_SIZE(fcr); i++) {
        QTestState *qts = start_telnet_com1(fcr[i]);
        int user = user_connect("c0");

        user_send(user, "0" BREAK "1 rm -rf /tmp/of-the-user" ALL_DONE);
        shadow_wait_count(qts, "com1", "input-accepted", 27);
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_RESET, "vm1"), ==, 0);
        g_assert_cmphex(port_in(qts, COM1), ==, '0');
        /* now the BREAK is in the receiver */
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_RESET, "vm1"), ==, 0);
        expect_input(qts, "#1 rm -rf /tmp/of-the-user.");
        g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 27);
        close(user);
        qtest_quit(qts);
    }
}

/* With a full queue too, and however often */
static void test_reset_full(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1 ",input-size=8",
                                   shadow_dir);
    int user = user_connect("c0");

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    port_out(qts, COM1 + UART_FCR, 0xc1);
    user_send(user, "The quick brown fox jumps over the lazy dog" ALL_DONE);
    shadow_wait_count(qts, "com1", "input-accepted", 22);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_RESET, "vm1"), ==, 0);
    }
    expect_input(qts, "The quick brown fox jumps over the lazy dog.");
    close(user);
    qtest_quit(qts);
}

/* The rest comes by itself when the guest has emptied its receiver. */
static void test_fifo_cleared(void)
{
    QTestState *qts = shadow_start_com1();
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_FCR, 0x01);
    user_send(user, "ab" ALL_DONE);
    shadow_wait_count(qts, "com1", "input-accepted", 3);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 1);
    port_out(qts, COM1 + UART_FCR, 0x03);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 2);
    expect_input(qts, "b.");
    close(user);
    qtest_quit(qts);
}

/* A driver that counts how much its FIFO holds, while the user types */
static void test_loopback(void)
{
    QTestState *qts = shadow_start_com1();
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_MCR, MCR_LOOP);
    port_out(qts, COM1 + UART_FCR, 0x07);
    user_send(user, "abc" ALL_DONE);
    shadow_wait_count(qts, "com1", "input-accepted", 4);
    for (unsigned i = 0; i < 16; i++) {
        port_out(qts, COM1, 'A' + i);
        g_assert_cmphex(port_in(qts, COM1 + UART_LSR) & 0x02, ==, 0);
    }
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(port_in(qts, COM1), ==, 'A' + i);
    }
    g_assert_cmphex(port_in(qts, COM1 + UART_LSR) & LSR_DR, ==, 0);
    port_out(qts, COM1 + UART_MCR, 0x0b);
    expect_input(qts, "abc.");
    close(user);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-input/break/order", test_break_order);
    qtest_add_func("/shadow-input/break/many", test_break_many);
    qtest_add_func("/shadow-input/break/moves", test_break_moves);
    qtest_add_func("/shadow-input/reset", test_reset);
    qtest_add_func("/shadow-input/reset-full", test_reset_full);
    qtest_add_func("/shadow-input/fifo-cleared", test_fifo_cleared);
    qtest_add_func("/shadow-input/loopback", test_loopback);
    return shadow_test_run();
}
