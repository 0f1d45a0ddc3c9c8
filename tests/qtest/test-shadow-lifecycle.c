/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a guest between hosts: COMMIT, ABORT, the first entry, there and
 * back, and a cloud VM that is reset in the midst of it.
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "shadow-common.h"

static void expect_notice(int user, unsigned input, unsigned output)
{
    user_expect_notice(user, "moved to another host", input, output);
}

/* COMMIT */

static void test_commit_tells_the_user(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    uart_write(qts, COM1, "hello");
    user_expect(user, "hello");
    user_send(user, "typed");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    user_expect_nothing(user);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    shadow_assert_state(qts, "vm1", "gone");
    expect_notice(user, 5, 5);

    /* whoever comes later is told the same */
    for (unsigned i = 0; i < 3; i++) {
        user = user_connect("c0");
        expect_notice(user, 5, 5);
    }
}

static void test_commit_event(void)
{
    QTestState *qts = shadow_renew_com1();
    QDict *data, *d;

    uart_write(qts, COM1, "unsent");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    data = shadow_event(qts, "SHADOW_GUEST_COMMITTED");
    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, "vm1");
    d = qobject_to(QDict, qlist_peek(qdict_get_qlist(data, "devices")));
    g_assert_cmpstr(qdict_get_str(d, "id"), ==, "com1");
    g_assert_cmpint(qdict_get_int(d, "output-produced"), ==, 6);
    g_assert_cmpint(qdict_get_int(d, "output-sent"), ==, 0);
    qobject_unref(data);
}

/* It works on exactly one side. */
static void test_gone_is_dead(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_LSR), ==, 0);
    port_out(qts, COM1, 'x');
    g_assert_cmphex(port_in(qts, COM1 + UART_LSR), ==, 0);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 0);
    shadow_assert_state(qts, "vm1", "gone");
}

/* ABORT */

static void test_abort(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");
    QDict *data;

    uart_write(qts, COM1, "before,");
    user_expect(user, "before,");
    user_send(user, "ab");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    user_send(user, "cd");
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    data = shadow_event(qts, "SHADOW_GUEST_ABORTED");
    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, "vm1");
    qobject_unref(data);
    data = shadow_event(qts, "SHADOW_GUEST_ACTIVATED");
    qobject_unref(data);
    shadow_assert_state(qts, "vm1", "active");
    uart_expect(qts, COM1, "abcd");
    uart_write(qts, COM1, "after");
    user_expect(user, "after");
    user_expect_nothing(user);
    close(user);
}

/* Up to an event, all that arrives */
static char *event_names(QTestState *qts, const char *last)
{
    GString *names = g_string_new("");
    bool done;

    do {
        QDict *rsp = qtest_qmp_receive_dict(qts);
        const char *name = qdict_get_try_str(rsp, "event");

        done = g_strcmp0(name, last) == 0;
        g_string_append_printf(names, "%s ", name);
        qobject_unref(rsp);
    } while (!done);
    return g_string_free(names, false);
}

/*
 * In their order, though SAVE's is sent a moment later than it could be: some
 * of these calls are within it.
 */
static void test_abort_events(void)
{
    QTestState *qts = shadow_start_com1();
    g_autofree char *before = event_names(qts, "SHADOW_GUEST_BOUND");

    for (unsigned i = 0; i < 20; i++) {
        g_autofree char *names = NULL;

        g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
        g_assert_cmpint(shadow_call_again(qts, ULTRACALL_ABORT), ==, 0);
        names = event_names(qts, "SHADOW_GUEST_ACTIVATED");
        g_assert_cmpstr(names, ==, "SHADOW_GUEST_SAVED SHADOW_GUEST_ABORTED "
                        "SHADOW_GUEST_ACTIVATED ");
    }
    qtest_quit(qts);
}

/* A live migration that is given up and tried again, many times */
static void test_abort_often(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    for (unsigned i = 1; i <= 20; i++) {
        user_send(user, "in");
        uart_write(qts, COM1, "out");
        g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
        g_assert_cmpuint(le64_to_cpu(shadow_query_call(qts, "vm1").epoch), ==,
                         i);
        user_send(user, "put");
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
        uart_expect(qts, COM1, "input");
        uart_write(qts, COM1, "put");
        user_expect(user, "output");
    }
    close(user);
}

/* RESTORE */

static void test_first_entry(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    int user = user_connect("d0");
    QDict *data;

    uart_write(from, COM1, "unsent");
    shadow_move(from, to);
    shadow_assert_state(to, "vm1", "restored");
    shadow_wait_connected(to, "com1", true);
    user_send(user, "early");
    user_expect_nothing(user);
    g_assert_cmpuint(shadow_count(to, "com1", "input-accepted"), ==, 0);

    /* another process' entry is not the guest's */
    shadow_enter(to, 0x2000, 0, 0);
    port_in(to, COM1);
    shadow_assert_state(to, "vm1", "restored");
    shadow_enter(to, SHADOW_PROCESS, 0, 0);
    g_assert_cmphex(port_in(to, COM1 + UART_LSR) & LSR_THRE, ==, LSR_THRE);
    data = shadow_event(to, "SHADOW_GUEST_ACTIVATED");
    qobject_unref(data);
    shadow_assert_state(to, "vm1", "active");
    user_expect(user, "unsent");
    uart_expect(to, COM1, "early");
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

static bool intx_asserted(QTestState *qts)
{
    bool asserted = false;

    for (int gsi = 16; gsi < 24; gsi++) {
        asserted |= qtest_get_irq(qts, gsi);
    }
    return asserted;
}

/* Nobody is to be interrupted for a nested guest that does not run yet. */
static void test_first_entry_interrupts(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");

    uart_program(from);
    uart_write(from, COM1, "x");
    qtest_irq_intercept_in(to, "ioapic");
    shadow_move(from, to);
    g_assert_false(intx_asserted(to));
    shadow_run(to);
    g_assert_true(intx_asserted(to));
    qtest_quit(from);
    qtest_quit(to);
}

/* An entry counts even if the guest touches other ports only. */
static void test_first_entry_elsewhere(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");

    shadow_move(from, to);
    port_in(to, 0x80);
    g_assert_cmpuint(port_missed(to), ==, 1);
    qobject_unref(shadow_event(to, "SHADOW_GUEST_ACTIVATED"));
    shadow_assert_state(to, "vm1", "active");
    qtest_quit(from);
    qtest_quit(to);
}

/* The destination fails before the guest ran; the next attempt succeeds. */
static void test_failed_destination(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) env = NULL;

    uart_write(from, COM1, "first,");
    env = shadow_envelope(from, "vm1");
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_state(to, "vm1", "incoming");
    g_assert_cmpint(shadow_restore_env(to, env), ==, -ESTALE);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);

    uart_write(from, COM1, "second");
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    shadow_move(from, to);
    shadow_run(to);
    g_assert_cmpuint(shadow_count(to, "com1", "output-produced"), ==, 12);
    qtest_quit(from);
    qtest_quit(to);
}

static void test_there_and_back(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    int user;

    for (unsigned i = 0; i < 5; i++) {
        user = user_connect("c0");
        uart_write(from, COM1, "here");
        user_expect(user, "here");
        user_send(user, "12");
        shadow_move(from, to);
        expect_notice(user, 4 * i + 2, 9 * i + 4);
        user = user_connect("d0");
        uart_expect(to, COM1, "12");
        uart_write(to, COM1, "there");
        user_expect(user, "there");
        user_send(user, "34");
        shadow_move(to, from);
        expect_notice(user, 4 * i + 4, 9 * i + 9);
        uart_expect(from, COM1, "34");
    }
    g_assert_cmpuint(shadow_count(from, "com1", "output-dropped"), ==, 0);
    qtest_quit(from);
    qtest_quit(to);
}

/* Input that came too late for the envelope is for the client to re-send. */
static void test_late_input(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    int user = user_connect("c0");
    uint64_t accepted;

    user_send(user, "early,");
    g_assert_cmpint(shadow_save(from, "vm1"), ==, 0);
    user_send(user, "late");
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_wait_count(from, "com1", "input-accepted", 10);
    shadow_move(from, to);
    expect_notice(user, 10, 0);
    accepted = shadow_count(to, "com1", "input-accepted");
    g_assert_cmpuint(accepted, ==, 10);
    uart_expect(to, COM1, "early,late");
    qtest_quit(from);
    qtest_quit(to);
}

/* The cloud VM is reset in the midst */

static void reset_cloud_vm(QTestState *qts)
{
    qtest_system_reset(qts);
    port_in(qts, COM1);
    g_assert_cmpuint(port_missed(qts), ==, 1);
}

static void expect_detached(int user, unsigned input)
{
    user_expect_notice(user, "detached from its virtual machine: no virtual "
                       "machine is bound to it", input, 0);
}

static void test_reset_while_frozen(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    user_send(user, "typed");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    reset_cloud_vm(qts);
    shadow_assert_state(qts, "vm1", "frozen");

    /* its state may be on another host: nothing decides but a person */
    qtest_qmp_assert_success(qts, "{'execute': 'shadow-guest-resume', "
                             "'arguments': {'guest': 'vm1'}}");
    expect_detached(user, 5);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    user = user_connect("c0");
    /* the nested machine is no more, and with it what its UART held */
    uart_expect(qts, COM1, "yped");
    close(user);
}

/* SAVE said "not yet", and there was no second call. */
static void test_reset_before_saved(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                SHADOW_BUF_SIZE, 0), ==, -EAGAIN);
    reset_cloud_vm(qts);
    shadow_assert_state(qts, "vm1", "active");
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    uart_write(qts, COM1, "on");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
}

static void test_reset_while_restored(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    reset_cloud_vm(to);
    shadow_assert_state(to, "vm1", "incoming");
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    shadow_move(from, to);
    shadow_run(to);
    qtest_quit(from);
    qtest_quit(to);
}

/* The guest object goes away between two calls of SAVE. */
static void test_removed_while_saving(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                SHADOW_BUF_SIZE, 0), ==, -EAGAIN);
    qtest_qmp_device_del(qts, "com1");
    shadow_object_del(qts, "vm1");
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, -ENOENT);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-lifecycle/commit/notice",
                   test_commit_tells_the_user);
    qtest_add_func("/shadow-lifecycle/commit/event", test_commit_event);
    qtest_add_func("/shadow-lifecycle/commit/dead", test_gone_is_dead);
    qtest_add_func("/shadow-lifecycle/abort/once", test_abort);
    qtest_add_func("/shadow-lifecycle/abort/events", test_abort_events);
    qtest_add_func("/shadow-lifecycle/abort/often", test_abort_often);
    qtest_add_func("/shadow-lifecycle/first-entry", test_first_entry);
    qtest_add_func("/shadow-lifecycle/first-entry-interrupts",
                   test_first_entry_interrupts);
    qtest_add_func("/shadow-lifecycle/first-entry-elsewhere",
                   test_first_entry_elsewhere);
    qtest_add_func("/shadow-lifecycle/failed-destination",
                   test_failed_destination);
    qtest_add_func("/shadow-lifecycle/there-and-back", test_there_and_back);
    qtest_add_func("/shadow-lifecycle/late-input", test_late_input);
    qtest_add_func("/shadow-lifecycle/reset/frozen", test_reset_while_frozen);
    qtest_add_func("/shadow-lifecycle/reset/not-yet-saved",
                   test_reset_before_saved);
    qtest_add_func("/shadow-lifecycle/reset/restored",
                   test_reset_while_restored);
    qtest_add_func("/shadow-lifecycle/removed-while-saving",
                   test_removed_while_saving);
    return shadow_test_run();
}
