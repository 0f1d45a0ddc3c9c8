/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest on a host that cannot keep its ports from the cloud VM: who may have
 * one, and what its users are told.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define KEY0 "-object secret,id=key0,data=" SHADOW_KEY " "
/* What makes QEMU end in any case, later */
#define AND_END " -device no-such-device"

static void test_refused(void)
{
    g_autofree char *text = NULL;

    shadow_host_lacks(SHADOW_MISSING);
    text = shadow_refuses_to_start(KEY0 "-object shadow-guest,id=vm1,"
                                   "secret=key0" AND_END);
    shadow_host_lacks(NULL);
    g_assert_nonnull(strstr(text, "shadow-guest 'vm1' cannot be protected "
                                  "from the cloud VM: " SHADOW_MISSING "\n"));
    g_assert_nonnull(strstr(text, "With unprotected=on it works all the "
                                  "same"));
    g_assert_null(strstr(text, "no-such-device"));
}

static void test_refused_later(void)
{
    QTestState *qts = shadow_start_exposed();

    shadow_qmp_refused(qts, "cannot be protected from the cloud VM: "
                       SHADOW_MISSING, "{'execute': 'object-add', "
                       "'arguments': {'qom-type': 'shadow-guest', "
                       "'id': 'vm2', 'secret': 'key0'}}");
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'shadow-guest', 'id': 'vm2', "
                             "'secret': 'key0', 'unprotected': true}}");
    qtest_quit(qts);
}

static void test_warned(void)
{
    g_autofree char *text = NULL;

    shadow_host_lacks(SHADOW_MISSING);
    text = shadow_refuses_to_start(KEY0 "-object shadow-guest,id=vm1,"
                                   "secret=key0,unprotected=on" AND_END);
    shadow_host_lacks(NULL);
    g_assert_nonnull(strstr(text, "warning: shadow-guest 'vm1': the cloud VM "
                                  "can see and alter its consoles: "
                                  SHADOW_MISSING));
    g_assert_null(strstr(text, "cannot be protected"));
    g_assert_nonnull(strstr(text, "no-such-device"));
}

/* Each connection, and no position counts it */
static void test_exposed(void)
{
    QTestState *qts = shadow_start_exposed();
    g_autofree char *text = NULL;
    int user;

    shadow_assert_protection(qts, "none", 0);
    uart_write(qts, COM1, "boot,");
    for (unsigned i = 0; i < 2; i++) {
        user = user_connect("c0");
        shadow_expect_connected_told(qts, 3 * i, 10 * i, SHADOW_EXPOSED);
        user_expect(user, SHADOW_EXPOSED);
        user_expect(user, i ? "away," : "boot,");
        uart_write(qts, COM1, "here,");
        user_expect(user, "here,");
        user_send(user, "hi!");
        uart_expect(qts, COM1, "hi!");
        g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==,
                         10 * i + 10);
        close(user);
        shadow_wait_connected(qts, "com1", false);
        uart_write(qts, COM1, "away,");
    }
    text = qtest_hmp(qts, "info shadow");
    g_assert_nonnull(strstr(text, "protection none, "));
    qtest_quit(qts);
}

/* It can be protected, so it is: from its first entry on. */
static void test_needless(void)
{
    QTestState *qts = shadow_start(",unprotected=on", SHADOW_COM1,
                                   shadow_dir);
    int user = user_connect("c0");

    shadow_expect_connected(qts, 0, 0);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_assert_protection(qts, "none", 0);
    uart_write(qts, COM1, "text");
    shadow_assert_protection(qts, "forced", 0);
    user_expect(user, "text");
    close(user);
    qtest_quit(qts);
}

/* The notice waits for room, and the guest's output for the notice. */
static void test_exposed_slow_user(void)
{
    g_autofree char *filler = g_strnfill(PIPE_USER_SIZE, '.');
    QTestState *qts;
    PipeUser p;

    pipe_user_start(&p, PIPE_USER_SIZE);
    shadow_host_lacks(SHADOW_MISSING);
    qts = shadow_start(",unprotected=on", "-chardev pipe,id=c0,path=%s",
                       p.base);
    shadow_host_lacks(NULL);
    qtest_qmp_device_add(qts, "shadow-serial", "com1", "{'guest': 'vm1', "
                         "'chardev': 'c0'}");
    shadow_expect_connected_told(qts, 0, 0, SHADOW_EXPOSED);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    uart_write(qts, COM1, "text");
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 0);
    user_expect(p.from, filler);
    user_expect(p.from, SHADOW_EXPOSED "text");
    user_expect_nothing(p.from);
    qtest_quit(qts);
    pipe_user_end(&p);
}

/* From a host that protects to one that cannot */
static void test_moved_to_exposed(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to;
    int user;

    shadow_host_lacks(SHADOW_MISSING);
    to = shadow_start_incoming_with(",unprotected=on", "");
    shadow_host_lacks(NULL);
    uart_write(from, COM1, "text");
    user = user_connect("d0");
    shadow_wait_connected(to, "com1", true);
    user_expect_nothing(user);
    shadow_move(from, to);
    user_expect_nothing(user);
    shadow_run(to);
    shadow_expect_connected_told(to, 0, 0, SHADOW_EXPOSED);
    user_expect(user, SHADOW_EXPOSED "text");
    user_expect_nothing(user);
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-exposed/refused", test_refused);
    qtest_add_func("/shadow-exposed/refused-later", test_refused_later);
    qtest_add_func("/shadow-exposed/warned", test_warned);
    qtest_add_func("/shadow-exposed/notice", test_exposed);
    qtest_add_func("/shadow-exposed/slow-user", test_exposed_slow_user);
    qtest_add_func("/shadow-exposed/needless", test_needless);
    qtest_add_func("/shadow-exposed/moved-to", test_moved_to_exposed);
    return shadow_test_run();
}
