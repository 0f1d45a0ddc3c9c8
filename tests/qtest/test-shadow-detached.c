/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A console whose guest is not bound any more: the user is told, and no byte
 * passes until it is bound again and a user has connected anew.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define DETACHED "detached from its virtual machine: the cloud VM unbound it"

static void unbind_vm1(QTestState *qts)
{
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
}

static void bind_vm1(QTestState *qts)
{
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
}

/* The loop has had its turns: nothing was taken from the user, or given. */
static void expect_counts(QTestState *qts, unsigned accepted, unsigned taken)
{
    g_usleep(20000);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==,
                     accepted);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, taken);
}

static void test_told(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    shadow_expect_connected(qts, 0, 0);
    uart_write(qts, COM1, "login:");
    user_expect(user, "login:");
    user_send(user, "abc");
    shadow_wait_count(qts, "com1", "input-accepted", 3);
    unbind_vm1(qts);
    user_expect_notice(user, DETACHED, 3, 6);

    /* who comes now waits, and is not listened to */
    user = user_connect("c0");
    user_send(user, "later");
    shadow_wait_connected(qts, "com1", true);
    expect_counts(qts, 3, 1);
    user_expect_nothing(user);

    bind_vm1(qts);
    shadow_expect_connected(qts, 3, 6);
    uart_expect(qts, COM1, "abclater");
    uart_write(qts, COM1, "again");
    user_expect(user, "again");
    close(user);
}

/* Bound again at once: the connection that there was does not go on. */
static void test_bound_again(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    shadow_expect_connected(qts, 0, 0);
    user_send(user, "ab");
    shadow_wait_count(qts, "com1", "input-accepted", 2);
    unbind_vm1(qts);
    bind_vm1(qts);
    uart_write(qts, COM1, "to whom?");
    user_expect_notice(user, DETACHED, 2, 0);
    g_assert_cmphex(port_in(qts, COM1), ==, 'a');
    expect_counts(qts, 2, 1);

    user = user_connect("c0");
    shadow_expect_connected(qts, 2, 0);
    user_expect(user, "to whom?");
    uart_expect(qts, COM1, "b");
    close(user);
}

/* With nobody there nobody is sent away; what waits waits for who comes. */
static void test_told_later(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    shadow_expect_connected(qts, 0, 0);
    user_send(user, "ab");
    shadow_wait_count(qts, "com1", "input-accepted", 2);
    close(user);
    shadow_wait_connected(qts, "com1", false);
    unbind_vm1(qts);
    bind_vm1(qts);
    g_assert_cmphex(port_in(qts, COM1), ==, 'a');
    expect_counts(qts, 2, 1);
    user = user_connect("c0");
    shadow_expect_connected(qts, 2, 0);
    uart_expect(qts, COM1, "b");
    close(user);
}

/* A transport that cannot be hung up goes on after the line. */
static void test_pipe(void)
{
    QTestState *qts;
    PipeUser p;

    pipe_user_start(&p, 0);
    qts = shadow_start("", "-chardev pipe,id=c0,path=%s -device shadow-serial,"
                       "id=com1,guest=vm1,chardev=c0", p.base);
    bind_vm1(qts);
    unbind_vm1(qts);
    user_expect_line(p.from, DETACHED, 0, 0);
    pipe_user_send(&p, "x");
    expect_counts(qts, 0, 0);
    bind_vm1(qts);
    shadow_expect_connected(qts, 0, 0);
    uart_expect(qts, COM1, "x");
    uart_write(qts, COM1, "on");
    user_expect(p.from, "on");
    qtest_quit(qts);
    pipe_user_end(&p);
}

/* It leaves this host unbound: who comes then is told where it is. */
static void test_moved(void)
{
    QTestState *qts = shadow_renew_com1();
    int user;

    unbind_vm1(qts);
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    user = user_connect("c0");
    user_expect_notice(user, "moved to another host", 0, 0);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-detached/told", test_told);
    qtest_add_func("/shadow-detached/bound-again", test_bound_again);
    qtest_add_func("/shadow-detached/told-later", test_told_later);
    qtest_add_func("/shadow-detached/pipe", test_pipe);
    qtest_add_func("/shadow-detached/moved", test_moved);
    return shadow_test_run();
}
