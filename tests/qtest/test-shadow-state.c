/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's state from one QEMU to another: everything arrives, on exactly
 * one side.  What must not be accepted is in test-shadow-refused.c.
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "shadow-common.h"

/* From one host, whose user is at "c0", to another, whose user is at "d0" */
typedef struct Hosts {
    QTestState *from;
    QTestState *to;
} Hosts;

static Hosts hosts_start(void)
{
    return (Hosts) {
        .from = shadow_start_com1(),
        .to = shadow_start_incoming(""),
    };
}

static void hosts_quit(Hosts *h)
{
    qtest_quit(h->from);
    qtest_quit(h->to);
}

static void read_registers(QTestState *qts, uint8_t reg[10])
{
    uint8_t lcr = port_in(qts, COM1 + UART_LCR);

    for (unsigned i = UART_IER; i < 8; i++) {
        reg[i] = port_in(qts, COM1 + i);
    }
    port_out(qts, COM1 + UART_LCR, lcr | 0x80);
    reg[8] = port_in(qts, COM1);
    reg[9] = port_in(qts, COM1 + 1);
    port_out(qts, COM1 + UART_LCR, lcr);
    reg[0] = 0;
}

static void test_registers(void)
{
    Hosts h = hosts_start();
    uint8_t before[10], after[10];

    uart_program(h.from);
    read_registers(h.from, before);
    shadow_move(h.from, h.to);
    read_registers(h.to, after);
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
    hosts_quit(&h);
}

/* In the FIFO, in the queue, and still in the socket when it was saved */
static void test_input(void)
{
    Hosts h = hosts_start();
    int user = user_connect("c0");
    int user2 = user_connect("d0");

    port_out(h.from, COM1 + UART_FCR, 0xc1);
    user_send(user, "The quick brown fox ");
    uart_expect(h.from, COM1, "The q");
    user_send(user, "jumps over");
    shadow_move(h.from, h.to);
    g_assert_cmpuint(shadow_count(h.to, "com1", "input-accepted"), ==, 30);
    user_send(user2, " the lazy dog");
    uart_expect(h.to, COM1, "uick brown fox jumps over the lazy dog");
    close(user);
    close(user2);
    hosts_quit(&h);
}

/*
 * All that had been sent when SAVE was called is in the envelope, even if
 * QEMU had no time to read it: QEMU finds input and call at the same time.
 */
static void test_input_in_the_socket(void)
{
    Hosts h = hosts_start();
    g_autofree char *text = g_strnfill(15000, 'i');
    int user = user_connect("c0");
    pid_t child;
    int ret;

    shadow_wait_connected(h.from, "com1", true);
    shadow_query_call(h.from, "vm1");
    kill(qtest_pid(h.from), SIGSTOP);
    user_send(user, text);
    child = fork();
    if (!child) {
        g_usleep(100000);
        kill(qtest_pid(h.from), SIGCONT);
        _exit(0);
    }
    ret = shadow_call_again(h.from, ULTRACALL_SAVE);
    waitpid(child, NULL, 0);
    g_assert_cmpint(ret, ==, -EAGAIN);
    shadow_move(h.from, h.to);
    g_assert_cmpuint(shadow_count(h.to, "com1", "input-accepted"), ==, 15000);
    close(user);
    hosts_quit(&h);
}

static void test_unsent_output(void)
{
    Hosts h = hosts_start();
    int user;

    uart_write(h.from, COM1, "written there, ");
    shadow_move(h.from, h.to);
    shadow_run(h.to);
    uart_write(h.to, COM1, "and here");
    user = user_connect("d0");
    user_expect(user, "written there, and here");
    close(user);
    hosts_quit(&h);
}

/* What the first host has sent is not sent again. */
static void test_sent_output(void)
{
    Hosts h = hosts_start();
    int user = user_connect("c0");

    uart_write(h.from, COM1, "seen");
    user_expect(user, "seen");
    close(user);
    shadow_wait_connected(h.from, "com1", false);
    uart_write(h.from, COM1, "unseen");
    shadow_move(h.from, h.to);
    user = user_connect("d0");
    shadow_run(h.to);
    shadow_expect_connected(h.to, 0, 4);
    user_expect(user, "unseen");
    user_expect_nothing(user);
    close(user);
    hosts_quit(&h);
}

static void test_history(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming(",replay=history");
    int user = user_connect("c0");

    uart_write(from, COM1, "once upon a time");
    user_expect(user, "once upon a time");
    shadow_move(from, to);
    shadow_run(to);
    close(user);
    user = user_connect("d0");
    user_expect(user, "once upon a time");
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

static void test_counters(void)
{
    Hosts h = hosts_start();
    QDict *before, *after;
    int user = user_connect("c0");

    uart_write(h.from, COM1, "12345");
    user_expect(user, "12345");
    user_send(user, "1234567");
    uart_expect(h.from, COM1, "123");
    close(user);
    shadow_wait_connected(h.from, "com1", false);
    uart_write(h.from, COM1, "678");
    g_assert_cmpuint(shadow_count(h.from, "com1", "input-accepted"), ==, 7);
    g_assert_cmpuint(shadow_count(h.from, "com1", "output-sent"), ==, 5);
    before = shadow_query_device(h.from, "com1");
    shadow_move(h.from, h.to);
    after = shadow_query_device(h.to, "com1");
    g_assert_true(qobject_is_equal(QOBJECT(before), QOBJECT(after)));
    qobject_unref(before);
    qobject_unref(after);
    hosts_quit(&h);
}

/* Interrupts */

static void test_pending_interrupt(void)
{
    Hosts h = hosts_start();
    struct ultracall_device before, after;
    int user = user_connect("c0");

    port_out(h.from, COM1 + UART_IER, 0x01);
    user_send(user, "ab");
    shadow_wait_count(h.from, "com1", "input-accepted", 2);
    before = shadow_irq_poll(h.from, "vm1", 0);
    g_assert_cmpuint(before.level, ==, 1);
    shadow_move(h.from, h.to);
    after = shadow_irq_poll(h.to, "vm1", 0);
    g_assert_cmpuint(after.level, ==, 1);
    /* delivered once more: the first host's agent may not have seen it */
    g_assert_cmpuint(le32_to_cpu(after.edges), ==,
                     le32_to_cpu(before.edges) + 1);
    g_assert_cmphex(port_in(h.to, COM1 + UART_IIR), ==, 0x04);
    uart_expect(h.to, COM1, "ab");
    g_assert_cmpuint(shadow_irq_poll(h.to, "vm1", 0).level, ==, 0);
    close(user);
    hosts_quit(&h);
}

static void test_pending_transmit_interrupt(void)
{
    Hosts h = hosts_start();

    port_out(h.from, COM1 + UART_IER, 0x02);
    port_out(h.from, COM1, 'x');
    shadow_move(h.from, h.to);
    g_assert_cmpuint(shadow_irq_poll(h.to, "vm1", 0).level, ==, 1);
    g_assert_cmphex(port_in(h.to, COM1 + UART_IIR), ==, 0x02);
    g_assert_cmphex(port_in(h.to, COM1 + UART_IIR), ==, 0x01);
    hosts_quit(&h);
}

/* Too few bytes for the trigger level: told all the same, on either host */
static void test_fifo_timeout(void)
{
    Hosts h = hosts_start();
    int user = user_connect("c0");
    uint32_t edges;

    /* the two hosts' clocks differ */
    qtest_clock_step(h.from, 3600 * (int64_t)1000000000);
    port_out(h.from, COM1 + UART_FCR, 0xc1);
    port_out(h.from, COM1 + UART_IER, 0x01);
    user_send(user, "abc");
    shadow_wait_count(h.from, "com1", "input-taken", 3);
    qtest_clock_step(h.from, 1);
    g_assert_cmphex(port_in(h.from, COM1 + UART_IIR), ==, 0xcc);
    edges = le32_to_cpu(shadow_irq_poll(h.from, "vm1", 0).edges);
    shadow_move(h.from, h.to);
    g_assert_cmphex(port_in(h.to, COM1 + UART_IIR), ==, 0xcc);
    g_assert_cmpuint(shadow_irq_poll(h.to, "vm1", 0).level, ==, 1);
    g_assert_cmpuint(le32_to_cpu(shadow_irq_poll(h.to, "vm1", 0).edges), >,
                     edges);
    uart_expect(h.to, COM1, "abc");
    close(user);
    hosts_quit(&h);
}

/* RTS was lowered: it still holds the input on the other host. */
static void test_flow_control(void)
{
    Hosts h = hosts_start();
    int user = user_connect("c0");

    port_out(h.from, COM1 + UART_MCR, 0x0b);
    port_out(h.from, COM1 + UART_MCR, 0x09);
    user_send(user, "ab");
    shadow_move(h.from, h.to);
    shadow_run(h.to);
    g_assert_cmpuint(shadow_count(h.to, "com1", "input-accepted"), ==, 2);
    g_assert_cmpuint(shadow_count(h.to, "com1", "input-taken"), ==, 0);
    port_out(h.to, COM1 + UART_MCR, 0x0b);
    uart_expect(h.to, COM1, "ab");
    close(user);
    hosts_quit(&h);
}

static void test_two_devices(void)
{
    static const char devices[] =
        "-device shadow-serial,id=com1,guest=vm1 "
        "-device shadow-serial,id=com2,guest=vm1,iobase=0x2f8,irq=3";
    QTestState *from = shadow_start("", "%s", devices);
    QTestState *to = shadow_start(",incoming=on", "%s", devices);

    shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    port_out(from, COM1 + UART_SCR, 0x11);
    port_out(from, COM2 + UART_SCR, 0x22);
    uart_write(from, COM2, "two");
    shadow_move(from, to);
    g_assert_cmphex(port_in(to, COM1 + UART_SCR), ==, 0x11);
    g_assert_cmphex(port_in(to, COM2 + UART_SCR), ==, 0x22);
    g_assert_cmpuint(shadow_count(to, "com1", "output-produced"), ==, 0);
    g_assert_cmpuint(shadow_count(to, "com2", "output-produced"), ==, 3);
    qtest_quit(from);
    qtest_quit(to);
}

/* The envelope */

static void test_save_changes_nothing(void)
{
    Hosts h = hosts_start();
    uint8_t before[10], after[10];
    QDict *d1, *d2;
    int user = user_connect("c0");

    uart_program(h.from);
    user_send(user, "typed");
    uart_expect(h.from, COM1, "t");
    g_assert_cmpint(shadow_save(h.from, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(h.from, ULTRACALL_ABORT, "vm1"), ==, 0);
    d1 = shadow_query_device(h.from, "com1");
    g_assert_cmpint(shadow_save(h.from, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(h.from, ULTRACALL_ABORT, "vm1"), ==, 0);
    d2 = shadow_query_device(h.from, "com1");
    g_assert_true(qobject_is_equal(QOBJECT(d1), QOBJECT(d2)));

    read_registers(h.from, before);
    shadow_move(h.from, h.to);
    read_registers(h.to, after);
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
    uart_expect(h.to, COM1, "yped");
    qobject_unref(d1);
    qobject_unref(d2);
    close(user);
    hosts_quit(&h);
}

/* Of the same length whatever it holds, and nothing can be read in it */
static void test_envelope_is_opaque(void)
{
    QTestState *qts = shadow_start_com1();
    g_autoptr(GByteArray) empty = shadow_envelope(qts, "vm1");
    g_autoptr(GByteArray) full = NULL, again = NULL;
    g_autofree char *text = g_strnfill(2000, 's');
    int user = user_connect("c0");
    QDict *g;

    g_assert_cmpint(shadow_simple(qts, ULTRACALL_STATE_SIZE, "vm1"), ==, 0);
    g_assert_cmpuint(shadow_value(qts), ==, empty->len);
    g = shadow_query(qts, "vm1");
    g_assert_cmpint(qdict_get_int(g, "envelope-bytes"), ==, empty->len);
    qobject_unref(g);

    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    user_send(user, text);
    uart_write(qts, COM1, text);
    full = shadow_envelope(qts, "vm1");
    g_assert_cmpuint(full->len, ==, empty->len);
    g_assert_null(memmem(full->data, full->len, "ssss", 4));
    g_assert_null(memmem(full->data, full->len, "com1", 4));

    /* the same state once more has nothing in common with it */
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    again = shadow_envelope(qts, "vm1");
    for (size_t i = 128; i + 8 < full->len; i += 8) {
        g_assert_cmpint(memcmp(full->data + i, again->data + i, 8), !=, 0);
    }
    close(user);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-state/registers", test_registers);
    qtest_add_func("/shadow-state/input/everywhere", test_input);
    qtest_add_func("/shadow-state/input/in-the-socket",
                   test_input_in_the_socket);
    qtest_add_func("/shadow-state/output/unsent", test_unsent_output);
    qtest_add_func("/shadow-state/output/sent", test_sent_output);
    qtest_add_func("/shadow-state/output/history", test_history);
    qtest_add_func("/shadow-state/counters", test_counters);
    qtest_add_func("/shadow-state/irq/receive", test_pending_interrupt);
    qtest_add_func("/shadow-state/irq/transmit",
                   test_pending_transmit_interrupt);
    qtest_add_func("/shadow-state/irq/timeout", test_fifo_timeout);
    qtest_add_func("/shadow-state/flow-control", test_flow_control);
    qtest_add_func("/shadow-state/two-devices", test_two_devices);
    qtest_add_func("/shadow-state/save-changes-nothing",
                   test_save_changes_nothing);
    qtest_add_func("/shadow-state/opaque", test_envelope_is_opaque);
    return shadow_test_run();
}
