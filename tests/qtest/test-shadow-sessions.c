/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of private memory, whatever becomes of them: how they end, what is
 * given back, and that the guest is on one side with all of its memory.
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "shadow-records.h"

/* Not without its memory, however long input has been taken in */
static void assert_stays(QTestState *qts)
{
    for (int i = 0; i < 20; i++) {
        g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                    SHADOW_BUF_SIZE, 0), ==, -EAGAIN);
        g_usleep(1000);
    }
    shadow_assert_state(qts, "vm1", "active");
}

/* What happens */

static void do_end(QTestState *qts)
{
    g_assert_cmpint(records_end_session(qts), ==, 0);
}

static void do_bind_again(QTestState *qts)
{
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
}

static void do_history(QTestState *qts)
{
    qtest_clock_step(qts, NANOSECONDS_PER_SECOND);
    g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_HISTORY), ==,
                    0);
}

static void do_secret(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'secret', 'id': 'key1', "
                             "'data': '" SHADOW_OTHER_KEY "'}}");
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': {"
                             "'path': '/objects/vm1', 'property': 'secret', "
                             "'value': 'key1'}}");
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': {"
                             "'path': '/objects/vm1', 'property': 'secret', "
                             "'value': 'key0'}}");
    shadow_object_del(qts, "key1");
}

static void do_device(QTestState *qts)
{
    shadow_add_port(qts, "com2", "vm1", COM2);
    qtest_qmp_device_del(qts, "com2");
}

static void do_unbind(QTestState *qts)
{
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
}

static void do_reset(QTestState *qts)
{
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_RESET, "vm1"), ==, 0);
}

static void do_cloud_reset(QTestState *qts)
{
    qtest_system_reset(qts);
}

static void do_remove(QTestState *qts)
{
    qtest_qmp_device_del(qts, "ram");
}

/*
 * How far a session has come when it happens: begun; the first record; all but
 * the state
 */
enum { BEGUN, SOME, ALL, POINTS };

static void send_some(QTestState *qts, int point)
{
    if (point == ALL) {
        records_free(records_send(qts, RECORDS_SHORT));
        return;
    }
    g_byte_array_unref(records_begin(qts, "vm1"));
    if (point == SOME) {
        g_byte_array_unref(records_export(qts, "vm1", RECORDS_SHORT));
    }
}

/* The session is over, and the guest goes on where it is, if it can. */
static void test_source(void)
{
    static const struct {
        const char *name;
        void (*what)(QTestState *qts);
        bool lives;
    } ends[] = {
        { "end", do_end, true },
        { "bind again", do_bind_again, true },
        { "history", do_history, true },
        { "secret", do_secret, true },
        { "a device", do_device, true },
        { "unbind", do_unbind },
        { "reset", do_reset },
        { "reset of the cloud VM", do_cloud_reset },
        { "removed", do_remove },
    };
    g_autofree uint8_t *image = records_image(2);

    for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
        QTestState *qts = records_start_active(image);

        for (int point = 0; point < (ends[i].lives ? POINTS : 1); point++) {
            g_test_message("%s at %d", ends[i].name, point);
            send_some(qts, ends[i].lives ? point : SOME);
            ends[i].what(qts);
            g_assert_cmpint(records_end_session(qts), ==, -EALREADY);
            g_assert_cmpint(records_call(qts, "vm1", ULTRACALL_PAGES_EXPORT,
                                         ULTRACALL_RECORD_MAX), ==, -EBUSY);
            g_assert_cmpint(records_call(qts, "vm1", ULTRACALL_PAGES_UNSENT,
                                         0), ==, -EBUSY);
            if (ends[i].lives) {
                assert_stays(qts);
                records_assert_whole(qts, image);
            }
        }
        qtest_quit(qts);
    }
}

/* It is not frozen before all has left. */
static void test_unsent(void)
{
    g_autofree uint8_t *image = records_image(1);
    QTestState *qts = records_start_active(image);

    assert_stays(qts);
    for (int point = BEGUN; point < ALL; point++) {
        send_some(qts, point);
        assert_stays(qts);
    }
    records_assert_whole(qts, image);
    qtest_quit(qts);
}

/* As above; and what has come is not there any more. */
static void test_target(void)
{
    static const struct {
        const char *name;
        void (*what)(QTestState *qts);
    } ends[] = {
        { "end", do_end },
        { "bind again", do_bind_again },
        { "a device", do_device },
        { "unbind", do_unbind },
        { "reset of the cloud VM", do_cloud_reset },
    };
    g_autofree uint8_t *image = records_image(3);
    g_autofree uint8_t *empty = g_malloc0(RECORDS_SIZE);
    QTestState *from = records_start_active(image);
    g_autoptr(RecordsMove) m = records_leave(from, RECORDS_SHORT);

    for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
        const RecordsKey key = records_key(5);
        static const RecordsVcpus one = { .n = 1 };
        g_autoptr(ShadowStream) s = shadow_stream_new(key.key, key.id);
        g_autoptr(GByteArray) session = records_session(&key, "vm1", 1);
        g_autoptr(GByteArray) state = records_state(s, &one, 2);
        QTestState *to = records_start("");

        for (int point = 0; point < POINTS; point++) {
            unsigned n = point == BEGUN ? 0 : point == SOME ? 1 :
                         m->records->len;

            g_test_message("%s at %d", ends[i].name, point);
            shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
            g_assert_cmpint(shadow_restore_env(to, m->session), ==, 0);
            for (unsigned j = 0; j < n; j++) {
                g_assert_cmpint(records_import(to,
                                               m->records->pdata[j]), ==, 0);
            }
            ends[i].what(to);
            g_assert_cmpint(records_end_session(to), ==, -EALREADY);
            g_assert_cmpint(records_import(to, m->records->pdata[0]), ==,
                            -EBUSY);
            qtest_clock_step(to, 10 * NANOSECONDS_PER_SECOND);
            g_assert_cmpint(shadow_restore_env(to, m->state), ==, -EINVAL);
            shadow_assert_state(to, "vm1", "incoming");
            records_assert_launched(to, false);
        }
        /* a guest to which nothing was brought has nothing */
        shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
        g_assert_cmpint(shadow_restore_env(to, session), ==, 0);
        g_assert_cmpint(shadow_restore_env(to, state), ==, 0);
        records_run(to);
        records_assert_whole(to, empty);
        qtest_quit(to);
    }
    /* the source has everything still */
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    records_assert_whole(from, image);
    qtest_quit(from);
}

/* What has arrived and never ran is not here. */
static void test_never_ran(void)
{
    static void (*const ends[])(QTestState *qts) = {
        do_unbind, do_cloud_reset,
    };
    g_autofree uint8_t *image = records_image(4);
    QTestState *from = records_start_active(image);

    for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
        QTestState *to = records_start("");
        g_autoptr(RecordsMove) m = records_leave(from, ULTRACALL_RECORD_MAX);

        g_assert_cmpint(shadow_restore_env(to, m->session), ==, 0);
        for (unsigned j = 0; j < m->records->len; j++) {
            g_assert_cmpint(records_import(to, m->records->pdata[j]), ==, 0);
        }
        g_assert_cmpint(shadow_restore_env(to, m->state), ==, 0);
        shadow_assert_state(to, "vm1", "restored");
        records_assert_launched(to, true);
        g_assert_cmpint(records_end_session(to), ==, -EALREADY);
        ends[i](to);
        shadow_assert_state(to, "vm1", "incoming");
        records_assert_launched(to, false);
        g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
        records_assert_whole(from, image);
        qtest_quit(to);
    }
    qtest_quit(from);
}

/* The source has all of it until nobody can take the guest back. */
static void test_taken_back(void)
{
    g_autofree uint8_t *image = records_image(5);
    QTestState *qts = records_start_active(image);

    for (int again = 0; again < 2; again++) {
        records_free(records_leave(qts, RECORDS_SHORT));
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
        records_assert_launched(qts, true);
        g_assert_cmpint(records_call(qts, "vm1", ULTRACALL_PAGES_UNSENT, 0),
                        ==, -EBUSY);
        if (!again) {
            g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
            records_assert_whole(qts, image);
        }
    }
    /* by this it is another binding: what can be of use to nobody is gone */
    do_bind_again(qts);
    records_assert_launched(qts, false);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, -EBUSY);
    qtest_quit(qts);
}

/*
 * A guest that comes back without private memory does not go on with what was
 * left where it has come from.
 */
static void test_old_memory(void)
{
    g_autofree uint8_t *image = records_image(6);
    QTestState *from = records_start_active(image), *to = records_start("");
    g_autoptr(RecordsMove) m = records_leave(from, RECORDS_SHORT);
    g_autoptr(GByteArray) back = NULL;

    records_arrive(to, m);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    do_reset(to);
    back = shadow_envelope(to, "vm1");
    g_assert_cmpint(shadow_restore_env(from, back), ==, -EBUSY);
    shadow_expect_refused(from, "vm1", "in use");
    shadow_assert_state(from, "vm1", "gone");
    records_assert_launched(from, true);

    do_bind_again(from);
    g_assert_cmpint(shadow_restore_env(from, back), ==, 0);
    records_assert_launched(from, false);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_RUN, "vm1"), ==, 0);
    records_assert_launched(from, false);
    qtest_quit(from);
    qtest_quit(to);
}

/* A snapshot of before there was private memory */
static void test_snapshot(void)
{
    g_autofree uint8_t *image = records_image(7);
    QTestState *qts = records_start(",snapshots=on");
    QTestState *other = shadow_start(",snapshots=on", "%s", "-device "
                                     "shadow-serial,id=com1,guest=vm1,"
                                     "input-size=512,output-size=512");
    g_autoptr(GByteArray) snapshot = NULL;

    records_bring(qts, image);
    g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_SNAPSHOT), ==,
                    -EOPNOTSUPP);
    shadow_bind(other, "vm1", SHADOW_PROCESS, 0);
    snapshot = shadow_snapshot(other);
    qtest_quit(other);
    shadow_restore_unchanged(qts, snapshot, -EOPNOTSUPP);
    records_assert_launched(qts, true);
    records_assert_whole(qts, image);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-sessions/source", test_source);
    qtest_add_func("/shadow-sessions/unsent", test_unsent);
    qtest_add_func("/shadow-sessions/target", test_target);
    qtest_add_func("/shadow-sessions/never-ran", test_never_ran);
    qtest_add_func("/shadow-sessions/taken-back", test_taken_back);
    qtest_add_func("/shadow-sessions/old-memory", test_old_memory);
    qtest_add_func("/shadow-sessions/snapshot", test_snapshot);
    return shadow_test_run();
}
