/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The serial port as the nested guest sees it: registers, accesses of all
 * sizes.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

static uint8_t reg_in(QTestState *qts, unsigned reg)
{
    return port_in(qts, COM1 + reg);
}

static void reg_out(QTestState *qts, unsigned reg, uint8_t val)
{
    port_out(qts, COM1 + reg, val);
}

static void test_power_on(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmphex(reg_in(qts, UART_IER), ==, 0);
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0x01);
    g_assert_cmphex(reg_in(qts, UART_LCR), ==, 0);
    g_assert_cmphex(reg_in(qts, UART_LSR), ==, LSR_THRE | LSR_TEMT);
    g_assert_cmphex(reg_in(qts, UART_SCR), ==, 0);
}

static void test_scratch(void)
{
    QTestState *qts = shadow_renew_com1();

    reg_out(qts, UART_SCR, 0x5a);
    g_assert_cmphex(reg_in(qts, UART_SCR), ==, 0x5a);
}

static void test_divisor(void)
{
    QTestState *qts = shadow_renew_com1();

    reg_out(qts, UART_IER, 0x01);
    reg_out(qts, UART_LCR, 0x83);
    reg_out(qts, UART_DATA, 0x34);
    reg_out(qts, UART_IER, 0x12);
    g_assert_cmphex(reg_in(qts, UART_DATA), ==, 0x34);
    g_assert_cmphex(reg_in(qts, UART_IER), ==, 0x12);
    reg_out(qts, UART_LCR, 0x03);
    g_assert_cmphex(reg_in(qts, UART_IER), ==, 0x01);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 0);
}

static void test_fifo_switch(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmphex(reg_in(qts, UART_IIR) & 0xc0, ==, 0);
    reg_out(qts, UART_FCR, 0x01);
    g_assert_cmphex(reg_in(qts, UART_IIR) & 0xc0, ==, 0xc0);
    reg_out(qts, UART_FCR, 0x00);
    g_assert_cmphex(reg_in(qts, UART_IIR) & 0xc0, ==, 0);
}

static void test_loopback(void)
{
    QTestState *qts = shadow_renew_com1();

    reg_out(qts, UART_MCR, 0x1a);
    g_assert_cmphex(reg_in(qts, UART_MSR) & 0xf0, ==, 0x90);
    reg_out(qts, UART_DATA, 'x');
    g_assert_cmphex(reg_in(qts, UART_LSR) & LSR_DR, ==, LSR_DR);
    g_assert_cmphex(reg_in(qts, UART_DATA), ==, 'x');
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 0);
}

static void test_polled_output(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    uart_write(qts, COM1, "Hello, user.\r\n");
    user_expect(user, "Hello, user.\r\n");
    close(user);
}

static void test_input_without_fifo(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    user_send(user, "typed");
    uart_expect(qts, COM1, "typed");
    g_assert_cmphex(reg_in(qts, UART_LSR), ==, LSR_THRE | LSR_TEMT);
    close(user);
}

/* More than the FIFO holds: no overrun, all in order */
static void test_input_with_fifo(void)
{
    const char *text = "The quick brown fox jumps over the lazy dog";
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    reg_out(qts, UART_FCR, 0xc1);
    user_send(user, text);
    shadow_wait_count(qts, "com1", "input-accepted", strlen(text));
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), <=, 16);
    g_assert_cmphex(reg_in(qts, UART_LSR) & 0x02, ==, 0);
    uart_expect(qts, COM1, text);
    g_assert_cmphex(reg_in(qts, UART_LSR), ==, LSR_THRE | LSR_TEMT);
    close(user);
}

static void test_break(void)
{
    QTestState *qts;
    int user;

    qts = shadow_start("", "-chardev socket,id=c0,path=%s/c0,server=on,"
                       "wait=off,telnet=on -device shadow-serial,id=com1,"
                       "guest=vm1,chardev=c0", shadow_dir);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    user = user_connect("c0");
    user_send(user, "\xff\xf3");
    uart_wait(qts, COM1, LSR_BI);
    g_assert_cmphex(reg_in(qts, UART_DATA), ==, 0);
    user_send(user, "a");
    uart_expect(qts, COM1, "a");
    close(user);
    qtest_quit(qts);
}

/* The line stays up: a session does not end when its user goes away. */
static void test_modem_lines(void)
{
    QTestState *qts = shadow_renew_com1();
    int user;

    g_assert_cmphex(reg_in(qts, UART_MSR) & 0xf0, ==, 0xb0);
    user = user_connect("c0");
    shadow_wait_connected(qts, "com1", true);
    close(user);
    shadow_wait_connected(qts, "com1", false);
    g_assert_cmphex(reg_in(qts, UART_MSR) & 0xf0, ==, 0xb0);
}

static void test_wide_accesses(void)
{
    QTestState *qts = shadow_renew_com1();

    qtest_writew(qts, TESTDEV_BASE + COM1 + UART_LCR, 0x081b);
    g_assert_cmphex(reg_in(qts, UART_LCR), ==, 0x1b);
    g_assert_cmphex(reg_in(qts, UART_MCR), ==, 0x08);
    qtest_writel(qts, TESTDEV_BASE + COM1 + UART_MCR, 0x77ffff0b);
    g_assert_cmphex(reg_in(qts, UART_SCR), ==, 0x77);
    reg_in(qts, UART_MSR);
    g_assert_cmphex(qtest_readw(qts, TESTDEV_BASE + COM1 + UART_MSR), ==,
                    0x77b0);
    g_assert_cmphex(qtest_readl(qts, TESTDEV_BASE + COM1 + UART_MCR), ==,
                    0x77b0600b);
    g_assert_cmpuint(port_missed(qts), ==, 0);
}

/* What lies beside the port reads as an empty bus does. */
static void test_straddling_accesses(void)
{
    QTestState *qts = shadow_renew_com1();

    qtest_writew(qts, TESTDEV_BASE + COM1 + UART_SCR, 0x1234);
    g_assert_cmphex(qtest_readw(qts, TESTDEV_BASE + COM1 + UART_SCR), ==,
                    0xff34);
    reg_out(qts, UART_IER, 0x05);
    g_assert_cmphex(qtest_readl(qts, TESTDEV_BASE + COM1 - 2), ==,
                    0x0500ffff);
    g_assert_cmphex(qtest_readl(qts, TESTDEV_BASE + COM1 + 6) >> 16, ==,
                    0xffff);
    g_assert_cmpuint(port_missed(qts), ==, 0);
    g_assert_cmpuint(shadow_guest_count(qts, "accesses"), ==, 5);
}

static void test_unclaimed_ports(void)
{
    static const uint16_t ports[] = { COM1 - 1, COM1 + 8, COM2, 0, 0xffff };
    QTestState *qts = shadow_renew_com1();

    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        port_in(qts, ports[i]);
        port_out(qts, ports[i], 0xff);
        g_assert_cmpuint(port_missed(qts), ==, 2 * (i + 1));
    }
}

static void test_two_ports(void)
{
    QTestState *qts;
    struct ultracall_device dev;
    int user1, user2;

    qts = shadow_start("", SHADOW_COM1 " -chardev socket,id=c1,path=%s/c1,"
                       "server=on,wait=off -device shadow-serial,id=com2,"
                       "guest=vm1,iobase=0x2f8,irq=3,chardev=c1",
                       shadow_dir, shadow_dir);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    user1 = user_connect("c0");
    user2 = user_connect("c1");
    uart_write(qts, COM1, "first");
    uart_write(qts, COM2, "second");
    user_expect(user1, "first");
    user_expect(user2, "second");
    user_send(user2, "for two");
    user_send(user1, "for one");
    uart_expect(qts, COM1, "for one");
    uart_expect(qts, COM2, "for two");
    port_out(qts, COM2 + UART_IER, 0x02);

    dev = shadow_irq_poll(qts, "vm1", 0);
    g_assert_cmphex(le16_to_cpu(dev.iobase), ==, COM2);
    g_assert_cmpuint(dev.irq, ==, 3);
    g_assert_cmpuint(dev.level, ==, 1);
    dev = shadow_irq_poll(qts, "vm1", 1);
    g_assert_cmphex(le16_to_cpu(dev.iobase), ==, COM1);
    g_assert_cmpuint(dev.irq, ==, 4);
    g_assert_cmpuint(dev.level, ==, 0);
    close(user1);
    close(user2);
    qtest_quit(qts);
}

/* Resets of the nested machine */

static void test_reset_registers(void)
{
    QTestState *qts = shadow_renew_com1();

    reg_out(qts, UART_LCR, 0x83);
    reg_out(qts, UART_DATA, 0x01);
    reg_out(qts, UART_LCR, 0x1b);
    reg_out(qts, UART_FCR, 0xc1);
    reg_out(qts, UART_IER, 0x0f);
    reg_out(qts, UART_MCR, 0x0b);
    reg_out(qts, UART_SCR, 0x5a);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_RESET, "vm1"), ==, 0);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 0);
    g_assert_cmphex(reg_in(qts, UART_IER), ==, 0);
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0x01);
    g_assert_cmphex(reg_in(qts, UART_LCR), ==, 0);
    g_assert_cmphex(reg_in(qts, UART_MCR), ==, 0x08);
    g_assert_cmphex(reg_in(qts, UART_LSR), ==, LSR_THRE | LSR_TEMT);
    g_assert_cmphex(reg_in(qts, UART_SCR), ==, 0);
    reg_out(qts, UART_LCR, 0x80);
    g_assert_cmphex(reg_in(qts, UART_DATA), ==, 0x0c);
    g_assert_cmphex(reg_in(qts, UART_IER), ==, 0);
}

/* Also what the UART itself held */
static void test_reset_keeps_input(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    user_send(user, "abc");
    shadow_wait_count(qts, "com1", "input-accepted", 3);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 1);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_RESET, "vm1"), ==, 0);
    uart_expect(qts, COM1, "abc");
    uart_write(qts, COM1, "up again");
    user_expect(user, "up again");
    close(user);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-serial/power-on", test_power_on);
    qtest_add_func("/shadow-serial/scratch", test_scratch);
    qtest_add_func("/shadow-serial/divisor", test_divisor);
    qtest_add_func("/shadow-serial/fifo-switch", test_fifo_switch);
    qtest_add_func("/shadow-serial/loopback", test_loopback);
    qtest_add_func("/shadow-serial/polled-output", test_polled_output);
    qtest_add_func("/shadow-serial/input/no-fifo", test_input_without_fifo);
    qtest_add_func("/shadow-serial/input/fifo", test_input_with_fifo);
    qtest_add_func("/shadow-serial/break", test_break);
    qtest_add_func("/shadow-serial/modem-lines", test_modem_lines);
    qtest_add_func("/shadow-serial/access/wide", test_wide_accesses);
    qtest_add_func("/shadow-serial/access/straddling",
                   test_straddling_accesses);
    qtest_add_func("/shadow-serial/access/unclaimed", test_unclaimed_ports);
    qtest_add_func("/shadow-serial/two-ports", test_two_ports);
    qtest_add_func("/shadow-serial/reset/registers", test_reset_registers);
    qtest_add_func("/shadow-serial/reset/input", test_reset_keeps_input);
    return shadow_test_run();
}
