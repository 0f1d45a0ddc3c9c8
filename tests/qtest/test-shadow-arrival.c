/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What arrives costs little: it is short enough, it is opened while others go
 * on, and what did not fit is not loaded again.
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "shadow-common.h"

/* A second CPU of the cloud VM */
#define CPU1 0xfe100000ULL
#define CPU1_TAG 0x102000
#define CPU1_BUF 0x4000000

/* As the tests of one guest have it; vm2 waits too. */
static QTestState *start_two(const char *props)
{
    QTestState *qts = shadow_start(
        props, SHADOW_COM1 " -object shadow-guest,id=vm2,secret=key0,"
        "incoming=on -device shadow-testdev,id=cpu1,addr=0xfe100000",
        shadow_dir);

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

/* RESTORE by the second CPU, which is opening it when this returns */
static void begin(QTestState *qts, GByteArray *env)
{
    const uint64_t a[] = { CPU1_TAG, 3, CPU1_BUF, env->len, 0 };

    qtest_memwrite(qts, CPU1_TAG, "vm1", 3);
    qtest_bufwrite(qts, CPU1_BUF, env->data, env->len);
    for (unsigned i = 0; i < ARRAY_SIZE(a); i++) {
        qtest_writeq(qts, CPU1 + TESTDEV_ARG(i), a[i]);
    }
    qtest_writel(qts, CPU1 + TESTDEV_CALL, ULTRACALL_RESTORE | TESTDEV_APART);
}

static int end(QTestState *qts)
{
    return qtest_readq(qts, CPU1 + TESTDEV_STATUS);
}

static void test_too_long(void)
{
    QTestState *qts = start_two(",incoming=on");

    g_assert_cmpint(shadow_call(qts, ULTRACALL_RESTORE, "vm1", SHADOW_BUF,
                                0x1000080, 0), ==, -EBADMSG);
    shadow_expect_refused(qts, "vm1", "are more than the devices");
    /* without devices, nearly nothing */
    g_assert_cmpint(shadow_call(qts, ULTRACALL_RESTORE, "vm2", SHADOW_BUF,
                                8192, 0), ==, -EBADMSG);
    shadow_expect_refused(qts, "vm2", "are more than the devices");
    shadow_assert_state(qts, "vm1", "incoming");
    qtest_quit(qts);
}

/* The larger rings of another host are no reason. */
static void test_larger_rings(void)
{
    QTestState *from = shadow_start("", "-device shadow-serial,id=com1,"
                                    "guest=vm1,input-size=2097152,"
                                    "output-size=2097152");
    QTestState *to = shadow_start_incoming(",output-size=512,input-size=512");

    shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
    shadow_move(from, to);
    qtest_quit(from);
    qtest_quit(to);
}

/* While it is opened, all else goes on; and it is taken. */
static void test_others_go_on(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start_two(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    begin(to, env);
    shadow_assert_state(to, "vm1", "incoming");
    shadow_query_call(to, "vm1");
    shadow_query_call(to, "vm2");
    g_assert_cmpint(shadow_restore(to, "vm2", "x", 1), ==, -EBADMSG);
    g_assert_cmpint(end(to), ==, 0);
    shadow_assert_state(to, "vm1", "restored");
    shadow_run(to);
    qtest_quit(from);
    qtest_quit(to);
}

static void test_one_at_a_time(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start_two(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    begin(to, env);
    g_assert_cmpint(shadow_restore_env(to, env), ==, -EBUSY);
    shadow_expect_refused(to, "vm1", "is being restored");
    g_assert_cmpint(end(to), ==, 0);
    shadow_assert_state(to, "vm1", "restored");
    qtest_quit(from);
    qtest_quit(to);
}

/* What was asked before may have another answer then. */

typedef void Change(QTestState *qts);

static void change_unbind(QTestState *qts)
{
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
}

static void change_bind(QTestState *qts)
{
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
}

/* It is no more of the guest; DEVICE_DELETED comes when no CPU calls. */
static void change_unplug(QTestState *qts)
{
    qtest_qmp_device_del_send(qts, "com1");
}

static void change_plug(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'id': 'com2', "
                             "'guest': 'vm1', 'iobase': %d}}", COM2);
}

static void change_remove(QTestState *qts)
{
    change_unplug(qts);
    shadow_object_del(qts, "vm1");
}

static void changed(Change *change, const char *state, int err)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start_two(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");
    QDict *g;

    begin(to, env);
    change(to);
    g_assert_cmpint(end(to), ==, err);
    if (state) {
        shadow_assert_state(to, "vm1", state);
    } else {
        g = shadow_query(to, "vm1");
        g_assert_null(g);
    }
    qtest_quit(from);
    qtest_quit(to);
}

static void test_changed(void)
{
    changed(change_unbind, "incoming", -EBUSY);
    changed(change_bind, "incoming", -EBUSY);
    changed(change_unplug, "incoming", -EBUSY);
    changed(change_plug, "incoming", -EBUSY);
    changed(change_remove, NULL, -ENOENT);
}

/* A snapshot for a guest that is frozen meanwhile would thaw it. */
static void test_changed_snapshot(void)
{
    QTestState *qts = start_two(",snapshots=on");
    g_autoptr(GByteArray) env = NULL;

    env = shadow_envelope_flags(qts, "vm1", ULTRACALL_SAVE_SNAPSHOT);
    begin(qts, env);
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_assert_cmpint(end(qts), ==, -EBUSY);
    shadow_assert_state(qts, "vm1", "frozen");
    qtest_quit(qts);
}

/* Keys that are changed meanwhile are held as long as they are needed. */
static void test_keys_changed(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = start_two(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    qtest_qmp_assert_success(to, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'secret', 'id': 'key1', 'data': "
                             "'fedcba9876543210fedcba9876543210'}}");
    begin(to, env);
    qtest_qmp_assert_success(to, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': 'secret', "
                             "'value': 'key1'}}");
    g_assert_cmpint(end(to), ==, 0);
    qtest_quit(from);
    qtest_quit(to);
}

/* The source's interrupt is another one: that is genuine, and never fits. */
static QTestState *start_misfit(void)
{
    QTestState *qts = shadow_start("", "-device shadow-serial,id=com1,"
                                   "guest=vm1,irq=3");

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static void test_misfit_again(void)
{
    QTestState *from = start_misfit(), *good = shadow_start_com1();
    QTestState *to = start_two(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(shadow_restore_env(to, env), ==, -EINVAL);
    shadow_expect_refused(to, "vm1", "cannot load");
    for (unsigned i = 0; i < 20; i++) {
        g_assert_cmpint(shadow_restore_env(to, env), ==, -EINVAL);
        shadow_expect_refused(to, "vm1", "was refused before");
    }
    /* one that fits is taken */
    shadow_move(good, to);
    qtest_quit(from);
    qtest_quit(good);
    qtest_quit(to);
}

/* Nor are there so many that do not fit. */
static void test_misfits(void)
{
    QTestState *from = start_misfit();
    QTestState *to = start_two(",incoming=on");

    for (unsigned i = 0; i < 30; i++) {
        g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");
        int ret = shadow_restore_env(to, env);

        g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
        g_assert_cmpint(ret, ==, i < 8 || i == 20 ? -EINVAL : -EBUSY);
        if (i == 19) {
            qtest_clock_step(to, 10 * NANOSECONDS_PER_SECOND);
        }
    }
    qtest_quit(from);
    qtest_quit(to);
}

/* It may fit when the devices are others. */
static void test_misfit_mended(void)
{
    QTestState *from = start_misfit();
    QTestState *to = start_two(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(shadow_restore_env(to, env), ==, -EINVAL);
    qtest_qmp_device_del(to, "com1");
    qtest_qmp_assert_success(to, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'id': 'com1', "
                             "'guest': 'vm1', 'irq': 3}}");
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    qtest_quit(from);
    qtest_quit(to);
}

/* Output is sent ahead once a migration, not all the time. */
static void test_ahead(void)
{
    QTestState *qts = shadow_start_com1();

    for (unsigned i = 0; i < 30; i++) {
        int ret = shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                              SHADOW_BUF_SIZE, ULTRACALL_SAVE_HISTORY);

        g_assert_cmpint(ret, ==, i < 16 || i == 20 ? 0 : -EAGAIN);
        if (i == 19) {
            qtest_clock_step(qts, NANOSECONDS_PER_SECOND / 2);
        }
    }
    /* the guest can be moved all the same */
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-arrival/too-long", test_too_long);
    qtest_add_func("/shadow-arrival/larger-rings", test_larger_rings);
    qtest_add_func("/shadow-arrival/others-go-on", test_others_go_on);
    qtest_add_func("/shadow-arrival/one-at-a-time", test_one_at_a_time);
    qtest_add_func("/shadow-arrival/changed", test_changed);
    qtest_add_func("/shadow-arrival/changed-snapshot", test_changed_snapshot);
    qtest_add_func("/shadow-arrival/keys-changed", test_keys_changed);
    qtest_add_func("/shadow-arrival/misfit-again", test_misfit_again);
    qtest_add_func("/shadow-arrival/misfits", test_misfits);
    qtest_add_func("/shadow-arrival/misfit-mended", test_misfit_mended);
    qtest_add_func("/shadow-arrival/ahead", test_ahead);
    return shadow_test_run();
}
