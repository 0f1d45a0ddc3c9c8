/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a console is, here or away, is known to a host that starts anew; and
 * what the cloud VM can make it write to do so is bounded.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qemu/timer.h"
#include "shadow-common.h"

#define FILE_NAME "vm1.state"

static QTestState *start(const char *more)
{
    g_autofree char *path = shadow_path(FILE_NAME);
    g_autofree char *props = g_strdup_printf(",state-file=%s%s", path, more);
    QTestState *qts = shadow_start(props, "-device shadow-serial,id=com1,"
                                   "guest=vm1");

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static QTestState *restart(QTestState *qts, const char *more)
{
    qtest_quit(qts);
    return start(more);
}

static void finish(QTestState *qts)
{
    g_autofree char *path = shadow_path(FILE_NAME);

    qtest_quit(qts);
    g_unlink(path);
}

static void write_file(const char *text)
{
    g_autofree char *path = shadow_path(FILE_NAME);
    g_autoptr(GError) err = NULL;

    g_file_set_contents(path, text, -1, &err);
    g_assert_no_error(err);
}

static void resume(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'shadow-guest-resume', "
                             "'arguments': {'guest': 'vm1'}}");
    shadow_assert_state(qts, "vm1", "active");
}

static void restore(QTestState *qts, GByteArray *env)
{
    g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
    shadow_assert_state(qts, "vm1", "restored");
}

static uint64_t epoch_of(GByteArray *env)
{
    return ldq_be_p(env->data + 8);
}

/* Where it starts in each state that it may have been in */

static void test_active(void)
{
    QTestState *qts = restart(start(""), "");

    shadow_assert_state(qts, "vm1", "active");
    finish(qts);
}

static void test_frozen(void)
{
    QTestState *qts = start("");

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    qts = restart(qts, "");
    shadow_assert_state(qts, "vm1", "gone");
    resume(qts);
    qts = restart(qts, "");
    shadow_assert_state(qts, "vm1", "active");
    finish(qts);
}

static void test_aborted(void)
{
    QTestState *qts = start("");

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    qts = restart(qts, "");
    shadow_assert_state(qts, "vm1", "active");
    finish(qts);
}

static void test_incoming(void)
{
    QTestState *qts = restart(start(",incoming=on"), ",incoming=on");

    shadow_assert_state(qts, "vm1", "incoming");
    finish(qts);
}

/* Nobody can say whether the source goes on: an operator has to. */
static void test_restored(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    restore(to, env);
    to = restart(to, "");
    shadow_assert_state(to, "vm1", "gone");
    to = restart(to, ",incoming=on");
    shadow_assert_state(to, "vm1", "gone");

    /* a newer envelope will do */
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    g_byte_array_unref(g_steal_pointer(&env));
    env = shadow_envelope(from, "vm1");
    restore(to, env);
    shadow_run(to);
    to = restart(to, "");
    shadow_assert_state(to, "vm1", "active");
    qtest_quit(from);
    finish(to);
}

/* RUN is enough, without any access. */
static void test_run(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    restore(to, env);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_RUN, "vm1"), ==, 0);
    to = restart(to, "");
    shadow_assert_state(to, "vm1", "active");
    qtest_quit(from);
    finish(to);
}

/*
 * It went from here to another host; on its way back the inner QEMU ended, and
 * the other host goes on.
 */
static void test_way_back(void)
{
    QTestState *here = start("");
    QTestState *there = shadow_start_incoming("");
    g_autoptr(GByteArray) env = NULL;

    shadow_move(here, there);
    shadow_run(there);
    env = shadow_envelope(there, "vm1");
    restore(here, env);
    g_assert_cmpint(shadow_simple(here, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_state(here, "vm1", "gone");
    g_assert_cmpint(shadow_simple(there, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_assert_state(there, "vm1", "active");

    here = restart(here, "");
    shadow_assert_state(here, "vm1", "gone");
    qtest_quit(there);
    finish(here);
}

/* UNBIND of a restored guest gives back the state that it came from. */
static void test_unbind(void)
{
    QTestState *here = shadow_start_com1();
    QTestState *there = shadow_start_incoming("");
    g_autoptr(GByteArray) env = NULL;

    shadow_move(here, there);
    g_assert_cmpint(shadow_simple(there, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_state(there, "vm1", "incoming");
    shadow_bind(there, "vm1", SHADOW_PROCESS, 0);
    qtest_qmp_assert_success(here, "{'execute': 'shadow-guest-resume', "
                             "'arguments': {'guest': 'vm1'}}");
    shadow_move(here, there);
    shadow_run(there);

    env = shadow_envelope(there, "vm1");
    restore(here, env);
    g_assert_cmpint(shadow_simple(here, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_state(here, "vm1", "gone");
    resume(here);
    qtest_quit(here);
    qtest_quit(there);
}

/* Files of earlier releases */
static void test_format_1(void)
{
    QTestState *qts;
    g_autoptr(GByteArray) env = NULL;

    write_file("[shadow-guest]\nformat=1\nid=vm1\nepoch=7\ngone=true\n");
    qts = start("");
    shadow_assert_state(qts, "vm1", "gone");
    finish(qts);

    write_file("[shadow-guest]\nformat=1\nid=vm1\nepoch=7\ngone=false\n");
    qts = start("");
    shadow_assert_state(qts, "vm1", "active");
    env = shadow_envelope(qts, "vm1");
    g_assert_cmpuint(epoch_of(env), ==, 8);
    qts = restart(qts, "");
    shadow_assert_state(qts, "vm1", "gone");
    finish(qts);
}

/* A disk that takes nothing */

typedef struct Disk {
    char *dir, *path;
} Disk;

static QTestState *disk_start(Disk *disk, const char *more)
{
    g_autofree char *props = NULL;
    QTestState *qts;

    disk->dir = shadow_path("away");
    disk->path = shadow_path("away/" FILE_NAME);
    g_assert_cmpint(g_mkdir(disk->dir, 0700), ==, 0);
    props = g_strdup_printf(",state-file=%s%s", disk->path, more);
    qts = shadow_start(props, "-device shadow-serial,id=com1,guest=vm1");
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static void disk_fail(Disk *disk)
{
    g_unlink(disk->path);
    g_assert_cmpint(g_rmdir(disk->dir), ==, 0);
}

static void disk_mend(Disk *disk)
{
    g_assert_cmpint(g_mkdir(disk->dir, 0700), ==, 0);
}

static void disk_end(Disk *disk)
{
    disk_fail(disk);
    g_free(disk->dir);
    g_free(disk->path);
}

static void test_abort_unwritable(void)
{
    Disk disk;
    QTestState *qts = disk_start(&disk, "");

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    disk_fail(&disk);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, -EIO);
        shadow_assert_state(qts, "vm1", "frozen");
    }
    shadow_qmp_refused(qts, "cannot keep", "{'execute': "
                       "'shadow-guest-resume', 'arguments': "
                       "{'guest': 'vm1'}}");
    shadow_assert_state(qts, "vm1", "frozen");
    disk_mend(&disk);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_assert_state(qts, "vm1", "active");
    qtest_quit(qts);
    disk_end(&disk);
}

/* Not one byte moves before it is written down that the console is here. */
static void test_activation_unwritable(void)
{
    QTestState *from = shadow_start_com1(), *to;
    Disk disk;
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    to = disk_start(&disk, ",incoming=on");
    restore(to, env);
    disk_fail(&disk);
    for (unsigned i = 0; i < 1000; i++) {
        port_out(to, COM1, 'x');
    }
    shadow_assert_state(to, "vm1", "restored");
    shadow_expect_refused(to, "vm1", "cannot keep");
    g_assert_cmpuint(shadow_guest_count(to, "refusals"), ==, 1);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_RUN, "vm1"), ==, -EIO);
    g_assert_cmpuint(shadow_count(to, "com1", "output-produced"), ==, 0);

    disk_mend(&disk);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_RUN, "vm1"), ==, -EIO);
    qtest_clock_step(to, NANOSECONDS_PER_SECOND);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_RUN, "vm1"), ==, 0);
    shadow_assert_state(to, "vm1", "active");
    qtest_quit(from);
    qtest_quit(to);
    disk_end(&disk);
}

/* What is written */

static GStatBuf file_stat(void)
{
    g_autofree char *path = shadow_path(FILE_NAME);
    GStatBuf st;

    g_assert_cmpint(g_stat(path, &st), ==, 0);
    return st;
}

static bool same_file(const GStatBuf *a, const GStatBuf *b)
{
    return a->st_ino == b->st_ino &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Epochs are reserved many at a time, and none is used twice all the same. */
static void test_history(void)
{
    QTestState *qts = start("");
    GStatBuf before = file_stat(), now;
    g_autoptr(GByteArray) env = NULL;
    unsigned writes = 0;

    g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                SHADOW_BUF_SIZE, ULTRACALL_SAVE_HISTORY), ==,
                    0);
    for (unsigned i = 1; i < 2500; i++) {
        qtest_clock_step(qts, 500 * 1000 * 1000);
        g_assert_cmpint(shadow_call_again(qts, ULTRACALL_SAVE), ==, 0);
        now = file_stat();
        writes += !same_file(&before, &now);
        before = now;
    }
    g_assert_cmpuint(writes, >=, 1);
    g_assert_cmpuint(writes, <=, 3);
    qts = restart(qts, "");
    env = shadow_envelope(qts, "vm1");
    g_assert_cmpuint(epoch_of(env), >, 2500);
    finish(qts);
}

/* Nor does a host that only reserved epochs refuse what others sealed. */
static void test_reserve_is_own(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start("");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    to = restart(to, ",incoming=on");
    g_assert_cmpuint(epoch_of(env), ==, 1);
    restore(to, env);
    shadow_run(to);
    g_byte_array_unref(g_steal_pointer(&env));
    env = shadow_envelope(to, "vm1");
    g_assert_cmpuint(epoch_of(env), >, 1024);
    qtest_quit(from);
    finish(to);
}

/* A guest that is frozen and let go again and again */
static void test_often(void)
{
    QTestState *qts = start("");
    GStatBuf before, now;

    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    }
    before = file_stat();
    for (unsigned i = 0; i < 1000; i++) {
        g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                    SHADOW_BUF_SIZE, 0), ==, -EAGAIN);
    }
    now = file_stat();
    g_assert_true(same_file(&before, &now));
    shadow_assert_state(qts, "vm1", "active");

    /* who waits, as agents do, is served */
    qtest_clock_step(qts, NANOSECONDS_PER_SECOND / 2);
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    finish(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-where/active", test_active);
    qtest_add_func("/shadow-where/frozen", test_frozen);
    qtest_add_func("/shadow-where/aborted", test_aborted);
    qtest_add_func("/shadow-where/incoming", test_incoming);
    qtest_add_func("/shadow-where/restored", test_restored);
    qtest_add_func("/shadow-where/run", test_run);
    qtest_add_func("/shadow-where/way-back", test_way_back);
    qtest_add_func("/shadow-where/unbind", test_unbind);
    qtest_add_func("/shadow-where/format-1", test_format_1);
    qtest_add_func("/shadow-where/abort-unwritable", test_abort_unwritable);
    qtest_add_func("/shadow-where/activation-unwritable",
                   test_activation_unwritable);
    qtest_add_func("/shadow-where/history", test_history);
    qtest_add_func("/shadow-where/reserve-is-own", test_reserve_is_own);
    qtest_add_func("/shadow-where/often", test_often);
    return shadow_test_run();
}
