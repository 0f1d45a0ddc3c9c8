/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots: refused unless snapshots=on, and what goes back with one.
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "shadow-common.h"

#define FCR_ENABLE_14 0xc1
#define FIFO_TAKES 14           /* up to its trigger level */
#define ENVELOPE_PURPOSE 6      /* docs/envelope.rst */

static QTestState *start(const char *props)
{
    QTestState *qts = shadow_start(props, SHADOW_COM1, shadow_dir);

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static void quit_both(QTestState *from, QTestState *to)
{
    qtest_quit(from);
    qtest_quit(to);
}

static int save_snapshot(QTestState *qts)
{
    return shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_SNAPSHOT);
}

static GByteArray *snapshot(QTestState *qts)
{
    GByteArray *env = shadow_envelope_flags(qts, "vm1",
                                            ULTRACALL_SAVE_SNAPSHOT);

    shadow_assert_state(qts, "vm1", "active");
    return env;
}

static int restore(QTestState *qts, GByteArray *env)
{
    return shadow_restore(qts, "vm1", env->data, env->len);
}

static uint64_t epoch(QTestState *qts)
{
    return le64_to_cpu(shadow_query_call(qts, "vm1").epoch);
}

static void expect_notice(int user, unsigned input, unsigned output)
{
    user_expect_notice(user, "went back to a snapshot", input, output);
}

/* snapshots=off */

static void test_off_save(void)
{
    QTestState *qts = start("");
    int user = user_connect("c0");

    uart_write(qts, COM1, "before,");
    user_expect(user, "before,");
    user_send(user, "typed");
    g_assert_cmpint(save_snapshot(qts), ==, -EPERM);
    shadow_expect_refused(qts, "vm1", "snapshots=on");
    g_assert_cmpuint(epoch(qts), ==, 0);
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
    QTestState *from = start(",snapshots=on");
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) env = NULL;

    uart_write(from, COM1, "text");
    env = snapshot(from);
    g_assert_cmpint(restore(to, env), ==, -EPERM);
    shadow_expect_refused(to, "vm1", "snapshots=on");
    shadow_assert_state(to, "vm1", "incoming");
    g_assert_cmpuint(epoch(to), ==, 0);
    g_assert_cmpuint(shadow_count(to, "com1", "output-produced"), ==, 0);

    /* a migration still finds it waiting */
    shadow_move(from, to);
    shadow_run(to);
    quit_both(from, to);
}

static void test_off_restore_active(void)
{
    QTestState *qts = start(",snapshots=on");
    g_autoptr(GByteArray) env = snapshot(qts);

    port_out(qts, COM1 + UART_SCR, 0x22);
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': "
                             "'snapshots', 'value': false}}");
    g_assert_cmpint(restore(qts, env), ==, -EBUSY);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x22);
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': "
                             "'snapshots', 'value': true}}");
    g_assert_cmpint(restore(qts, env), ==, 0);
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
        QTestState *qts = start(guests[i].props);

        g_assert_cmphex(le16_to_cpu(shadow_query_call(qts, "vm1").flags), ==,
                        guests[i].flags);
        g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", 0, 0,
                                    ULTRACALL_SAVE_SNAPSHOT), ==,
                        guests[i].save);
        qtest_quit(qts);
    }
}

static void test_flags(void)
{
    static const uint64_t unknown[] = { 3, 5, 8, 1ULL << 32, UINT64_MAX };
    QTestState *qts = start(",snapshots=on");

    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
        g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                    SHADOW_BUF_SIZE, unknown[i]), ==, -EINVAL);
    }
    g_assert_cmpuint(epoch(qts), ==, 0);
    shadow_assert_state(qts, "vm1", "active");
    qtest_quit(qts);
}

/* snapshots=on, and back in place */

/*
 * The machine goes back: its registers, and what its FIFO held.  What the user
 * has typed since and no guest has read, and what was printed, does not.
 */
static void test_in_place(void)
{
    QTestState *qts = start(",snapshots=on");
    int user = user_connect("c0");
    g_autoptr(GByteArray) env = NULL;

    shadow_expect_connected(qts, 0, 0);
    port_out(qts, COM1 + UART_FCR, FCR_ENABLE_14);
    port_out(qts, COM1 + UART_SCR, 0x11);
    uart_write(qts, COM1, "before,");
    user_expect(user, "before,");
    user_send(user, "abc");
    shadow_wait_count(qts, "com1", "input-taken", 3);
    env = snapshot(qts);

    uart_expect(qts, COM1, "abc");
    port_out(qts, COM1 + UART_SCR, 0x22);
    uart_write(qts, COM1, "after");
    user_expect(user, "after");
    user_send(user, "0123456789abcdqueued");
    shadow_wait_count(qts, "com1", "input-accepted", 3 + FIFO_TAKES + 6);
    shadow_wait_count(qts, "com1", "input-taken", 3 + FIFO_TAKES);
    uart_write(qts, COM1, "unread");
    shadow_wait_count(qts, "com1", "output-sent", 18);

    g_assert_cmpint(restore(qts, env), ==, 0);
    shadow_assert_state(qts, "vm1", "active");
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x11);
    user_expect(user, "unread");
    expect_notice(user, 23, 18);
    uart_expect(qts, COM1, "abcqueued");
    g_assert_cmpuint(shadow_count(qts, "com1", "input-accepted"), ==, 23);
    g_assert_cmpuint(shadow_count(qts, "com1", "input-taken"), ==, 23);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 18);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-dropped"), ==, 0);

    /* the user is told once, and goes on where things stood */
    uart_write(qts, COM1, "new");
    user = user_connect("c0");
    shadow_expect_connected(qts, 23, 18);
    user_expect(user, "new");
    user_send(user, "more");
    uart_expect(qts, COM1, "more");
    user_expect_nothing(user);
    close(user);
    qtest_quit(qts);
}

/* Nobody is there: who comes next is told. */
static void test_told_later(void)
{
    QTestState *qts = start(",snapshots=on");
    g_autoptr(GByteArray) env = NULL;
    int user;

    uart_write(qts, COM1, "out");
    env = snapshot(qts);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(restore(qts, env), ==, 0);
    }
    expect_notice(user_connect("c0"), 0, 0);
    user = user_connect("c0");
    shadow_expect_connected(qts, 0, 0);
    user_expect(user, "out");
    user_expect_nothing(user);
    close(user);
    qtest_quit(qts);
}

/* A transport that cannot hang up goes on after the line. */
static void test_no_hang_up(void)
{
    g_autofree char *path = shadow_path("out");
    g_autofree char *text = NULL;
    g_autoptr(GByteArray) env = NULL;
    QTestState *qts;

    qts = shadow_start(",snapshots=on", "-chardev file,id=c0,path=%s "
                       "-device shadow-serial,id=com1,guest=vm1,chardev=c0",
                       path);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    env = snapshot(qts);
    uart_write(qts, COM1, "before");
    shadow_wait_count(qts, "com1", "output-sent", 6);
    g_assert_cmpint(restore(qts, env), ==, 0);
    uart_write(qts, COM1, "after");
    shadow_wait_count(qts, "com1", "output-sent", 11);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "before\r\n[shadow-serial vm1/com1: went back "
                    "to a snapshot, input=0 output=6]\r\nafter");
    qtest_quit(qts);
}

/* The line to an agent that knows the edges of before */
static void test_interrupt(void)
{
    QTestState *qts = start(",snapshots=on");
    g_autoptr(GByteArray) env = NULL;

    port_out(qts, COM1 + UART_MCR, 8);
    port_out(qts, COM1 + UART_IER, 2);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    env = snapshot(qts);
    port_out(qts, COM1 + UART_IER, 0);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 0);
    g_assert_cmpint(restore(qts, env), ==, 0);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    qtest_quit(qts);
}

/* A snapshot of other devices changes nothing. */
static void test_half_fitting(void)
{
    QTestState *qts = start(",snapshots=on");
    int user = user_connect("c0");
    g_autoptr(GByteArray) env = snapshot(qts);

    qtest_qmp_device_add(qts, "shadow-serial", "com2", "{'guest': 'vm1', "
                         "'iobase': %d, 'irq': 3}", COM2);
    port_out(qts, COM1 + UART_SCR, 0x22);
    uart_write(qts, COM1, "text");
    user_send(user, "typed");
    shadow_wait_count(qts, "com1", "input-accepted", 5);
    g_assert_cmpint(restore(qts, env), ==, -EINVAL);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x22);
    user_expect(user, "text");
    uart_expect(qts, COM1, "typed");
    user_expect_nothing(user);
    g_assert_cmpuint(shadow_guest_count(qts, "snapshots-restored"), ==, 0);
    close(user);
    qtest_quit(qts);
}

static void test_recorded(void)
{
    QTestState *qts = start(",snapshots=on");
    g_autoptr(GByteArray) env = NULL;
    g_autofree char *text = NULL;
    QDict *data;

    for (unsigned i = 1; i <= 3; i++) {
        g_clear_pointer(&env, g_byte_array_unref);
        env = snapshot(qts);
        data = shadow_event(qts, "SHADOW_GUEST_SAVED");
        g_assert_true(qdict_get_bool(data, "snapshot"));
        g_assert_cmpint(qdict_get_int(data, "epoch"), ==, i);
        qobject_unref(data);
    }
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpint(restore(qts, env), ==, 0);
        data = shadow_event(qts, "SHADOW_GUEST_RESTORED");
        g_assert_true(qdict_get_bool(data, "snapshot"));
        g_assert_cmpint(qdict_get_int(data, "epoch"), ==, 3);
        qobject_unref(data);
    }
    g_assert_cmpuint(shadow_guest_count(qts, "saves"), ==, 3);
    g_assert_cmpuint(shadow_guest_count(qts, "snapshots-saved"), ==, 3);
    g_assert_cmpuint(shadow_guest_count(qts, "restores"), ==, 2);
    g_assert_cmpuint(shadow_guest_count(qts, "snapshots-restored"), ==, 2);
    text = qtest_hmp(qts, "info shadow");
    g_assert_nonnull(strstr(text, "snapshots allowed: 3 saved, 2 restored"));

    /* a migration is not one */
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    data = shadow_event(qts, "SHADOW_GUEST_SAVED");
    g_assert_false(qdict_get_bool(data, "snapshot"));
    qobject_unref(data);
    g_assert_cmpuint(epoch(qts), ==, 4);
    g_assert_cmpuint(shadow_guest_count(qts, "snapshots-saved"), ==, 3);
    qtest_quit(qts);
}

/* L0's operator is asked the same */
static void test_operator(void)
{
    g_autofree char *path = shadow_path("vm1.env");
    QTestState *from = start(",snapshots=on");
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) env = snapshot(from);

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

/* In another QEMU: the whole state goes back */

static void test_restart(void)
{
    g_autofree char *path = shadow_path("vm1.state");
    g_autofree char *props = g_strdup_printf(",snapshots=on,state-file=%s",
                                             path);
    g_autofree char *incoming = g_strdup_printf("%s,incoming=on", props);
    QTestState *qts = start(props);
    g_autoptr(GByteArray) env = NULL;
    g_autoptr(GByteArray) newer = NULL;
    int user = user_connect("c0");

    port_out(qts, COM1 + UART_SCR, 0x11);
    uart_write(qts, COM1, "sent,");
    user_expect(user, "sent,");
    user_send(user, "typed");
    shadow_wait_count(qts, "com1", "input-accepted", 5);
    env = snapshot(qts);
    uart_expect(qts, COM1, "typed");
    uart_write(qts, COM1, "later");
    user_expect(user, "later");
    newer = snapshot(qts);
    close(user);
    qtest_quit(qts);

    for (unsigned i = 0; i < 2; i++) {
        qts = start(incoming);
        g_assert_cmpint(restore(qts, env), ==, 0);
        shadow_assert_state(qts, "vm1", "restored");
        user = user_connect("c0");
        user_expect_nothing(user);
        shadow_run(qts);
        expect_notice(user, 5, 5);
        g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x11);
        uart_expect(qts, COM1, "typed");
        /* the newest epoch is not forgotten */
        g_assert_cmpuint(epoch(qts), >=, 2);
        qtest_quit(qts);
    }
    unlink(path);
}

/* What was not told before the guest left again is not told at all. */
static void test_told_no_more(void)
{
    QTestState *from = start(",snapshots=on");
    QTestState *to = shadow_start(",incoming=on,snapshots=on", "-chardev "
                                  "socket,id=c0,path=%s/d0,server=on,wait=off "
                                  "-device shadow-serial,id=com1,guest=vm1,"
                                  "chardev=c0", shadow_dir);
    g_autoptr(GByteArray) env = snapshot(from);
    int user;

    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(restore(to, env), ==, 0);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_state(to, "vm1", "incoming");
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    uart_write(from, COM1, "text");
    shadow_move(from, to);
    shadow_run(to);
    user = user_connect("d0");
    user_expect(user, "text");
    user_expect_nothing(user);
    close(user);
    quit_both(from, to);
}

/* Neither passes as the other */

static void test_migration_stays_once(void)
{
    QTestState *from = start(",snapshots=on");
    QTestState *to = shadow_start(",incoming=on,snapshots=on",
                                  "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(restore(to, env), ==, 0);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_cmpint(restore(to, env), ==, -ESTALE);

    /* nor may it take an active guest back */
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_move(from, to);
    shadow_run(to);
    g_assert_cmpint(restore(to, env), ==, -ESTALE);
    quit_both(from, to);
}

/* Also when it is new */
static void test_migration_into_active(void)
{
    QTestState *from = start(",snapshots=on");
    QTestState *to = shadow_start(",snapshots=on",
                                  "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    port_out(to, COM1 + UART_SCR, 0x22);
    g_assert_cmpint(restore(to, env), ==, -EBUSY);
    shadow_assert_state(to, "vm1", "active");
    g_assert_cmpuint(epoch(to), ==, 0);
    quit_both(from, to);
}

static void test_purpose_is_sealed(void)
{
    QTestState *from = start(",snapshots=on");
    QTestState *to = shadow_start(",incoming=on,snapshots=on",
                                  "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) snap = snapshot(from);
    g_autoptr(GByteArray) move = shadow_envelope(from, "vm1");

    g_assert_cmphex(move->data[ENVELOPE_PURPOSE], ==, 1);
    g_assert_cmphex(snap->data[ENVELOPE_PURPOSE], ==, 2);
    move->data[ENVELOPE_PURPOSE] = 2;
    snap->data[ENVELOPE_PURPOSE] = 1;
    g_assert_cmpint(restore(to, move), ==, -EBADMSG);
    g_assert_cmpint(restore(to, snap), ==, -EBADMSG);
    quit_both(from, to);
}

static void test_states(void)
{
    QTestState *from = start(",snapshots=on");
    QTestState *to = shadow_start(",incoming=on,snapshots=on",
                                  "-device shadow-serial,id=com1,guest=vm1");
    g_autoptr(GByteArray) env = snapshot(from);
    g_autoptr(GByteArray) move = shadow_envelope(from, "vm1");

    g_assert_cmpint(save_snapshot(from), ==, -EBUSY);
    g_assert_cmpint(restore(from, env), ==, -EBUSY);
    shadow_assert_state(from, "vm1", "frozen");

    g_assert_cmpint(save_snapshot(to), ==, -EBUSY);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(restore(to, move), ==, 0);
    g_assert_cmpint(save_snapshot(to), ==, -EBUSY);
    g_assert_cmpint(restore(to, env), ==, -EALREADY);
    shadow_assert_state(to, "vm1", "restored");

    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    g_assert_cmpint(save_snapshot(from), ==, -EBUSY);
    g_assert_cmpint(restore(from, env), ==, -EBUSY);
    shadow_assert_state(from, "vm1", "gone");
    quit_both(from, to);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-snapshot/off/save", test_off_save);
    qtest_add_func("/shadow-snapshot/off/restore", test_off_restore);
    qtest_add_func("/shadow-snapshot/off/restore-active",
                   test_off_restore_active);
    qtest_add_func("/shadow-snapshot/query", test_query);
    qtest_add_func("/shadow-snapshot/flags", test_flags);
    qtest_add_func("/shadow-snapshot/in-place", test_in_place);
    qtest_add_func("/shadow-snapshot/told-later", test_told_later);
    qtest_add_func("/shadow-snapshot/no-hang-up", test_no_hang_up);
    qtest_add_func("/shadow-snapshot/interrupt", test_interrupt);
    qtest_add_func("/shadow-snapshot/half-fitting", test_half_fitting);
    qtest_add_func("/shadow-snapshot/recorded", test_recorded);
    qtest_add_func("/shadow-snapshot/operator", test_operator);
    qtest_add_func("/shadow-snapshot/restart", test_restart);
    qtest_add_func("/shadow-snapshot/told-no-more", test_told_no_more);
    qtest_add_func("/shadow-snapshot/migration/once",
                   test_migration_stays_once);
    qtest_add_func("/shadow-snapshot/migration/into-active",
                   test_migration_into_active);
    qtest_add_func("/shadow-snapshot/purpose", test_purpose_is_sealed);
    qtest_add_func("/shadow-snapshot/states", test_states);
    return shadow_test_run();
}
