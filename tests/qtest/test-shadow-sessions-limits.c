/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of private memory: how many there are, beside what, and that nothing
 * begins or arrives which could not be written down.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qemu/timer.h"
#include "shadow-records.h"

/* A second CPU of the cloud VM */
#define CPU1 0xfe100000ULL
#define CPU1_TAG 0x102000
#define CPU1_BUF 0x4000000

/* While another guest's state is being opened */
static void test_two_arrive(void)
{
    g_autofree uint8_t *image = records_image(8);
    QTestState *from = records_start_active(image), *to = records_start("");
    g_autoptr(RecordsMove) m = records_leave(from, RECORDS_SHORT);
    static const uint8_t other[8192];
    const uint64_t args[] = { CPU1_TAG, 3, CPU1_BUF, sizeof(other), 0 };

    qtest_qmp_assert_success(to, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'shadow-guest', 'id': 'vm2', "
                             "'secret': 'key0', 'incoming': true}}");
    shadow_add_port(to, "com2", "vm2", COM2);
    qtest_qmp_assert_success(to, "{'execute': 'device_add', 'arguments': {"
                             "'driver': 'shadow-testdev', 'id': 'cpu1', "
                             "'addr': %" PRIu64 "}}", (uint64_t)CPU1);
    qtest_memwrite(to, CPU1_TAG, "vm2", 3);
    qtest_bufwrite(to, CPU1_BUF, other, sizeof(other));
    for (unsigned i = 0; i < ARRAY_SIZE(args); i++) {
        qtest_writeq(to, CPU1 + TESTDEV_ARG(i), args[i]);
    }
    g_assert_cmpint(shadow_restore_env(to, m->session), ==, 0);
    qtest_writel(to, CPU1 + TESTDEV_CALL, ULTRACALL_RESTORE | TESTDEV_APART);
    for (unsigned i = 0; i < m->records->len; i++) {
        g_assert_cmpint(records_import(to, m->records->pdata[i]), ==, 0);
    }
    g_assert_cmpint(qtest_readq(to, CPU1 + TESTDEV_STATUS), ==, -EBADMSG);
    g_assert_cmpint(shadow_restore_env(to, m->state), ==, 0);
    records_run(to);
    qtest_quit(from);
    qtest_quit(to);
}

/* What could not be written down has not happened: the state file's folder */
static void folder_comes(void)
{
    g_autofree char *dir = shadow_path("away");

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
}

static void folder_goes(void)
{
    g_autofree char *dir = shadow_path("away");
    g_autofree char *path = shadow_path("away/vm1.state");

    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static QTestState *start_with_file(void)
{
    g_autofree char *path = shadow_path("away/vm1.state");
    g_autofree char *props = g_strdup_printf(",state-file=%s", path);

    folder_comes();
    return records_start(props);
}

static void test_not_kept(void)
{
    g_autofree uint8_t *image = records_image(9);
    QTestState *qts = start_with_file();
    int ret = 0;

    records_bring(qts, image);
    folder_goes();
    /* 1024 epochs were reserved */
    for (unsigned i = 0; i < 1100 && !ret; i++) {
        qtest_clock_step(qts, NANOSECONDS_PER_SECOND);
        ret = shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_PAGES);
    }
    g_assert_cmpint(ret, ==, -EIO);
    g_assert_cmpint(records_end_session(qts), ==, -EALREADY);
    folder_comes();
    records_assert_whole(qts, image);
    folder_goes();
    qtest_quit(qts);
}

/*
 * Nor has what arrives: neither its state, nor that it is here.  What has come
 * of its memory waits.
 */
static void test_arrival_not_kept(void)
{
    g_autofree uint8_t *image = records_image(12);
    QTestState *from = records_start_active(image), *to = start_with_file();
    g_autoptr(RecordsMove) m = records_leave(from, RECORDS_SHORT);

    folder_goes();
    g_assert_cmpint(shadow_restore_env(to, m->session), ==, 0);
    for (unsigned i = 0; i < m->records->len; i++) {
        g_assert_cmpint(records_import(to, m->records->pdata[i]), ==, 0);
    }
    for (unsigned again = 0; again < 3; again++) {
        shadow_restore_unchanged(to, m->state, -EIO);
        shadow_expect_refused(to, "vm1", "cannot keep the epoch");
        shadow_assert_state(to, "vm1", "incoming");
        records_assert_launched(to, false);
    }

    folder_comes();
    g_assert_cmpint(shadow_restore_env(to, m->state), ==, 0);
    shadow_assert_state(to, "vm1", "restored");
    records_assert_launched(to, true);
    folder_goes();
    g_assert_cmpint(shadow_simple(to, ULTRACALL_RUN, "vm1"), ==, -EIO);
    shadow_expect_refused(to, "vm1", "cannot keep the epoch");
    shadow_assert_state(to, "vm1", "restored");

    folder_comes();
    qtest_clock_step(to, 10 * NANOSECONDS_PER_SECOND);
    records_run(to);
    records_assert_whole(to, image);
    folder_goes();
    qtest_quit(from);
    qtest_quit(to);
}

/* Begun thousands of times, and never ended: there is one at a time. */
#define SESSIONS 2000
#define GROWTH_MAX_KIB 8192

static void test_thousands(void)
{
    g_autofree uint8_t *image = records_image(10);
    QTestState *from = records_start_active(image), *to = records_start("");
    g_autoptr(GByteArray) session = NULL, record = NULL;
    unsigned before[2] = { };

    for (unsigned i = 0; i < SESSIONS; i++) {
        if (i % 100 == 0) {
            if (session) {
                g_byte_array_unref(session);
                g_byte_array_unref(record);
            }
            session = records_begin(from, "vm1");
            record = records_export(from, "vm1", RECORDS_SHORT);
        }
        qtest_clock_step(from, NANOSECONDS_PER_SECOND);
        g_assert_cmpint(shadow_call(from, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                    SHADOW_BUF_SIZE, ULTRACALL_SAVE_PAGES),
                        ==, 0);
        g_assert_cmpint(shadow_restore_env(to, session), ==, 0);
        g_assert_cmpint(records_import(to, record), ==, 0);
        if (i == SESSIONS / 10) {
            before[0] = shadow_memory(from);
            before[1] = shadow_memory(to);
        }
    }
    shadow_assert_memory(from, before[0], GROWTH_MAX_KIB);
    shadow_assert_memory(to, before[1], GROWTH_MAX_KIB);
    records_assert_whole(from, image);
    qtest_quit(from);
    qtest_quit(to);
}

/*
 * Nothing of ours is left of a guest that comes and goes.  (A soak cannot tell
 * that from what TCG notes of its code.)
 */
#define MOVES 100

static void test_there_and_back(void)
{
    g_autofree uint8_t *image = records_image(13);
    QTestState *hosts[] = {
        records_start_active(image), records_start(""),
    };
    unsigned before[2] = { };

    for (unsigned i = 0; i < MOVES; i++) {
        QTestState *from = hosts[i % 2], *to = hosts[1 - i % 2];
        g_autoptr(RecordsMove) m = records_leave(from, ULTRACALL_RECORD_MAX);

        records_arrive(to, m);
        g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
        shadow_assert_state(from, "vm1", "gone");
        shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
        if (i == MOVES / 10) {
            before[0] = shadow_memory(hosts[0]);
            before[1] = shadow_memory(hosts[1]);
        }
    }
    shadow_assert_memory(hosts[0], before[0], GROWTH_MAX_KIB);
    shadow_assert_memory(hosts[1], before[1], GROWTH_MAX_KIB);
    records_assert_whole(hosts[MOVES % 2], image);
    qtest_quit(hosts[0]);
    qtest_quit(hosts[1]);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-sessions-limits/two-arrive", test_two_arrive);
    qtest_add_func("/shadow-sessions-limits/not-kept", test_not_kept);
    qtest_add_func("/shadow-sessions-limits/arrival-not-kept",
                   test_arrival_not_kept);
    qtest_add_func("/shadow-sessions-limits/thousands", test_thousands);
    qtest_add_func("/shadow-sessions-limits/there-and-back",
                   test_there_and_back);
    return shadow_test_run();
}
