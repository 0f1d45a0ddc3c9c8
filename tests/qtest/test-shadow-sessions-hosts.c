/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of private memory between hosts with keys of their own.
 */
#include "qemu/osdep.h"
#include "shadow-records.h"

/* What goes from one to the other is for it, and is taken. */
static void introduce(QTestState *from, QTestState *to)
{
    shadow_trust(to, from);
    shadow_set_destination(from, "vm1", to);
}

/* vm1 has the secret too, with which it is brought here at first. */
static QTestState *start_host(const char *secret, const uint8_t *image)
{
    QTestState *qts = records_start("");

    qtest_qmp_device_del(qts, "ram");
    qtest_qmp_device_del(qts, "com1");
    shadow_object_del(qts, "vm1");
    shadow_add_host(qts, secret);
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'shadow-guest', 'id': 'vm1', "
                             "'secret': 'key0', 'host': 'h0', "
                             "'incoming': true}}");
    records_add_devices(qts, "vm1", "ram", "com1", COM1);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    if (image) {
        records_bring(qts, image);
    }
    return qts;
}

#define SUITE_AT 5

static void test_move(void)
{
    g_autofree uint8_t *image = records_image(11);
    QTestState *from = start_host(SHADOW_KEY, image);
    QTestState *to = start_host(SHADOW_OTHER_KEY, NULL);
    QTestState *third = start_host("x" SHADOW_OTHER_KEY, NULL);
    g_autoptr(RecordsMove) m = NULL;
    GByteArray *session;

    introduce(from, to);
    /* whoever the guest was to go to opens nothing of what comes later */
    session = records_begin(from, "vm1");
    g_assert_cmpuint(session->data[SUITE_AT], ==, 2);
    g_byte_array_unref(session);
    introduce(from, third);
    g_assert_cmpint(records_end_session(from), ==, -EALREADY);
    introduce(from, to);

    m = records_leave(from, RECORDS_SHORT);
    g_assert_cmpint(shadow_restore_env(third, m->session), ==, -EBADMSG);
    g_assert_cmpint(shadow_restore_env(to, m->session), ==, 0);
    m->session->data[m->session->len - 1] ^= 1;
    g_assert_cmpint(shadow_restore_env(to, m->session), ==, -EBADMSG);
    m->session->data[m->session->len - 1] ^= 1;
    /* where it waits, what its operator says of a destination ends nothing */
    introduce(to, third);
    for (unsigned i = 0; i < m->records->len; i++) {
        g_assert_cmpint(records_import(to, m->records->pdata[i]), ==, 0);
    }
    g_assert_cmpint(shadow_restore_env(to, m->state), ==, 0);
    records_run(to);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    /* taken back, it can leave for the same host */
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    session = records_begin(from, "vm1");
    g_assert_cmpuint(session->data[SUITE_AT], ==, 2);
    g_byte_array_unref(session);
    qtest_quit(from);
    qtest_quit(to);
    qtest_quit(third);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-sessions-hosts/move", test_move);
    return shadow_test_run();
}
