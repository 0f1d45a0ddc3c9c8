/*
 * Tests of accesses that the cloud VM brings, on a host that cannot take them
 * from the nested guest itself
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow/tests/qtest/shadow-common.h"

#define WRITE ULTRACALL_PORT_WRITE

static int brought_out(QTestState *qts, uint16_t port, uint8_t val)
{
    qtest_writeb(qts, SHADOW_BUF, val);
    return shadow_call(qts, ULTRACALL_PORT, "vm1", SHADOW_BUF, 1,
                       port | WRITE);
}

static uint8_t brought_in(QTestState *qts, uint16_t port)
{
    g_assert_cmpint(shadow_call(qts, ULTRACALL_PORT, "vm1", SHADOW_BUF, 1,
                                port), ==, 0);
    return qtest_readb(qts, SHADOW_BUF);
}

static void test_brought(void)
{
    QTestState *qts = shadow_start_exposed();
    struct ultracall_guest guest = shadow_query_call(qts, "vm1");
    int user = user_connect("c0");

    g_assert_cmpuint(le16_to_cpu(guest.flags), ==,
                     ULTRACALL_GUEST_EXPOSED | ULTRACALL_GUEST_BOUND);
    shadow_wait_connected(qts, "com1", true);
    user_expect(user, SHADOW_EXPOSED);
    g_assert_cmpint(brought_out(qts, COM1 + UART_SCR, 0x5a), ==, 0);
    g_assert_cmphex(brought_in(qts, COM1 + UART_SCR), ==, 0x5a);
    g_assert_cmpint(brought_out(qts, COM1 + UART_DATA, 'A'), ==, 0);
    user_expect(user, "A");
    user_send(user, "b");
    shadow_wait_count(qts, "com1", "input-taken", 1);
    g_assert_cmphex(brought_in(qts, COM1 + UART_DATA), ==, 'b');
    close(user);
    qtest_quit(qts);
}

/* Two ports at once, as an access of two bytes to an 8-bit device */
static void test_sizes(void)
{
    QTestState *qts = shadow_start_exposed();

    qtest_writew(qts, SHADOW_BUF, 0x1234);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_PORT, "vm1", SHADOW_BUF, 2,
                                (COM1 + UART_SCR) | WRITE), ==, 0);
    g_assert_cmphex(brought_in(qts, COM1 + UART_SCR), ==, 0x34);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_PORT, "vm1", SHADOW_BUF, 4,
                                COM1 + UART_SCR), ==, 0);
    g_assert_cmphex(qtest_readl(qts, SHADOW_BUF), ==, 0xffffff34);
    qtest_quit(qts);
}

static void test_bad(void)
{
    static const struct {
        uint64_t len, flags;
        int ret;
    } bad[] = {
        { 0, COM1, -ENOSPC },
        { 3, COM1, -EINVAL },
        { 1, COM2, -EINVAL },
        { 1, COM1 + 8, -EINVAL },
        { 4, COM1 - 4, -EINVAL },
        { 1, COM1 | WRITE << 1, -EINVAL },
        { 1, COM1 | 1ull << 63, -EINVAL },
    };
    QTestState *qts = shadow_start_exposed();

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpint(shadow_call(qts, ULTRACALL_PORT, "vm1", SHADOW_BUF,
                                    bad[i].len, bad[i].flags),
                        ==, bad[i].ret);
    }
    g_assert_cmpint(shadow_call(qts, ULTRACALL_PORT, "vm1", SHADOW_HOLE, 1,
                                COM1), ==, -EFAULT);
    qtest_quit(qts);
}

/* It would be a way to type on the console, and to read it. */
static void test_protected(void)
{
    QTestState *qts = shadow_start_com1();
    int user = user_connect("c0");

    shadow_wait_connected(qts, "com1", true);
    user_send(user, "secret");
    shadow_wait_count(qts, "com1", "input-taken", 1);
    g_assert_cmpint(brought_out(qts, COM1 + UART_DATA, 'A'), ==, -EPERM);
    qtest_writeb(qts, SHADOW_BUF, 0);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_PORT, "vm1", SHADOW_BUF, 1,
                                COM1), ==, -EPERM);
    g_assert_cmphex(qtest_readb(qts, SHADOW_BUF), ==, 0);
    uart_expect(qts, COM1, "s");
    g_assert_cmpint(shadow_count(qts, "com1", "output-produced"), ==, 0);
    close(user);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-ports/brought", test_brought);
    qtest_add_func("/shadow-ports/sizes", test_sizes);
    qtest_add_func("/shadow-ports/bad", test_bad);
    qtest_add_func("/shadow-ports/protected", test_protected);
    return shadow_test_run();
}
