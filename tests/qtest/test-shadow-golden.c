/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * States of devices as the first version saved them: what this version saves
 * is the same, byte for byte, and what that version saved still loads.
 *
 * The payloads (docs/envelope.rst, "The state inside") are in tests/golden.
 * This is also how to make them: with SHADOW_GOLDEN_WRITE set to a folder,
 * they are written there instead of being compared.
 */
#include "qemu/osdep.h"
#include "shadow-payload.h"

/*
 * irq_edges: after magic, number of devices, name (1 + 4), version, iobase, irq
 * and irq_level
 */
#define EDGES_OFFSET (4 + 4 + 5 + 4 + 4 + 4 + 1)
#define EDGES_SIZE   4

typedef struct Golden {
    const char *name;
    /*
     * Bring the guest there, whose user is at "c0"; NULL where this version
     * does not come to
     */
    void (*make)(QTestState *qts);
    /* What of it must be there, whose user is at "d0" */
    void (*check)(QTestState *qts);
} Golden;

/* A guest that nothing has happened to */

static void make_idle(QTestState *qts)
{
}

static void leave(QTestState *qts, int user)
{
    close(user);
    shadow_wait_connected(qts, "com1", false);
}

static void check_idle(QTestState *qts)
{
    g_assert_cmphex(port_in(qts, COM1 + UART_LSR), ==, LSR_THRE | LSR_TEMT);
    g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0x01);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 0);
}

/* Every register with a value of its own */

static void check_registers(QTestState *qts)
{
    g_assert_cmphex(port_in(qts, COM1 + UART_LCR), ==, 0x1b);
    g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0xc1);
    g_assert_cmphex(port_in(qts, COM1 + UART_IER), ==, 0x05);
    g_assert_cmphex(port_in(qts, COM1 + UART_MCR), ==, 0x0b);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
    port_out(qts, COM1 + UART_LCR, 0x9b);
    g_assert_cmphex(port_in(qts, COM1), ==, 0x34);
    g_assert_cmphex(port_in(qts, COM1 + 1), ==, 0x12);
}

/* Input in the FIFO (serial/recv_fifo), and in the queue behind it */

static void make_input(QTestState *qts)
{
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_FCR, 0xc1);
    port_out(qts, COM1 + UART_IER, 0x01);
    user_send(user, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    shadow_wait_count(qts, "com1", "input-accepted", 26);
    uart_expect(qts, COM1, "ABC");
    leave(qts, user);
}

static void check_input(QTestState *qts)
{
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 26);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0xc4);
    uart_expect(qts, COM1, "DEFGHIJKLMNOPQRSTUVWXYZ");
    g_assert_cmphex(port_in(qts, COM1 + UART_LSR) & LSR_DR, ==, 0);
}

/* Output that a user has had, and output that none has had */

static void make_output(QTestState *qts)
{
    int user = user_connect("c0");

    uart_write(qts, COM1, "seen,");
    user_expect(user, "seen,");
    leave(qts, user);
    uart_write(qts, COM1, "unseen");
}

static void check_output(QTestState *qts)
{
    int user;

    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 11);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 5);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-start"), ==, 0);
    user = user_connect("d0");
    user_expect(user, "unseen");
    close(user);
}

/* Output that was overwritten */

static void make_dropped(QTestState *qts)
{
    g_autofree char *text = g_strnfill(600, 'x');

    uart_write(qts, COM1, text);
}

static void check_dropped(QTestState *qts)
{
    g_autofree char *text = g_strnfill(512, 'x');
    int user = user_connect("d0");

    user_expect(user, text);
    close(user);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 600);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-start"), ==, 88);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-dropped"), ==, 88);
}

/*
 * Few bytes, for which the FIFO waits (serial/fifo_timeout_timer), as it did
 * in earlier versions
 */

static void check_waiting(QTestState *qts)
{
    g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0xc1);
    qtest_clock_step(qts, 100000000);
    g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0xcc);
    uart_expect(qts, COM1, "abc");
}

/* The same later: it has waited enough (serial/timeout_ipending) */

static void make_timeout(QTestState *qts)
{
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_FCR, 0xc1);
    port_out(qts, COM1 + UART_IER, 0x01);
    user_send(user, "abc");
    shadow_wait_count(qts, "com1", "input-taken", 3);
    leave(qts, user);
    qtest_clock_step(qts, 100000000);
}

static void check_timeout(QTestState *qts)
{
    g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0xcc);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    uart_expect(qts, COM1, "abc");
}

/* A transmit interrupt behind a receive interrupt (serial/thr_ipending) */

static void make_interrupts(QTestState *qts)
{
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_IER, 0x03);
    port_out(qts, COM1, 'o');
    user_send(user, "i");
    shadow_wait_count(qts, "com1", "input-taken", 1);
    user_expect(user, "o");
    leave(qts, user);
}

static void check_interrupts(QTestState *qts)
{
    g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0x04);
    uart_expect(qts, COM1, "i");
    g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0x02);
    g_assert_cmphex(port_in(qts, COM1 + UART_IIR), ==, 0x01);
}

/* RTS was raised, and then lowered: input is held. */

static void make_flow(QTestState *qts)
{
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_MCR, 0x0b);
    port_out(qts, COM1 + UART_MCR, 0x09);
    user_send(user, "held");
    shadow_wait_count(qts, "com1", "input-accepted", 4);
    leave(qts, user);
}

static void check_flow(QTestState *qts)
{
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 0);
    port_out(qts, COM1 + UART_MCR, 0x0b);
    uart_expect(qts, COM1, "held");
}

static const Golden golden[] = {
    { "idle", make_idle, check_idle },
    { "registers", uart_program, check_registers },
    { "input", make_input, check_input },
    { "output", make_output, check_output },
    { "dropped", make_dropped, check_dropped },
    { "waiting", NULL, check_waiting },
    { "timeout", make_timeout, check_timeout },
    { "interrupts", make_interrupts, check_interrupts },
    { "flow", make_flow, check_flow },
};

static char *golden_file(const Golden *g)
{
    return g_strdup_printf("state-1-%s.bin", g->name);
}

static void test_save(const void *opaque)
{
    const Golden *g = opaque;
    g_autofree char *file = golden_file(g);
    QTestState *qts = payload_start("", "c0");
    g_autoptr(GByteArray) env = NULL, is = NULL;

    g->make(qts);
    env = shadow_envelope(qts, "vm1");
    is = payload_unsealed(env);
    /* how often the cloud VM was told is no promise */
    golden_check(file, is, EDGES_OFFSET, EDGES_SIZE);
    qtest_quit(qts);
}

static void test_load(const void *opaque)
{
    const Golden *g = opaque;
    QTestState *qts = payload_start(",incoming=on", "d0");
    g_autofree char *file = golden_file(g);
    g_autoptr(GByteArray) payload = golden_read(file);

    g_assert_cmpint(payload_restore(qts, payload), ==, 0);
    shadow_run(qts);
    g->check(qts);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    for (unsigned i = 0; i < ARRAY_SIZE(golden); i++) {
        g_autofree char *save = g_strdup_printf("/shadow-golden/save/%s",
                                                golden[i].name);
        g_autofree char *load = g_strdup_printf("/shadow-golden/load/%s",
                                                golden[i].name);

        if (golden[i].make) {
            qtest_add_data_func(save, &golden[i], test_save);
        }
        qtest_add_data_func(load, &golden[i], test_load);
    }
    return shadow_test_run();
}
