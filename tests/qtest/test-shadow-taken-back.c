/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ABORT after COMMIT: the other host could not run the guest after all, and
 * the process that has given it away takes it back.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "shadow-common.h"

#define OTHER_PROCESS 0x2000

static void commit(QTestState *qts)
{
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
}

static void give_away(QTestState *qts)
{
    commit(qts);
    shadow_assert_state(qts, "vm1", "gone");
}

static int take_back(QTestState *qts)
{
    return shadow_simple(qts, ULTRACALL_ABORT, "vm1");
}

/* Nothing is lost that was typed or printed before, and users come anew. */
static void test_goes_on(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    shadow_expect_connected(qts, 0, 0);
    uart_write(qts, COM1, "before,");
    user_expect(user, "before,");
    user_send(user, "typed");
    give_away(qts);
    user_expect_notice(user, "moved to another host", 5, 7);
    user = user_connect("c0");
    user_expect_notice(user, "moved to another host", 5, 7);

    g_assert_cmpint(take_back(qts), ==, 0);
    shadow_assert_state(qts, "vm1", "active");
    shadow_assert_bound(qts, "vm1", true, false);
    uart_expect(qts, COM1, "typed");
    user = user_connect("c0");
    uart_write(qts, COM1, "after");
    user_expect(user, "after");
    user_send(user, "more");
    uart_expect(qts, COM1, "more");
    close(user);
    g_assert_cmpint(take_back(qts), ==, -EALREADY);
}

static void test_unsent(void)
{
    QTestState *qts = shadow_renew_com1();
    int user;

    uart_write(qts, COM1, "unsent");
    give_away(qts);
    g_assert_cmpint(take_back(qts), ==, 0);
    user = user_connect("c0");
    user_expect(user, "unsent");
    close(user);
}

/* The operator sees each step, in its order. */
static void test_events(void)
{
    static const char *const names[] = {
        "SHADOW_GUEST_COMMITTED", "SHADOW_GUEST_ABORTED",
        "SHADOW_GUEST_ACTIVATED",
    };
    QTestState *qts = shadow_start_com1();
    unsigned n = 0;

    commit(qts);
    g_assert_cmpint(take_back(qts), ==, 0);
    while (n < ARRAY_SIZE(names)) {
        QDict *rsp = qtest_qmp_receive_dict(qts);
        const char *name = qdict_get_try_str(rsp, "event");

        for (unsigned i = n + 1; i < ARRAY_SIZE(names); i++) {
            g_assert_cmpstr(name, !=, names[i]);
        }
        n += g_strcmp0(name, names[n]) == 0;
        qobject_unref(rsp);
    }
    qtest_quit(qts);
}

/* What goes to the other host next is newer than what did not run there. */
static void test_again(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");

    uart_write(from, COM1, "first,");
    for (unsigned i = 0; i < 3; i++) {
        shadow_move(from, to);
        g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
        shadow_assert_state(to, "vm1", "incoming");
        g_assert_cmpint(take_back(from), ==, 0);
        uart_write(from, COM1, "more,");
        shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    }
    shadow_move(from, to);
    shadow_run(to);
    g_assert_cmpuint(shadow_count(to, "com1", "output-produced"), ==, 21);
    qtest_quit(from);
    qtest_quit(to);
}

/*
 * L1 has the guest run on both hosts, as it can by ABORT in place of COMMIT:
 * each console goes its own way, and neither takes what the other has sealed.
 */
static void test_both(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) env = NULL, other = NULL;

    shadow_move(from, to);
    shadow_run(to);
    g_assert_cmpint(take_back(from), ==, 0);
    uart_write(from, COM1, "here");
    uart_write(to, COM1, "there!");
    g_assert_cmpuint(shadow_count(from, "com1", "output-produced"), ==, 4);
    g_assert_cmpuint(shadow_count(to, "com1", "output-produced"), ==, 6);

    env = shadow_envelope(to, "vm1");
    g_assert_cmpint(shadow_restore_env(from, env), ==, -EBUSY);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_ABORT, "vm1"), ==, 0);
    other = shadow_envelope(from, "vm1");
    g_assert_cmpint(shadow_restore_env(to, other), ==, -EBUSY);
    qtest_quit(from);
    qtest_quit(to);
}

/* Who may not: whatever ends a binding ends this too */

static void by_another(QTestState *qts)
{
    shadow_enter(qts, OTHER_PROCESS, 0, 0);
}

static void after_unbind(QTestState *qts)
{
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
}

static void after_rebind(QTestState *qts)
{
    after_unbind(qts);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 1);
}

static void after_bind(QTestState *qts)
{
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 1);
}

static void by_the_next(QTestState *qts)
{
    after_unbind(qts);
    shadow_bind(qts, "vm1", OTHER_PROCESS, 1);
}

static void after_reset(QTestState *qts)
{
    qtest_system_reset(qts);
    shadow_enter(qts, SHADOW_PROCESS, 0, 0);
}

/* Its memory is another's now, which an entry shows. */
static void after_the_end(QTestState *qts)
{
    qtest_writeq(qts, SHADOW_COOKIES, 0);
    port_in(qts, COM1);
    qobject_unref(shadow_event(qts, "SHADOW_GUEST_UNBOUND"));
}

static void test_refused(void)
{
    static void (*const steps[])(QTestState *qts) = {
        by_another, after_unbind, after_rebind, after_bind, by_the_next,
        after_reset, after_the_end,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        QTestState *qts = shadow_renew_com1();
        int user;

        give_away(qts);
        steps[i](qts);
        g_assert_cmpint(take_back(qts), ==, -EBUSY);
        shadow_assert_state(qts, "vm1", "gone");
        user = user_connect("c0");
        user_expect_notice(user, "moved to another host", 0, 0);
    }
}

/* A host that starts anew remembers nobody who could. */
static char *state_file(void)
{
    return shadow_path("back/vm1.state");
}

static QTestState *start_kept(void)
{
    g_autofree char *path = state_file();
    g_autofree char *props = g_strdup_printf(",state-file=%s", path);
    QTestState *qts = shadow_start(props, "-device shadow-serial,id=com1,"
                                   "guest=vm1");

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

/* It is here when that is written down, and not before. */
static void test_kept(void)
{
    g_autofree char *dir = shadow_path("back"), *path = state_file();
    QTestState *qts;

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    qts = start_kept();
    give_away(qts);
    qtest_quit(qts);
    qts = start_kept();
    g_assert_cmpint(take_back(qts), ==, -EBUSY);
    shadow_assert_state(qts, "vm1", "gone");
    qtest_qmp_assert_success(qts, "{'execute': 'shadow-guest-resume', "
                             "'arguments': {'guest': 'vm1'}}");

    give_away(qts);
    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
    g_assert_cmpint(take_back(qts), ==, -EIO);
    shadow_assert_state(qts, "vm1", "gone");
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_cmpint(take_back(qts), ==, 0);
    qtest_quit(qts);
    qts = start_kept();
    shadow_assert_state(qts, "vm1", "active");
    qtest_quit(qts);
    g_unlink(path);
    g_rmdir(dir);
}

/* The destination */

static void set_destination(QTestState *qts, const char *key)
{
    if (key) {
        qtest_qmp_assert_success(qts, "{'execute': "
                                 "'shadow-guest-set-destination', 'arguments': "
                                 "{'guest': 'vm1', 'encryption-key': %s}}",
                                 key);
    } else {
        qtest_qmp_assert_success(qts, "{'execute': "
                                 "'shadow-guest-set-destination', 'arguments': "
                                 "{'guest': 'vm1'}}");
    }
}

static void assert_destination(QTestState *qts, const char *key)
{
    QDict *guest = shadow_query(qts, "vm1");

    g_assert_cmpstr(qdict_get_try_str(guest, "destination"), ==, key);
    qobject_unref(guest);
}

/*
 * A guest for one destination, which also has a secret that others share:
 * COMMIT and ABORT are no way to have its state sealed for those.
 */
static void test_destination(void)
{
    static const char key[] = "OUjP4K0d22ldeA5ZB3GV2mxWUGsCcyl5SrAryoCBXE0=";
    static const char new[] = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
    QTestState *to = shadow_start_incoming("");
    QTestState *qts = shadow_start(
        ",host=h0", "-object secret,id=hk,data=" SHADOW_OTHER_KEY
        " -object shadow-host,id=h0,secret=hk "
        "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) env = NULL;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    set_destination(qts, key);
    give_away(qts);
    assert_destination(qts, NULL);
    g_assert_cmpint(take_back(qts), ==, 0);
    assert_destination(qts, key);
    env = shadow_envelope(qts, "vm1");
    g_assert_cmpint(shadow_restore_env(to, env), ==, -EBADMSG);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);

    /* what the operator has said meanwhile counts */
    set_destination(qts, new);
    g_assert_cmpint(take_back(qts), ==, 0);
    assert_destination(qts, new);
    give_away(qts);
    set_destination(qts, NULL);
    g_assert_cmpint(take_back(qts), ==, 0);
    assert_destination(qts, NULL);
    qtest_quit(qts);
    qtest_quit(to);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-taken-back/goes-on", test_goes_on);
    qtest_add_func("/shadow-taken-back/unsent", test_unsent);
    qtest_add_func("/shadow-taken-back/events", test_events);
    qtest_add_func("/shadow-taken-back/again", test_again);
    qtest_add_func("/shadow-taken-back/both", test_both);
    qtest_add_func("/shadow-taken-back/refused", test_refused);
    qtest_add_func("/shadow-taken-back/kept", test_kept);
    qtest_add_func("/shadow-taken-back/destination", test_destination);
    return shadow_test_run();
}
