/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow guests as the operator of the outer QEMU handles them: options,
 * adding and removing at run time, queries, envelopes in files.
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "shadow-common.h"

#define LONGEST_ID "vm3456789012345678901234567890123456789012345678901234_6"

static void add_guest(QTestState *qts, const char *id)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'shadow-guest', 'id': %s, "
                             "'secret': 'key0'}}", id);
}

static void refuse_guest(QTestState *qts, const char *what, const char *id,
                         const char *secret)
{
    shadow_qmp_refused(qts, what, "{'execute': 'object-add', 'arguments': "
                       "{'qom-type': 'shadow-guest', 'id': %s, 'secret': %s}}",
                       id, secret);
}

static void add_secret(QTestState *qts, const char *id, unsigned len)
{
    g_autofree char *data = g_strnfill(len, 'k');

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'secret', 'id': %s, 'data': %s}}",
                             id, data);
}

static void refuse_port(QTestState *qts, const char *what, const char *guest,
                        unsigned iobase, unsigned irq)
{
    shadow_qmp_refused(qts, what, "{'execute': 'device_add', 'arguments': "
                       "{'driver': 'shadow-serial', 'id': 'bad', 'guest': %s, "
                       "'iobase': %u, 'irq': %u}}", guest, iobase, irq);
}

static void add_port(QTestState *qts, const char *id, const char *guest,
                     unsigned iobase)
{
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'id': %s, 'guest': "
                             "%s, 'iobase': %u}}", id, guest, iobase);
}

static unsigned count_guests(QTestState *qts)
{
    QDict *rsp = qtest_qmp(qts, "{'execute': 'query-shadow-guests'}");
    unsigned n = qlist_size(qdict_get_qlist(rsp, "return"));

    qobject_unref(rsp);
    return n;
}

/* Options that are wrong */

static void test_secret(void)
{
    QTestState *qts = shadow_start("", " ");

    add_secret(qts, "short", 31);
    add_secret(qts, "enough", 32);
    shadow_qmp_refused(qts, "shadow-guest 'vm2' needs a secret or a host",
                       "{'execute': 'object-add', 'arguments': {'qom-type': "
                       "'shadow-guest', 'id': 'vm2'}}");
    refuse_guest(qts, "No secret with id 'nokey'", "vm2", "nokey");
    refuse_guest(qts, "32", "vm2", "short");
    g_assert_cmpuint(count_guests(qts), ==, 1);
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'shadow-guest', 'id': 'vm2', "
                             "'secret': 'enough'}}");
    shadow_qmp_refused(qts, "32", "{'execute': 'object-add', 'arguments': "
                       "{'qom-type': 'shadow-guest', 'id': 'vm3', 'secret': "
                       "'enough', 'bind-secret': 'short'}}");
    g_assert_cmpuint(count_guests(qts), ==, 2);
    qtest_quit(qts);
}

static void test_id_length(void)
{
    QTestState *qts = shadow_start("", " ");

    add_guest(qts, LONGEST_ID);
    g_assert_cmpuint(shadow_query_call(qts, LONGEST_ID).devices, ==, 0);
    refuse_guest(qts, "at most 56 characters", LONGEST_ID "7", "key0");
    qtest_quit(qts);
}

static void test_unknown_guest(void)
{
    QTestState *qts = shadow_start("", " ");

    refuse_port(qts, "there is no shadow-guest 'nobody'", "nobody", COM1, 4);
    /* an object, but of another kind */
    refuse_port(qts, "there is no shadow-guest 'key0'", "key0", COM1, 4);
    shadow_qmp_refused(qts, "'guest' is required",
                       "{'execute': 'device_add', 'arguments': {'driver': "
                       "'shadow-serial', 'id': 'com1'}}");
    qtest_quit(qts);
}

static void test_device_without_id(void)
{
    QTestState *qts = shadow_start("", " ");

    shadow_qmp_refused(qts, "needs an id",
                       "{'execute': 'device_add', 'arguments': {'driver': "
                       "'shadow-serial', 'guest': 'vm1'}}");
    qtest_quit(qts);
}

static void test_overlapping_ports(void)
{
    QTestState *qts = shadow_start_com1();

    refuse_port(qts, "belong to device 'com1' already", "vm1", COM1, 4);
    refuse_port(qts, "belong to device 'com1' already", "vm1", COM1 + 7, 4);
    refuse_port(qts, "belong to device 'com1' already", "vm1", COM1 - 7, 4);
    add_port(qts, "above", "vm1", COM1 + 8);
    add_port(qts, "below", "vm1", COM1 - 8);
    /* the same ports in another guest */
    add_guest(qts, "vm2");
    add_port(qts, "other", "vm2", COM1);
    port_out(qts, COM1 + UART_SCR, 0x5a);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
    qtest_quit(qts);
}

static void test_ports_out_of_range(void)
{
    QTestState *qts = shadow_start("", " ");

    refuse_port(qts, "out of range", "vm1", 0xfff9, 4);
    refuse_port(qts, "out of range", "vm1", 0x10000, 4);
    refuse_port(qts, "out of range", "vm1", 0xfffffff8, 4);
    refuse_port(qts, "irq 16 is not an ISA interrupt", "vm1", COM1, 16);
    add_port(qts, "last", "vm1", 0xfff8);
    qtest_quit(qts);
}

static void refuse_property(QTestState *qts, const char *what,
                            const char *name, const char *val)
{
    shadow_qmp_refused(qts, what, "{'execute': 'device_add', 'arguments': "
                       "{'driver': 'shadow-serial', 'id': 'bad', 'guest': "
                       "'vm1', %s: %s}}", name, val);
}

static void refuse_size(QTestState *qts, const char *name, uint64_t val)
{
    shadow_qmp_refused(qts, "must be 1 to", "{'execute': 'device_add', "
                       "'arguments': {'driver': 'shadow-serial', 'id': 'bad', "
                       "'guest': 'vm1', %s: %" PRIu64 "}}", name, val);
}

static void test_console_properties(void)
{
    QTestState *qts = shadow_start("", " ");

    refuse_size(qts, "input-size", 0);
    refuse_size(qts, "output-size", 0);
    refuse_size(qts, "input-size", 2097153);
    refuse_size(qts, "output-size", UINT32_MAX);
    refuse_property(qts, "replay must be", "replay", "all");
    qtest_quit(qts);
}

static void test_chardev_in_use(void)
{
    QTestState *qts = shadow_start_com1();

    refuse_property(qts, "is already in use", "chardev", "c0");
    refuse_property(qts, "can't find value 'c9'", "chardev", "c9");
    qtest_quit(qts);
}

/* One that failed has let go of its chardev and its ports. */
static void test_failed_device_leaves_nothing(void)
{
    QTestState *qts;

    qts = shadow_start("", SHADOW_COM1 " -chardev null,id=c1", shadow_dir);
    for (unsigned i = 0; i < 3; i++) {
        shadow_qmp_refused(qts, "already", "{'execute': 'device_add', "
                           "'arguments': {'driver': 'shadow-serial', 'id': "
                           "'com2', 'guest': 'vm1', 'chardev': 'c1', "
                           "'iobase': %u}}", COM1);
    }
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'id': 'com2', "
                             "'guest': 'vm1', 'chardev': 'c1', 'iobase': %u}}",
                             COM2);
    qtest_quit(qts);
}

static void check_start(const char *args, const char *what)
{
    g_autofree char *text = shadow_refuses_to_start(args);

    if (!strstr(text, what)) {
        g_assert_cmpstr(text, ==, what);
    }
}

static void test_command_line(void)
{
    check_start("-device ultracall -device ultracall", "one ultracall device");
    check_start("-object shadow-guest,id=vm1", "needs a secret or a host");
    check_start("-object secret,id=k,data=short "
                "-object shadow-guest,id=vm1,secret=k", "32");
    check_start("-device ultracall -device shadow-serial,id=com1,guest=vm1",
                "Add -object shadow-guest,id=vm1");
    check_start("-object secret,id=k,data=" SHADOW_KEY " "
                "-object shadow-guest,id=vm1,secret=k "
                "-device shadow-serial,id=com1,guest=vm1", "shadow-bus");
}

/* Coming and going */

static void test_guest_in_use(void)
{
    QTestState *qts = shadow_start_com1();

    shadow_qmp_refused(qts, "in use", "{'execute': 'object-del', "
                       "'arguments': {'id': 'vm1'}}");
    shadow_assert_state(qts, "vm1", "active");
    qtest_qmp_device_del(qts, "com1");
    shadow_object_del(qts, "vm1");
    g_assert_cmpuint(count_guests(qts), ==, 0);
    qtest_quit(qts);
}

static void test_removal_while_bound(void)
{
    QTestState *qts = shadow_start_com1();

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

    add_guest(qts, "vm1");
    port_in(qts, COM1);
    g_assert_cmpuint(port_missed(qts), ==, 3);
    qtest_quit(qts);
}

/* The user stays connected, and is the new device's user. */
static void test_device_comes_again(void)
{
    QTestState *qts = shadow_start_com1();
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
    qtest_quit(qts);
}

static void test_many_guests(void)
{
    QTestState *qts = shadow_start("", " ");

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 20; i++) {
            g_autofree char *guest = g_strdup_printf("guest%u", i);
            g_autofree char *com = g_strdup_printf("com%u", i);

            add_guest(qts, guest);
            add_port(qts, com, guest, COM1);
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
        g_assert_cmpuint(count_guests(qts), ==, 1);
    }
    qtest_quit(qts);
}

static void test_many_devices(void)
{
    QTestState *qts = shadow_start("", " ");
    struct ultracall_device dev;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    for (unsigned i = 0; i < ULTRACALL_DEVICES_MAX; i++) {
        g_autofree char *com = g_strdup_printf("com%u", i);

        add_port(qts, com, "vm1", 0x800 - 8 * i);
    }
    refuse_port(qts, "has 16 devices already", "vm1", 0x100, 4);
    g_assert_cmpuint(le16_to_cpu(shadow_query_call(qts, "vm1").devices), ==,
                     ULTRACALL_DEVICES_MAX);
    dev = shadow_irq_poll(qts, "vm1", 15);
    g_assert_cmphex(le16_to_cpu(dev.iobase), ==, 0x800);
    qtest_qmp_device_del(qts, "com15");
    add_port(qts, "com16", "vm1", 0x100);
    qtest_quit(qts);
}

/* Devices that a saved state does not know, or misses, would spoil it. */
static void test_no_new_device_while_frozen(void)
{
    QTestState *qts = shadow_start_com1();

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    refuse_port(qts, "is being migrated", "vm1", COM2, 3);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    add_port(qts, "com2", "vm1", COM2);
    qtest_quit(qts);
}

/* Queries */

static void test_query(void)
{
    QTestState *qts = shadow_start_com1();
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
    qtest_quit(qts);
}

static void test_hmp(void)
{
    QTestState *qts = shadow_start_com1();
    g_autofree char *text = NULL;

    uart_write(qts, COM1, "abc");
    text = qtest_hmp(qts, "info shadow");
    g_assert_nonnull(strstr(text, "vm1: active, bound by process, "
                                  "protection forced, epoch 0, 1 calls, "
                                  "6 port accesses"));
    g_assert_nonnull(strstr(text, "com1: port 0x3f8 irq 4, user not "
                                  "connected"));
    g_assert_nonnull(strstr(text, "3 produced, 0 sent, 0 dropped"));
    qtest_quit(qts);
}

/* The outer QEMU's own migration would take the state out of its envelope. */
static void test_outer_migration(void)
{
    QTestState *qts = shadow_start_com1();
    g_autofree char *text = NULL;

    shadow_qmp_refused(qts, "non-migratable device", "{'execute': 'migrate', "
                       "'arguments': {'uri': 'exec:cat >/dev/null'}}");
    text = qtest_hmp(qts, "savevm one");
    g_assert_nonnull(strstr(text, "non-migratable device"));
    port_out(qts, COM1 + UART_SCR, 0x5a);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
    qtest_quit(qts);
}

/* What nothing would look at again cannot be set any more. */
static void test_properties(void)
{
    static const struct {
        const char *name;
        QType type;
    } props[] = {
        { "bind-secret", QTYPE_QSTRING },
        { "state-file", QTYPE_QSTRING },
        { "host", QTYPE_QSTRING },
        { "incoming", QTYPE_QBOOL },
        { "unprotected", QTYPE_QBOOL },
    };
    QTestState *qts = shadow_start("", "%s", "");
    QDict *before = shadow_view(qts);

    for (int i = 0; i < ARRAY_SIZE(props); i++) {
        shadow_qmp_refused(qts, "of shadow-guest 'vm1' cannot be changed",
                           props[i].type == QTYPE_QBOOL ?
                           "{'execute': 'qom-set', 'arguments': {'path': "
                           "'/objects/vm1', 'property': %s, 'value': true}}" :
                           "{'execute': 'qom-set', 'arguments': {'path': "
                           "'/objects/vm1', 'property': %s, "
                           "'value': 'key0'}}", props[i].name);
    }
    shadow_assert_same(qts, before);
    qobject_unref(before);

    /* and what is meant to be, can */
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': "
                             "'snapshots', 'value': true}}");
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': "
                             "'secret', 'value': 'key0'}}");
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': "
                             "'old-secrets', 'value': ['key0']}}");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-guest/secret", test_secret);
    qtest_add_func("/shadow-guest/id-length", test_id_length);
    qtest_add_func("/shadow-guest/properties", test_properties);
    qtest_add_func("/shadow-guest/unknown", test_unknown_guest);
    qtest_add_func("/shadow-guest/device/no-id", test_device_without_id);
    qtest_add_func("/shadow-guest/device/overlap", test_overlapping_ports);
    qtest_add_func("/shadow-guest/device/range", test_ports_out_of_range);
    qtest_add_func("/shadow-guest/device/console", test_console_properties);
    qtest_add_func("/shadow-guest/device/chardev", test_chardev_in_use);
    qtest_add_func("/shadow-guest/device/failed",
                   test_failed_device_leaves_nothing);
    qtest_add_func("/shadow-guest/device/again", test_device_comes_again);
    qtest_add_func("/shadow-guest/device/many", test_many_devices);
    qtest_add_func("/shadow-guest/device/frozen",
                   test_no_new_device_while_frozen);
    qtest_add_func("/shadow-guest/command-line", test_command_line);
    qtest_add_func("/shadow-guest/in-use", test_guest_in_use);
    qtest_add_func("/shadow-guest/removed-while-bound",
                   test_removal_while_bound);
    qtest_add_func("/shadow-guest/many", test_many_guests);
    qtest_add_func("/shadow-guest/query", test_query);
    qtest_add_func("/shadow-guest/hmp", test_hmp);
    qtest_add_func("/shadow-guest/outer-migration", test_outer_migration);
    return shadow_test_run();
}
