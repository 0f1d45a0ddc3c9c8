/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A user who is connected and reads more slowly than the guest writes.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

/* com1, with more properties, and its user */
typedef struct SlowUser {
    PipeUser user;
    QTestState *qts;
} SlowUser;

static SlowUser slow_user_start(const char *props)
{
    SlowUser u;

    pipe_user_start(&u.user, 0);
    u.qts = shadow_start("", "-chardev pipe,id=c0,path=%s -device "
                         "shadow-serial,id=com1,guest=vm1,chardev=c0,"
                         "output-size=1024%s", u.user.base, props);
    shadow_bind(u.qts, "vm1", SHADOW_PROCESS, 0);
    return u;
}

static void slow_user_stop(SlowUser *u)
{
    qtest_quit(u->qts);
    pipe_user_end(&u->user);
}

/* Without flow control the oldest output is lost, and counted. */
static void test_without_flow_control(void)
{
    g_autofree char *text = shadow_pattern(8000);
    g_autofree char *got = g_malloc0(8001);
    SlowUser u = slow_user_start("");
    QTestState *qts = u.qts;
    size_t have = 0, lost;
    ssize_t n;

    uart_write(qts, COM1, text);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 8000);
    lost = shadow_count(qts, "com1", "output-dropped");
    g_assert_cmpuint(lost, >=, 8000 - 4096 - 1024);
    while (have < 8000 - lost) {
        n = user_receive(u.user.from, got + have, 8000 - have);
        g_assert_cmpint(n, >, 0);
        have += n;
    }
    g_assert_cmpuint(have, ==, 8000 - lost);
    g_assert_cmpmem(got, have - 1024, text, have - 1024);
    g_assert_cmpstr(got + have - 1024, ==, text + 8000 - 1024);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 8000);
    slow_user_stop(&u);
}

/* As a guest does that polls CTS: how many bytes until it has to wait */
static size_t write_while_clear(QTestState *qts, const char *text)
{
    size_t n = 0;

    while (text[n] && (port_in(qts, COM1 + UART_MSR) & MSR_CTS)) {
        for (unsigned i = 0; i < 16 && text[n]; i++) {
            port_out(qts, COM1 + UART_DATA, text[n++]);
        }
    }
    return n;
}

/* A user who reads slowly holds up a guest that asks, and gets all. */
static void test_clear_to_send(void)
{
    g_autofree char *text = shadow_pattern(20000);
    g_autofree char *got = g_malloc0(20001);
    SlowUser u = slow_user_start("");
    size_t have = 0, sent = 0, waits = 0;

    while (have < 20000) {
        size_t n = write_while_clear(u.qts, text + sent);

        sent += n;
        waits += sent < 20000;
        if (!n || sent == 20000) {
            ssize_t got_now = user_receive(u.user.from, got + have,
                                           512);

            g_assert_cmpint(got_now, >, 0);
            have += got_now;
        }
    }
    g_assert_cmpuint(waits, >, 2);
    g_assert_cmpstr(got, ==, text);
    g_assert_cmpuint(shadow_count(u.qts, "com1", "output-dropped"), ==, 0);
    slow_user_stop(&u);
}

/* A driver is told by an interrupt, and there is none while nothing changes. */
static void test_clear_to_send_interrupt(void)
{
    g_autofree char *text = shadow_pattern(8000);
    g_autofree char *got = g_malloc0(8001);
    SlowUser u = slow_user_start("");
    size_t sent;
    ssize_t n;

    port_in(u.qts, COM1 + UART_MSR);
    port_out(u.qts, COM1 + UART_MCR, 0x0b);
    port_out(u.qts, COM1 + UART_IER, IER_MSI);
    qtest_clock_step(u.qts, 100 * 1000 * 1000);
    g_assert_cmpuint(port_in(u.qts, COM1 + UART_IIR) & 0xf, ==, 1);
    sent = write_while_clear(u.qts, text);
    g_assert_cmpuint(sent, <, 8000);
    for (size_t have = 0; have < sent; have += n) {
        n = user_receive(u.user.from, got, sent - have);
        g_assert_cmpint(n, >, 0);
    }
    shadow_wait_count(u.qts, "com1", "output-sent", sent);
    qtest_clock_step(u.qts, 1000);
    g_assert_cmpuint(shadow_irq_poll(u.qts, "vm1", 0).level, ==, 1);
    g_assert_cmpuint(port_in(u.qts, COM1 + UART_IIR) & 0xf, ==, 0);
    g_assert_cmphex(port_in(u.qts, COM1 + UART_MSR) & (MSR_CTS | MSR_DCTS), ==,
                    MSR_CTS | MSR_DCTS);
    g_assert_cmpuint(port_in(u.qts, COM1 + UART_IIR) & 0xf, ==, 1);
    slow_user_stop(&u);
}

/* The other host's user may read faster, or not be there. */
static void test_clear_to_send_elsewhere(void)
{
    g_autofree char *text = shadow_pattern(8000);
    SlowUser u = slow_user_start("");
    QTestState *to = shadow_start_incoming(",output-size=1024");

    port_out(u.qts, COM1 + UART_IER, IER_MSI);
    g_assert_cmpuint(write_while_clear(u.qts, text), <, 8000);
    shadow_move(u.qts, to);
    shadow_run(to);
    qtest_clock_step(to, 1000);
    g_assert_cmphex(port_in(to, COM1 + UART_MSR) & (MSR_CTS | MSR_DCTS), ==,
                    MSR_CTS | MSR_DCTS);
    qtest_quit(to);
    slow_user_stop(&u);
}

/* Nobody waits for a user who is not there. */
static void test_clear_to_nobody(void)
{
    g_autofree char *text = shadow_pattern(8000);
    QTestState *qts = shadow_start("", SHADOW_COM1 ",output-size=1024",
                                   shadow_dir);
    SlowUser off;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpuint(write_while_clear(qts, text), ==, 8000);
    qtest_quit(qts);
    off = slow_user_start(",flow-control=off");
    g_assert_cmpuint(write_while_clear(off.qts, text), ==, 8000);
    slow_user_stop(&off);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-slow/without-flow-control",
                   test_without_flow_control);
    qtest_add_func("/shadow-slow/clear-to-send", test_clear_to_send);
    qtest_add_func("/shadow-slow/interrupt", test_clear_to_send_interrupt);
    qtest_add_func("/shadow-slow/elsewhere", test_clear_to_send_elsewhere);
    qtest_add_func("/shadow-slow/nobody", test_clear_to_nobody);
    return shadow_test_run();
}
