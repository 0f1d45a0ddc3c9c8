/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an envelope is for: a snapshot is taken and accepted only where the
 * operator allows it, and neither it nor a migration passes as the other.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define ENVELOPE_PURPOSE 6      /* docs/envelope.rst */

static void quit_both(QTestState *from, QTestState *to)
{
    qtest_quit(from);
    qtest_quit(to);
}

static int save_snapshot(QTestState *qts)
{
    return shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_SNAPSHOT);
}

/* snapshots=off */

static void test_off_save(void)
{
    QTestState *qts = shadow_start_com1_with("");
    int user = user_connect("c0");

    uart_write(qts, COM1, "before,");
    user_expect(user, "before,");
    user_send(user, "typed");
    g_assert_cmpint(save_snapshot(qts), ==, -EPERM);
    shadow_expect_refused(qts, "vm1", "snapshots=on");
    g_assert_cmpuint(shadow_epoch(qts), ==, 0);
    g_assert_cmpuint(shadow_guest_count(qts, "refusals"), ==, 1);
    g_assert_cmpuint(shadow_guest_count(qts, "snapshots-saved"), ==, 0);
    shadow_assert_state(qts, "vm1", "active");
    uart_expect(qts, COM1, "typed");
    uart_write(qts, COM1, "after");
    user_expect(user, "after");
    close(user);
    qtest_quit(qts);
}

static void test_off_restore(void)
{
    QTestState *from = shadow_start_com1_with(",snapshots=on");
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) env = NULL;

    uart_write(from, COM1, "text");
    env = shadow_snapshot(from);
    g_assert_cmpint(shadow_restore_env(to, env), ==, -EPERM);
    shadow_expect_refused(to, "vm1", "snapshots=on");
    shadow_assert_state(to, "vm1", "incoming");
    g_assert_cmpuint(shadow_epoch(to), ==, 0);
    g_assert_cmpuint(shadow_count(to, "com1", "output-produced"), ==, 0);

    /* a migration still finds it waiting */
    shadow_move(from, to);
    shadow_run(to);
    quit_both(from, to);
}

static void test_off_restore_active(void)
{
    QTestState *qts = shadow_start_com1_with(",snapshots=on");
    g_autoptr(GByteArray) env = shadow_snapshot(qts);

    port_out(qts, COM1 + UART_SCR, 0x22);
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': "
                             "'snapshots', 'value': false}}");
    g_assert_cmpint(shadow_restore_env(qts, env), ==, -EBUSY);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x22);
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': "
                             "'snapshots', 'value': true}}");
    g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0);
    qtest_quit(qts);
}

/* What the cloud VM can ask without trying */
static void test_query(void)
{
    static const struct {
        const char *props;
        unsigned flags;
        int save;
    } guests[] = {
        { "", 0, -EPERM },
        { ",snapshots=off", 0, -EPERM },
        { ",snapshots=on", ULTRACALL_GUEST_SNAPSHOTS, -ENOSPC },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(guests); i++) {
        QTestState *qts = shadow_start_com1_with(guests[i].props);

        g_assert_cmphex(le16_to_cpu(shadow_query_call(qts, "vm1").flags), ==,
                        guests[i].flags | ULTRACALL_GUEST_BOUND);
        g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", 0, 0,
                                    ULTRACALL_SAVE_SNAPSHOT), ==,
                        guests[i].save);
        qtest_quit(qts);
    }
}

static void test_flags(void)
{
    static const uint64_t unknown[] = { 3, 5, 9, 16, 1ULL << 32, UINT64_MAX };
    QTestState *qts = shadow_start_com1_with(",snapshots=on");

    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
        g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                    SHADOW_BUF_SIZE, unknown[i]), ==, -EINVAL);
    }
    g_assert_cmpuint(shadow_epoch(qts), ==, 0);
    shadow_assert_state(qts, "vm1", "active");
    qtest_quit(qts);
}

/* L0's operator is asked the same */
static void test_operator(void)
{
    g_autofree char *path = shadow_path("vm1.env");
    QTestState *from = shadow_start_com1_with(",snapshots=on");
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) env = shadow_snapshot(from);

    g_assert_true(g_file_set_contents(path, (char *)env->data, env->len,
                                      NULL));
    shadow_qmp_refused(to, "its snapshots=on allows that", "{'execute': "
                       "'shadow-state-restore', 'arguments': "
                       "{'guest': 'vm1', 'file': %s}}", path);
    port_out(from, COM1 + UART_SCR, 0x22);
    qtest_qmp_assert_success(from, "{'execute': 'shadow-state-restore', "
                             "'arguments': {'guest': 'vm1', 'file': %s}}",
                             path);
    g_assert_cmphex(port_in(from, COM1 + UART_SCR), ==, 0);
    quit_both(from, to);
}

/* Neither passes as the other */

static void test_migration_stays_once(void)
{
    QTestState *from = shadow_start_com1_with(",snapshots=on");
    QTestState *to = shadow_start(",incoming=on,snapshots=on",
                                  "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_cmpint(shadow_restore_env(to, env), ==, -ESTALE);

    /* nor may it take an active guest back */
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_move(from, to);
    shadow_run(to);
    g_assert_cmpint(shadow_restore_env(to, env), ==, -ESTALE);
    quit_both(from, to);
}

/* Also when it is new */
static void test_migration_into_active(void)
{
    QTestState *from = shadow_start_com1_with(",snapshots=on");
    QTestState *to = shadow_start(",snapshots=on",
                                  "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    port_out(to, COM1 + UART_SCR, 0x22);
    g_assert_cmpint(shadow_restore_env(to, env), ==, -EBUSY);
    shadow_assert_state(to, "vm1", "active");
    g_assert_cmpuint(shadow_epoch(to), ==, 0);
    quit_both(from, to);
}

static void test_purpose_is_sealed(void)
{
    QTestState *from = shadow_start_com1_with(",snapshots=on");
    QTestState *to = shadow_start(",incoming=on,snapshots=on",
                                  "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) snap = shadow_snapshot(from);
    g_autoptr(GByteArray) move = shadow_envelope(from, "vm1");

    g_assert_cmphex(move->data[ENVELOPE_PURPOSE], ==, 1);
    g_assert_cmphex(snap->data[ENVELOPE_PURPOSE], ==, 2);
    move->data[ENVELOPE_PURPOSE] = 2;
    snap->data[ENVELOPE_PURPOSE] = 1;
    g_assert_cmpint(shadow_restore_env(to, move), ==, -EBADMSG);
    g_assert_cmpint(shadow_restore_env(to, snap), ==, -EBADMSG);
    quit_both(from, to);
}

static void test_states(void)
{
    QTestState *from = shadow_start_com1_with(",snapshots=on");
    QTestState *to = shadow_start(",incoming=on,snapshots=on",
                                  "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) env = shadow_snapshot(from);
    g_autoptr(GByteArray) move = shadow_envelope(from, "vm1");

    g_assert_cmpint(save_snapshot(from), ==, -EBUSY);
    g_assert_cmpint(shadow_restore_env(from, env), ==, -EBUSY);
    shadow_assert_state(from, "vm1", "frozen");

    g_assert_cmpint(save_snapshot(to), ==, -EBUSY);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(shadow_restore_env(to, move), ==, 0);
    g_assert_cmpint(save_snapshot(to), ==, -EBUSY);
    g_assert_cmpint(shadow_restore_env(to, env), ==, -EALREADY);
    shadow_assert_state(to, "vm1", "restored");

    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    g_assert_cmpint(save_snapshot(from), ==, -EBUSY);
    g_assert_cmpint(shadow_restore_env(from, env), ==, -EBUSY);
    shadow_assert_state(from, "vm1", "gone");
    quit_both(from, to);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-purpose/off/save", test_off_save);
    qtest_add_func("/shadow-purpose/off/restore", test_off_restore);
    qtest_add_func("/shadow-purpose/off/restore-active",
                   test_off_restore_active);
    qtest_add_func("/shadow-purpose/query", test_query);
    qtest_add_func("/shadow-purpose/flags", test_flags);
    qtest_add_func("/shadow-purpose/operator", test_operator);
    qtest_add_func("/shadow-purpose/migration/once",
                   test_migration_stays_once);
    qtest_add_func("/shadow-purpose/migration/into-active",
                   test_migration_into_active);
    qtest_add_func("/shadow-purpose/sealed", test_purpose_is_sealed);
    qtest_add_func("/shadow-purpose/states", test_states);
    return shadow_test_run();
}
