/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest whose ports are no longer kept from the cloud VM, and what its users
 * are told.  Those that never were are in test-shadow-exposed.c.
 */
#include "qemu/osdep.h"
#include "qapi/qapi-types-shadow.h"
#include "shadow-common.h"

#define BROKEN "no longer protected from the cloud VM: as tested"

static void protect(QTestState *qts, ShadowProtection protection)
{
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_PROTECTION, protection);
}

static void expect_broken(QTestState *qts)
{
    QDict *data = shadow_event(qts, "SHADOW_GUEST_UNPROTECTED");

    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, "vm1");
    g_assert_cmpstr(qdict_get_str(data, "reason"), ==, "as tested");
    qobject_unref(data);
}

/* Whatever the accelerator does about it, but not while there is nothing */
static void test_no_notice(void)
{
    static const ShadowProtection kinds[] = {
        SHADOW_PROTECTION_NONE, SHADOW_PROTECTION_WATCHED,
        SHADOW_PROTECTION_FORCED,
    };
    QTestState *qts = shadow_renew_com1();

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        int user;

        protect(qts, kinds[i]);
        user = user_connect("c0");
        shadow_expect_connected(qts, 0, 4 * i);
        uart_write(qts, COM1, "text");
        user_expect(user, "text");
        user_expect_nothing(user);
        close(user);
        shadow_wait_connected(qts, "com1", false);
    }
    shadow_assert_protection(qts, "forced", 0);
}

/*
 * In the midst of output: a line that says where, and nothing lost.  What is
 * typed stays in the transport until the line has been written.
 */
static void test_broken_slow_user(void)
{
    g_autofree char *text = shadow_pattern(2 * PIPE_USER_SIZE);
    QTestState *qts;
    unsigned sent;
    PipeUser p;

    pipe_user_start(&p, 0);
    qts = shadow_start("", "-chardev pipe,id=c0,path=%s -device shadow-serial,"
                       "id=com1,guest=vm1,chardev=c0", p.base);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    pipe_user_send(&p, "before");
    uart_expect(qts, COM1, "before");
    uart_write(qts, COM1, text);
    sent = shadow_count(qts, "com1", "output-sent");
    g_assert_cmpuint(sent, >, 0);
    g_assert_cmpuint(sent, <=, PIPE_USER_SIZE);

    protect(qts, SHADOW_PROTECTION_BROKEN);
    expect_broken(qts);
    pipe_user_send(&p, "typed");
    g_usleep(20000);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 6);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, sent);

    for (unsigned i = 0; i < sent; i++) {
        char byte[2] = { text[i] };

        user_expect(p.from, byte);
    }
    user_expect_line(p.from, BROKEN, 6, sent);
    user_expect(p.from, text + sent);
    uart_expect(qts, COM1, "typed");
    user_expect_nothing(p.from);
    qtest_quit(qts);
    pipe_user_end(&p);
}

/* While it runs */

static void test_broken(void)
{
    QTestState *qts = shadow_renew_com1();
    g_autofree char *text = NULL;
    int user = user_connect("c0");

    shadow_expect_connected(qts, 0, 0);
    uart_write(qts, COM1, "before");
    user_send(user, "abc");
    uart_expect(qts, COM1, "abc");
    shadow_wait_count(qts, "com1", "output-sent", 6);
    protect(qts, SHADOW_PROTECTION_BROKEN);
    expect_broken(qts);
    shadow_assert_protection(qts, "broken", 1);
    user_expect(user, "before");
    user_expect_notice(user, BROKEN, 3, 6);
    uart_write(qts, COM1, "between");

    for (unsigned i = 0; i < 2; i++) {
        user = user_connect("c0");
        shadow_expect_connected_told(qts, 3 + 4 * i, 6 + 12 * i,
                                     SHADOW_EXPOSED);
        user_expect(user, SHADOW_EXPOSED);
        user_expect(user, i ? "more" : "between");
        uart_write(qts, COM1, "after");
        user_expect(user, "after");
        user_send(user, "type");
        uart_expect(qts, COM1, "type");
        user_expect_nothing(user);
        close(user);
        shadow_wait_connected(qts, "com1", false);
        uart_write(qts, COM1, "more");
        if (i == 0) {
            /* 6 + 7 + 5 were sent */
            g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 18);
        }
    }
    text = qtest_hmp(qts, "info shadow");
    g_assert_nonnull(strstr(text, "protection broken, "));
    g_assert_nonnull(strstr(text, "protection was broken: 1"));
}

/* Nobody is there: who comes next is told, and the one after is not. */
static void test_broken_told_later(void)
{
    QTestState *qts = shadow_renew_com1();
    int user;

    uart_write(qts, COM1, "out");
    protect(qts, SHADOW_PROTECTION_BROKEN);
    user_expect_notice(user_connect("c0"), BROKEN, 0, 0);
    user = user_connect("c0");
    shadow_expect_connected_told(qts, 0, 0, SHADOW_EXPOSED);
    user_expect(user, SHADOW_EXPOSED "out");
    user_expect_nothing(user);
    close(user);
}

/* A cloud VM that covers its traces: the break is told all the same. */
static void test_rebound(void)
{
    QTestState *qts = shadow_renew_com1();
    int user;

    protect(qts, SHADOW_PROTECTION_BROKEN);
    expect_broken(qts);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_assert_protection(qts, "none", 1);
    user_expect_notice(user_connect("c0"), BROKEN, 0, 0);
    user = user_connect("c0");
    shadow_expect_connected(qts, 0, 0);
    uart_write(qts, COM1, "text");
    user_expect(user, "text");
    shadow_assert_protection(qts, "forced", 1);

    /* and the next break is told again */
    protect(qts, SHADOW_PROTECTION_BROKEN);
    expect_broken(qts);
    user_expect_notice(user, BROKEN, 0, 4);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_protection(qts, "none", 2);
    user = user_connect("c0");
    user_expect_nothing(user);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_expect_connected(qts, 0, 4);
    close(user);
}

/* Two lines are due: none takes the other's place. */
static void test_broken_and_snapshot(void)
{
    QTestState *qts = shadow_start_com1_with(",snapshots=on");
    size_t len;
    int user;

    g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_SNAPSHOT), ==,
                    0);
    len = shadow_value(qts);
    for (unsigned first = 0; first < 2; first++) {
        for (unsigned i = 0; i < 2; i++) {
            if (i == first) {
                protect(qts, SHADOW_PROTECTION_WATCHED);
                protect(qts, SHADOW_PROTECTION_BROKEN);
            } else {
                g_assert_cmpint(shadow_call(qts, ULTRACALL_RESTORE, "vm1",
                                            SHADOW_BUF, len, 0), ==, 0);
            }
        }
        user = user_connect("c0");
        user_expect_line(user, "went back to a snapshot", 0, 0);
        user_expect_notice(user, BROKEN, 0, 0);
    }
    user = user_connect("c0");
    shadow_expect_connected_told(qts, 0, 0, SHADOW_EXPOSED);
    user_expect(user, SHADOW_EXPOSED);
    user_expect_nothing(user);
    close(user);
    qtest_quit(qts);
}

/* A port that is added to a guest that is broken */
static void test_broken_new_device(void)
{
    QTestState *qts;
    int user;

    qts = shadow_start("", SHADOW_CHARDEV "-device shadow-serial,id=com2,"
                       "guest=vm1,iobase=0x2f8,irq=3", shadow_dir);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    protect(qts, SHADOW_PROTECTION_BROKEN);
    qtest_qmp_device_add(qts, "shadow-serial", "com1", "{'guest': 'vm1', "
                         "'chardev': 'c0'}");
    user = user_connect("c0");
    shadow_expect_connected_told(qts, 0, 0, SHADOW_EXPOSED);
    user_expect(user, SHADOW_EXPOSED);
    user_expect_nothing(user);
    close(user);
    qtest_quit(qts);
}

/* Between hosts */

/* A frozen port tells its user when it works again. */
static void test_frozen(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    uart_write(qts, COM1, "text");
    user_expect(user, "text");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    protect(qts, SHADOW_PROTECTION_BROKEN);
    expect_broken(qts);
    user_send(user, "typed");
    user_expect_nothing(user);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    user_expect_line(user, BROKEN, 0, 4);
    shadow_wait_connected(qts, "com1", false);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 0);
    close(user);
    user = user_connect("c0");
    user_expect(user, SHADOW_EXPOSED);
    user_expect_nothing(user);
    close(user);
}

/* What was not told before the guest left is told before that it left. */
static void test_moved(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    int user = user_connect("c0");

    uart_write(from, COM1, "text");
    user_expect(user, "text");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");
    protect(from, SHADOW_PROTECTION_BROKEN);
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    user_expect_line(user, BROKEN, 0, 4);
    user_expect_notice(user, "moved to another host", 0, 4);
    user_expect_notice(user_connect("c0"), "moved to another host", 0, 4);

    /* its protection there has nothing to do with that */
    shadow_run(to);
    shadow_assert_protection(to, "forced", 0);
    user = user_connect("d0");
    shadow_expect_connected(to, 0, 4);
    uart_write(to, COM1, "there");
    user_expect(user, "there");
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

/* Nobody came before it left and came back. */
static void test_moved_and_back(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    int user;

    protect(from, SHADOW_PROTECTION_BROKEN);
    shadow_move(from, to);
    shadow_run(to);
    uart_write(to, COM1, "text");
    shadow_move(to, from);
    shadow_run(from);
    user_expect_notice(user_connect("c0"), BROKEN, 0, 0);
    user = user_connect("c0");
    user_expect(user, SHADOW_EXPOSED "text");
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

/* Events */

static unsigned events(QTestState *qts)
{
    unsigned n = 0;
    QDict *event;

    shadow_assert_protection(qts, "broken", shadow_count(qts, "com1",
                                                  "output-produced"));
    while ((event = qtest_qmp_event_ref(qts, "SHADOW_GUEST_UNPROTECTED"))) {
        qobject_unref(event);
        n++;
    }
    return n;
}

static void break_once(QTestState *qts)
{
    uart_write(qts, COM1, "!");
    protect(qts, SHADOW_PROTECTION_WATCHED);
    protect(qts, SHADOW_PROTECTION_BROKEN);
}

/* A cloud VM cannot use up the events of breaks by others. */
static void test_events(void)
{
    QTestState *qts = shadow_start_com1();

    for (unsigned i = 0; i < 300; i++) {
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==,
                        -EBUSY);
    }
    for (unsigned i = 0; i < 50; i++) {
        for (unsigned k = 0; k < 4; k++) {
            shadow_simple(qts, ULTRACALL_COMMIT, "vm1");
        }
        break_once(qts);
    }
    g_assert_cmpuint(events(qts), ==, 50);

    for (unsigned i = 0; i < 2000; i++) {
        break_once(qts);
    }
    g_assert_cmpuint(events(qts), <, 2000);
    shadow_assert_protection(qts, "broken", 2050);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-protection/no-notice", test_no_notice);
    qtest_add_func("/shadow-protection/broken/told", test_broken);
    qtest_add_func("/shadow-protection/broken/told-later",
                   test_broken_told_later);
    qtest_add_func("/shadow-protection/broken/slow-user",
                   test_broken_slow_user);
    qtest_add_func("/shadow-protection/broken/rebound", test_rebound);
    qtest_add_func("/shadow-protection/broken/snapshot",
                   test_broken_and_snapshot);
    qtest_add_func("/shadow-protection/broken/new-device",
                   test_broken_new_device);
    qtest_add_func("/shadow-protection/moved/frozen", test_frozen);
    qtest_add_func("/shadow-protection/moved/told-before", test_moved);
    qtest_add_func("/shadow-protection/moved/and-back", test_moved_and_back);
    qtest_add_func("/shadow-protection/events", test_events);
    return shadow_test_run();
}
