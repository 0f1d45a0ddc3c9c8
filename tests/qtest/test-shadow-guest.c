/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow guests as the operator of the outer QEMU handles them: adding and
 * removing at run time, queries.  Options are in test-shadow-options.c.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

static void refuse_port(QTestState *qts, const char *what, unsigned iobase)
{
    shadow_qmp_refused(qts, what, "{'execute': 'device_add', 'arguments': "
                       "{'driver': 'shadow-serial', 'id': 'bad', 'guest': "
                       "'vm1', 'iobase': %u}}", iobase);
}

/* Coming and going */

static void test_guest_in_use(void)
{
    QTestState *qts = shadow_renew_com1();

    shadow_qmp_refused(qts, "in use", "{'execute': 'object-del', "
                       "'arguments': {'id': 'vm1'}}");
    shadow_assert_state(qts, "vm1", "active");
    qtest_qmp_device_del(qts, "com1");
    shadow_object_del(qts, "vm1");
    g_assert_cmpuint(shadow_count_guests(qts), ==, 0);
}

static void test_removal_while_bound(void)
{
    QTestState *qts = shadow_renew_com1();

    port_in(qts, COM1);
    g_assert_cmpuint(port_missed(qts), ==, 0);
    qtest_qmp_device_del(qts, "com1");
    port_in(qts, COM1);
    g_assert_cmpuint(port_missed(qts), ==, 1);
    shadow_object_del(qts, "vm1");
    shadow_expect_unbound(qts, "vm1", "the shadow guest was removed");
    port_in(qts, COM1);
    g_assert_cmpuint(port_missed(qts), ==, 2);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, -ENOENT);

    shadow_add_guest(qts, "vm1");
    port_in(qts, COM1);
    g_assert_cmpuint(port_missed(qts), ==, 3);
}

/* The user stays connected, and is the new device's user. */
static void test_device_comes_again(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");

    uart_write(qts, COM1, "one");
    user_expect(user, "one");
    qtest_qmp_device_del(qts, "com1");
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'id': 'com1', "
                             "'guest': 'vm1', 'chardev': 'c0'}}");
    uart_write(qts, COM1, "two");
    user_expect(user, "two");
    user_send(user, "three");
    uart_expect(qts, COM1, "three");
    close(user);
}

static void test_many_guests(void)
{
    QTestState *qts = shadow_renew_com1();

    qtest_qmp_device_del(qts, "com1");
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 20; i++) {
            g_autofree char *guest = g_strdup_printf("guest%u", i);
            g_autofree char *com = g_strdup_printf("com%u", i);

            shadow_add_guest(qts, guest);
            shadow_add_port(qts, com, guest, COM1);
            shadow_bind(qts, guest, SHADOW_PROCESS * (i + 1), i);
            g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0);
            port_out(qts, COM1 + UART_SCR, i + 1);
        }
        for (unsigned i = 0; i < 20; i++) {
            shadow_enter(qts, SHADOW_PROCESS * (i + 1), 0, 0);
            g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, i + 1);
        }
        for (unsigned i = 20; i-- > 0; ) {
            g_autofree char *guest = g_strdup_printf("guest%u", i);
            g_autofree char *com = g_strdup_printf("com%u", i);

            qtest_qmp_device_del(qts, com);
            shadow_object_del(qts, guest);
        }
        g_assert_cmpuint(port_missed(qts), ==, 0);
        g_assert_cmpuint(shadow_count_guests(qts), ==, 1);
    }
}

static void test_many_devices(void)
{
    QTestState *qts = shadow_renew_com1();
    struct ultracall_device dev;

    qtest_qmp_device_del(qts, "com1");
    for (unsigned i = 0; i < ULTRACALL_DEVICES_MAX; i++) {
        g_autofree char *com = g_strdup_printf("com%u", i);

        shadow_add_port(qts, com, "vm1", 0x800 - 8 * i);
    }
    refuse_port(qts, "has 16 devices already", 0x100);
    g_assert_cmpuint(le16_to_cpu(shadow_query_call(qts, "vm1").devices), ==,
                     ULTRACALL_DEVICES_MAX);
    dev = shadow_irq_poll(qts, "vm1", 15);
    g_assert_cmphex(le16_to_cpu(dev.iobase), ==, 0x800);
    qtest_qmp_device_del(qts, "com15");
    shadow_add_port(qts, "com16", "vm1", 0x100);
}

/* Devices that a saved state does not know, or misses, would spoil it. */
static void test_no_new_device_while_frozen(void)
{
    QTestState *qts = shadow_renew_com1();

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    refuse_port(qts, "is being migrated", COM2);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    shadow_add_port(qts, "com2", "vm1", COM2);
}

/* Queries */

static void test_query(void)
{
    QTestState *qts = shadow_renew_com1();
    QDict *g, *d;
    int user = user_connect("c0");

    uart_write(qts, COM1, "abc");
    user_expect(user, "abc");
    user_send(user, "12345");
    shadow_wait_count(qts, "com1", "input-accepted", 5);

    g = shadow_query(qts, "vm1");
    g_assert_cmpstr(qdict_get_str(g, "state"), ==, "active");
    g_assert_true(qdict_get_bool(g, "bound-by-process"));
    g_assert_false(qdict_get_bool(g, "bound-by-tag"));
    g_assert_cmpint(qdict_get_int(g, "epoch"), ==, 0);
    g_assert_cmpint(qdict_get_int(g, "calls"), ==, 1);
    g_assert_cmpint(qdict_get_int(g, "accesses"), ==, 6);
    g_assert_cmpint(qdict_get_int(g, "saves"), ==, 0);
    g_assert_cmpint(qdict_get_int(g, "restores"), ==, 0);
    g_assert_cmpint(qdict_get_int(g, "refusals"), ==, 0);
    g_assert_cmpint(qdict_get_int(g, "envelope-bytes"), >, 0);
    qobject_unref(g);

    d = shadow_query_device(qts, "com1");
    g_assert_cmpint(qdict_get_int(d, "iobase"), ==, COM1);
    g_assert_cmpint(qdict_get_int(d, "irq"), ==, 4);
    g_assert_true(qdict_get_bool(d, "connected"));
    g_assert_cmpint(qdict_get_int(d, "input-taken"), ==, 1);
    g_assert_cmpint(qdict_get_int(d, "output-produced"), ==, 3);
    g_assert_cmpint(qdict_get_int(d, "output-sent"), ==, 3);
    g_assert_cmpint(qdict_get_int(d, "output-start"), ==, 0);
    g_assert_cmpint(qdict_get_int(d, "output-dropped"), ==, 0);
    qobject_unref(d);
    close(user);
}

static void test_hmp(void)
{
    QTestState *qts = shadow_renew_com1();
    g_autofree char *text = NULL;

    uart_write(qts, COM1, "abc");
    text = qtest_hmp(qts, "info shadow");
    g_assert_nonnull(strstr(text, "vm1: active, bound by process, "
                                  "protection forced, epoch 0, 1 calls, "
                                  "6 port accesses"));
    g_assert_nonnull(strstr(text, "com1: port 0x3f8 irq 4, user not "
                                  "connected"));
    g_assert_nonnull(strstr(text, "3 produced, 0 sent, 0 dropped"));
}

/* The outer QEMU's own migration would take the state out of its envelope. */
static void test_outer_migration(void)
{
    QTestState *qts = shadow_renew_com1();
    g_autofree char *text = NULL;

    shadow_qmp_refused(qts, "non-migratable device", "{'execute': 'migrate', "
                       "'arguments': {'uri': 'exec:cat >/dev/null'}}");
    text = qtest_hmp(qts, "savevm one");
    g_assert_nonnull(strstr(text, "non-migratable device"));
    port_out(qts, COM1 + UART_SCR, 0x5a);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-guest/device/again", test_device_comes_again);
    qtest_add_func("/shadow-guest/device/many", test_many_devices);
    qtest_add_func("/shadow-guest/device/frozen",
                   test_no_new_device_while_frozen);
    qtest_add_func("/shadow-guest/in-use", test_guest_in_use);
    qtest_add_func("/shadow-guest/removed-while-bound",
                   test_removal_while_bound);
    qtest_add_func("/shadow-guest/many", test_many_guests);
    qtest_add_func("/shadow-guest/query", test_query);
    qtest_add_func("/shadow-guest/hmp", test_hmp);
    qtest_add_func("/shadow-guest/outer-migration", test_outer_migration);
    return shadow_test_run();
}
