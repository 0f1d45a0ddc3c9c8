/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that runs on while its port is held, with a driver that works as
 * Linux's 8250 does: when the port works again, so does the driver.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define IER_RDI  0x01
#define IER_THRI 0x02
#define IIR_NONE 0x01
#define FIFO 16
/* "nobody cared", "too much work": what Linux does not put up with */
#define LOOPS_MAX 256
#define LATE_NS (100 * 1000 * 1000)

/* What the driver has, and believes of the port */
typedef struct Driver {
    QTestState *qts;
    uint8_t ier;
    const char *tx;             /* to be sent */
    GString *rx;
    uint32_t edges;             /* seen */
} Driver;

static uint8_t in(Driver *d, unsigned reg)
{
    return port_in(d->qts, COM1 + reg);
}

static void out(Driver *d, unsigned reg, uint8_t val)
{
    port_out(d->qts, COM1 + reg, val);
}

/* The port's register is written only when that changes something. */
static void start_tx(Driver *d)
{
    if (!(d->ier & IER_THRI)) {
        d->ier |= IER_THRI;
        out(d, UART_IER, d->ier);
    }
}

static void tx_chars(Driver *d)
{
    for (unsigned i = 0; i < FIFO && *d->tx; i++) {
        out(d, UART_DATA, *d->tx++);
    }
    if (!*d->tx && (d->ier & IER_THRI)) {
        d->ier &= ~IER_THRI;
        out(d, UART_IER, d->ier);
    }
}

/* The interrupt handler */
static void handle(Driver *d)
{
    unsigned loops = 0;

    while (!(in(d, UART_IIR) & IIR_NONE)) {
        uint8_t lsr = in(d, UART_LSR);

        g_assert_cmpuint(++loops, <, LOOPS_MAX);
        while (lsr & LSR_DR) {
            g_string_append_c(d->rx, in(d, UART_DATA));
            lsr = in(d, UART_LSR);
        }
        if ((lsr & LSR_THRE) && (d->ier & IER_THRI)) {
            tx_chars(d);
        }
    }
}

/* An interrupt, if the line has had an edge */
static bool interrupt(Driver *d)
{
    struct ultracall_device dev = shadow_irq_poll(d->qts, "vm1", 0);

    if (le32_to_cpu(dev.edges) == d->edges) {
        return false;
    }
    d->edges = le32_to_cpu(dev.edges);
    handle(d);
    return true;
}

/* A message of the kernel's, with interrupts off in the port */
static void printk(Driver *d, const char *text)
{
    uint8_t ier = in(d, UART_IER);

    out(d, UART_IER, 0);
    for (; *text; text++) {
        /* or after a while without THRE */
        in(d, UART_LSR);
        out(d, UART_DATA, *text);
    }
    out(d, UART_IER, ier);
}

static void run(Driver *d)
{
    for (unsigned i = 0; i < 20; i++) {
        qtest_clock_step(d->qts, LATE_NS);
        interrupt(d);
    }
}

static Driver driver_start(void)
{
    Driver d = {
        .qts = shadow_start_com1(),
        .tx = "",
        .rx = g_string_new(""),
        .ier = IER_RDI,
    };

    out(&d, UART_FCR, 0x81);
    out(&d, UART_MCR, 0x0b);
    out(&d, UART_IER, d.ier);
    run(&d);
    return d;
}

/* All it has, and what comes afterwards, reaches the user and the guest. */
static void expect_goes_on(Driver *d, int user, const char *text)
{
    g_assert_cmpint(shadow_simple(d->qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    run(d);
    g_assert_cmpstr(d->tx, ==, "");
    user_expect(user, text);
    d->tx = "and on it goes, for more than one FIFO";
    start_tx(d);
    run(d);
    user_expect(user, "and on it goes, for more than one FIFO");
    user_send(user, "typed");
    shadow_wait_count(d->qts, "com1", "input-taken", 5);
    run(d);
    g_assert_cmpstr(d->rx->str, ==, "typed");
    g_string_free(d->rx, true);
    close(user);
    qtest_quit(d->qts);
}

static void hold(Driver *d)
{
    g_assert_cmpint(shadow_save(d->qts, "vm1"), ==, 0);
}

/* It starts to send while the port is held, and the kernel prints too. */
static void test_starts_to_send(void)
{
    Driver d = driver_start();
    int user = user_connect("c0");

    hold(&d);
    d.tx = "what is sent while it is held";
    start_tx(&d);
    printk(&d, "kernel,");
    run(&d);
    expect_goes_on(&d, user, "kernel,what is sent while it is held");
}

/* It was sending, and takes the interrupt for more while the port is held. */
static void test_was_sending(void)
{
    Driver d = driver_start();
    int user = user_connect("c0");

    d.tx = "what was being sent when it came to be held";
    start_tx(&d);
    hold(&d);
    handle(&d);
    run(&d);
    g_assert_cmpstr(d.tx, !=, "");
    expect_goes_on(&d, user, "what was being sent when it came to be held");
}

/* An interrupt for input, in vain: what was typed is there afterwards. */
static void test_was_receiving(void)
{
    Driver d = driver_start();
    int user = user_connect("c0");

    user_send(user, "ty");
    shadow_wait_count(d.qts, "com1", "input-taken", 2);
    hold(&d);
    handle(&d);
    run(&d);
    g_assert_cmpstr(d.rx->str, ==, "");
    user_send(user, "p");
    g_assert_cmpint(shadow_simple(d.qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_wait_count(d.qts, "com1", "input-accepted", 3);
    run(&d);
    g_assert_cmpstr(d.rx->str, ==, "typ");
    g_string_free(d.rx, true);
    close(user);
    qtest_quit(d.qts);
}

/*
 * It ends a loop-back test, and empties its receiver of what that has left
 * there: not of what was typed, which comes after all that was written.
 */
static void test_empties(void)
{
    Driver d = driver_start();
    int user = user_connect("c0");

    out(&d, UART_MCR, 0x1b);
    user_send(user, "typed");
    shadow_wait_count(d.qts, "com1", "input-accepted", 5);
    hold(&d);
    out(&d, UART_MCR, 0x0b);
    out(&d, UART_FCR, 0x83);
    g_assert_cmpint(shadow_simple(d.qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    uart_expect(d.qts, COM1, "typed");
    g_string_free(d.rx, true);
    close(user);
    qtest_quit(d.qts);
}

/* More than is kept of what it writes: the registers are right all the same. */
static void test_long(void)
{
    Driver d = driver_start();
    g_autofree char *much = g_strnfill(5000, 'k');
    int user = user_connect("c0");

    hold(&d);
    printk(&d, much);
    d.tx = "last";
    start_tx(&d);
    g_assert_cmpint(shadow_simple(d.qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    run(&d);
    g_assert_cmpstr(d.tx, ==, "");
    g_string_free(d.rx, true);
    close(user);
    qtest_quit(d.qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-held/starts-to-send", test_starts_to_send);
    qtest_add_func("/shadow-held/was-sending", test_was_sending);
    qtest_add_func("/shadow-held/was-receiving", test_was_receiving);
    qtest_add_func("/shadow-held/empties", test_empties);
    qtest_add_func("/shadow-held/long", test_long);
    return shadow_test_run();
}
