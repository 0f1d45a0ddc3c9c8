/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which nested guest is running: bindings by process, and their ends.  Those
 * that a nested guest makes are in test-shadow-register.c.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define OTHER       0x2000  /* CR3 of another process */
#define ROOT        0x5000
#define VMCB        0x6000

/* From now on accesses are made in the entry that was made last. */
static void stay_inside(QTestState *qts, bool stay)
{
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ENTERS, !stay);
}

static int do_bind(QTestState *qts, const char *tag, uint64_t process,
                   unsigned n)
{
    shadow_enter(qts, process, 0, 0);
    return shadow_call(qts, ULTRACALL_BIND, tag, SHADOW_COOKIES + 8 * n, 8, 0);
}

static QTestState *start_two(void)
{
    return shadow_start("", "-object shadow-guest,id=vm2,secret=key0 "
                        "-device shadow-serial,id=com1,guest=vm1 "
                        "-device shadow-serial,id=com2,guest=vm2 "
                        "-device shadow-serial,id=com3,guest=vm2,iobase=0x2f8");
}

static void test_bind(void)
{
    QTestState *qts = shadow_renew_com1_unbound("");

    g_assert_false(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
    shadow_assert_bound(qts, "vm1", false, false);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_expect_bound(qts, false);
    shadow_assert_bound(qts, "vm1", true, false);
    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, ROOT, VMCB));
    g_assert_false(entry_claimed(qts, OTHER, ROOT, VMCB));
}

static void test_unbind(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_expect_unbound(qts, "vm1", "the cloud VM unbound it");
    shadow_assert_bound(qts, "vm1", false, false);
    g_assert_false(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==,
                    -EALREADY);
}

/* The process has ended, and its page is somebody else's */
static void test_cookie(void)
{
    QTestState *qts = shadow_renew_com1();
    uint64_t cookie = qtest_readq(qts, SHADOW_COOKIES);

    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
    qtest_writeq(qts, SHADOW_COOKIES, cookie ^ 1);
    g_assert_cmpint(port_server(qts), ==, NOBODY);
    shadow_expect_unbound(qts, "vm1", "the bound process has ended");
    shadow_assert_bound(qts, "vm1", false, false);

    /* putting it back is too late */
    qtest_writeq(qts, SHADOW_COOKIES, cookie);
    g_assert_false(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
}

/* A binding that lives is not another process's to replace. */
static void test_busy(void)
{
    QTestState *qts = shadow_renew_com1();
    uint64_t cookie = qtest_readq(qts, SHADOW_COOKIES);

    qtest_writeq(qts, SHADOW_COOKIES + 8, 0x5555);
    g_assert_cmpint(do_bind(qts, "vm1", OTHER, 1), ==, -EBUSY);
    g_assert_cmphex(qtest_readq(qts, SHADOW_COOKIES + 8), ==, 0x5555);
    g_assert_false(entry_claimed(qts, OTHER, 0, 0));
    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, 0, 0));

    /* but when it has died it is */
    qtest_writeq(qts, SHADOW_COOKIES, cookie ^ 1);
    g_assert_cmpint(do_bind(qts, "vm1", OTHER, 1), ==, 0);
    shadow_expect_unbound(qts, "vm1", "another process binds it");
    g_assert_true(entry_claimed(qts, OTHER, 0, 0));
    g_assert_false(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
}

/* The same process once more, with a cookie elsewhere: no CPU sees a gap. */
static void test_rebind(void)
{
    QTestState *qts = shadow_renew_com1();

    port_out(qts, COM1 + UART_SCR, 0x5a);
    stay_inside(qts, true);
    g_assert_cmpint(do_bind(qts, "vm1", SHADOW_PROCESS, 2), ==, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
    stay_inside(qts, false);
    qtest_writeq(qts, SHADOW_COOKIES, 0);
    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_cmpuint(shadow_guest_count(qts, "bindings"), ==, 2);
}

/* A process that has the page table of one that died is another one. */
static void test_page_table_again(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    shadow_wait_connected(qts, "com1", true);
    qtest_writeq(qts, SHADOW_COOKIES, 0);
    g_assert_cmpint(do_bind(qts, "vm1", SHADOW_PROCESS, 1), ==, 0);
    user_expect_notice(user, "detached from its virtual machine: another "
                       "process binds it", 0, 0);
    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
}

/*
 * The notice that a cookie was not there any more comes after the process has
 * a new one: it was about the old one.
 */
static void test_late_notice(void)
{
    QTestState *qts = shadow_renew_com1();
    uint64_t cookie = qtest_readq(qts, SHADOW_COOKIES);

    qtest_writeq(qts, SHADOW_COOKIES, cookie ^ 1);
    /* the access and the call are one request to QEMU's main loop */
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_BIND_LATE, SHADOW_COOKIES + 8);
    shadow_assert_bound(qts, "vm1", true, false);
    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
}

/* A cookie that cannot be read says nothing. */
static void test_absent(void)
{
    QTestState *qts = shadow_renew_com1_unbound("");
    QDict *g;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    port_out(qts, COM1 + UART_SCR, 0x5a);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ABSENT, true);
    g_assert_cmpint(port_server(qts), ==, NOBODY);
    port_out(qts, COM1 + UART_SCR, 0x11);
    shadow_assert_bound(qts, "vm1", true, false);
    g = shadow_query(qts, "vm1");
    g_assert_false(qdict_get_bool(g, "recognized"));
    qobject_unref(g);
    /* other ports are whose they are */
    port_in(qts, COM2 + UART_SCR);
    g_assert_cmpuint(port_missed(qts), ==, 1);

    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ABSENT, false);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
    g = shadow_query(qts, "vm1");
    g_assert_true(qdict_get_bool(g, "recognized"));
    qobject_unref(g);
}

/* But one whose page tables are gone has died. */
static void test_dead(void)
{
    QTestState *qts = shadow_renew_com1();

    port_out(qts, COM1 + UART_SCR, 0x5a);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_LOOK, true);
    shadow_assert_bound(qts, "vm1", true, false);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_LOOK, false);
    shadow_assert_bound(qts, "vm1", false, false);
    g_assert_false(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
}

/* A CPU in the guest does not turn to L1 before it makes another entry. */
static void test_tombstone(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmpint(port_server(qts), ==, DEVICE);
    stay_inside(qts, true);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_cmpint(port_server(qts), ==, NOBODY);
    /* nor to the guest, if it is bound again */
    g_assert_cmpint(do_bind(qts, "vm1", OTHER, 1), ==, 0);
    g_assert_cmpint(port_server(qts), ==, NOBODY);
    stay_inside(qts, false);
    g_assert_cmpint(port_server(qts), ==, DEVICE);
    g_assert_false(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
}

/* Nor when L0's operator takes away what served it. */
static void test_removed_inside(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmpint(port_server(qts), ==, DEVICE);
    stay_inside(qts, true);
    qtest_qmp_device_del(qts, "com1");
    g_assert_cmpint(port_server(qts), ==, NOBODY);
    stay_inside(qts, false);
    g_assert_cmpint(port_server(qts), ==, SOMEBODY_ELSE);
}

static void test_deleted_inside(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmpint(port_server(qts), ==, DEVICE);
    stay_inside(qts, true);
    qtest_qmp_device_del(qts, "com1");
    shadow_object_del(qts, "vm1");
    g_assert_cmpint(port_server(qts), ==, NOBODY);
    stay_inside(qts, false);
    g_assert_cmpint(port_server(qts), ==, SOMEBODY_ELSE);
}

/*
 * A program's address space under page-table isolation, and that of its
 * kernel; and two processes whose address spaces differ in that bit.
 */
static void test_alias(void)
{
    QTestState *qts = shadow_renew_com1_unbound("");
    const uint64_t user = 0x9000, kernel = 0x8000;

    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ALIAS, kernel);
    g_assert_cmpint(do_bind(qts, "vm1", user, 0), ==, 0);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ALIAS, 0);
    /* the first entry with the cookie tells which of them it is */
    g_assert_true(entry_claimed(qts, kernel, 0, 0));
    g_assert_false(entry_claimed(qts, user, 0, 0));
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);

    g_assert_cmpint(do_bind(qts, "vm1", kernel, 0), ==, 0);
    g_assert_false(entry_claimed(qts, user, 0, 0));
    g_assert_true(entry_claimed(qts, kernel, 0, 0));
}

static void test_two_guests(void)
{
    QTestState *qts = start_two();

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_bind(qts, "vm2", OTHER, 1);
    shadow_enter(qts, SHADOW_PROCESS, 0, 0);
    port_out(qts, COM1 + UART_SCR, 0x11);
    shadow_enter(qts, OTHER, 0, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0);
    port_out(qts, COM1 + UART_SCR, 0x22);
    port_out(qts, COM2 + UART_SCR, 0x33);
    g_assert_cmpuint(port_missed(qts), ==, 0);

    shadow_enter(qts, SHADOW_PROCESS, 0, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x11);
    port_in(qts, COM2 + UART_SCR);
    g_assert_cmpuint(port_missed(qts), ==, 1);

    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_false(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_true(entry_claimed(qts, OTHER, 0, 0));
    qtest_quit(qts);
}

/* L1 has used the CR3 of a process that ended for a new one. */
static void test_process_taken_over(void)
{
    QTestState *qts = start_two();

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    port_out(qts, COM1 + UART_SCR, 0x11);
    shadow_bind(qts, "vm2", SHADOW_PROCESS, 1);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0);
    shadow_expect_unbound(qts, "vm1", "the bound process has ended");
    shadow_assert_bound(qts, "vm1", false, false);
    shadow_assert_bound(qts, "vm2", true, false);
    qtest_quit(qts);
}

static void test_interrupts_of_two_guests(void)
{
    QTestState *qts = start_two();
    uint32_t edges;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_bind(qts, "vm2", OTHER, 1);
    edges = le32_to_cpu(shadow_irq_poll(qts, "vm2", 0).edges);
    shadow_enter(qts, SHADOW_PROCESS, 0, 0);
    port_out(qts, COM1 + UART_IER, 0x02);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm2", 0).level, ==, 0);
    g_assert_cmpuint(le32_to_cpu(shadow_irq_poll(qts, "vm2", 0).edges), ==,
                     edges);
    qtest_quit(qts);
}

static void test_reset_of_the_cloud_vm(void)
{
    QTestState *qts = shadow_renew_com1();

    qtest_system_reset_nowait(qts);
    shadow_expect_unbound(qts, "vm1", "the cloud VM was reset");
    qtest_qmp_eventwait(qts, "RESET");
    shadow_assert_bound(qts, "vm1", false, false);
    g_assert_false(entry_claimed(qts, SHADOW_PROCESS, 0, 0));
}

/* A nested guest learns of itself only. */
static void test_query_of_another(void)
{
    QTestState *qts = shadow_renew_com1();

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_QUERY | TESTDEV_NESTED, "vm1",
                                SHADOW_BUF, 0x1000, 0), ==, -ENOENT);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_QUERY | TESTDEV_NESTED, "vm9",
                                SHADOW_BUF, 0x1000, 0), ==, -ENOENT);
    shadow_enter(qts, SHADOW_PROCESS, ROOT, VMCB);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_QUERY | TESTDEV_NESTED, "vm1",
                                SHADOW_BUF, 0x1000, 0), ==, 0);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-binding/bind", test_bind);
    qtest_add_func("/shadow-binding/unbind", test_unbind);
    qtest_add_func("/shadow-binding/cookie", test_cookie);
    qtest_add_func("/shadow-binding/busy", test_busy);
    qtest_add_func("/shadow-binding/rebind", test_rebind);
    qtest_add_func("/shadow-binding/page-table-again", test_page_table_again);
    qtest_add_func("/shadow-binding/late-notice", test_late_notice);
    qtest_add_func("/shadow-binding/absent", test_absent);
    qtest_add_func("/shadow-binding/dead", test_dead);
    qtest_add_func("/shadow-binding/tombstone", test_tombstone);
    qtest_add_func("/shadow-binding/alias", test_alias);
    qtest_add_func("/shadow-binding/two-guests", test_two_guests);
    qtest_add_func("/shadow-binding/taken-over", test_process_taken_over);
    qtest_add_func("/shadow-binding/interrupts",
                   test_interrupts_of_two_guests);
    qtest_add_func("/shadow-binding/reset", test_reset_of_the_cloud_vm);
    qtest_add_func("/shadow-binding/query-of-another", test_query_of_another);
    qtest_add_func("/shadow-binding/inside/removed", test_removed_inside);
    qtest_add_func("/shadow-binding/inside/deleted", test_deleted_inside);
    return shadow_test_run();
}
