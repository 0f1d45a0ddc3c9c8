/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of guests and devices that are wrong: each is refused with a reason,
 * and changes nothing.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qjson.h"
#include "shadow-common.h"

#define LONGEST_ID "vm3456789012345678901234567890123456789012345678901234_6"

/* Options, as JSON, and what QEMU says of them */
typedef struct Wrong {
    const char *options, *what;
} Wrong;

/* A command with @always and each one's options changes nothing of vm1. */
static void refuse_each(QTestState *qts, const char *command,
                        const char *always, const Wrong *wrong, unsigned n)
{
    QDict *before = shadow_view(qts);
    unsigned guests = shadow_count_guests(qts);

    for (unsigned i = 0; i < n; i++) {
        g_autofree char *json = g_strdup_printf("{%s%s}", always,
                                                wrong[i].options);

        shadow_qmp_refused(qts, wrong[i].what, "{'execute': %s, "
                           "'arguments': %p}", command,
                           qobject_from_json(json, &error_abort));
        shadow_assert_same(qts, before);
        g_assert_cmpuint(shadow_count_guests(qts), ==, guests);
    }
    qobject_unref(before);
}

/* Apart from vm1, which has com1 at 1016 (0x3f8) */
static void refuse_ports(const Wrong *wrong, unsigned n)
{
    refuse_each(shadow_renew_com1(), "device_add",
                "'driver': 'shadow-serial'", wrong, n);
}

static void add_secret(QTestState *qts, const char *id, unsigned len)
{
    g_autofree char *data = g_strnfill(len, 'k');

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'secret', 'id': %s, 'data': %s}}",
                             id, data);
}

static void test_secret(void)
{
    static const Wrong wrong[] = {
        { "", "shadow-guest 'vm2' needs a secret or a host" },
        { ", 'secret': 'nokey'", "No secret with id 'nokey'" },
        { ", 'secret': 'short'", "32" },
        { ", 'secret': 'enough', 'bind-secret': 'short'", "32" },
    };
    QTestState *qts = shadow_renew_com1();

    add_secret(qts, "short", 31);
    add_secret(qts, "enough", 32);
    refuse_each(qts, "object-add", "'qom-type': 'shadow-guest', 'id': 'vm2'",
                wrong, ARRAY_SIZE(wrong));
    g_assert_cmpuint(shadow_count_guests(qts), ==, 1);
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'shadow-guest', 'id': 'vm2', "
                             "'secret': 'enough'}}");
    g_assert_cmpuint(shadow_count_guests(qts), ==, 2);
}

static void test_id_length(void)
{
    static const Wrong wrong[] = {
        { LONGEST_ID "7'", "at most 56 characters" },
    };
    QTestState *qts = shadow_renew_com1();

    shadow_add_guest(qts, LONGEST_ID);
    g_assert_cmpuint(shadow_query_call(qts, LONGEST_ID).devices, ==, 0);
    refuse_each(qts, "object-add", "'qom-type': 'shadow-guest', 'secret': "
                "'key0', 'id': '", wrong, ARRAY_SIZE(wrong));
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
    QTestState *qts = shadow_renew_com1();
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
}

/* Of devices */

static void test_unknown_guest(void)
{
    static const Wrong wrong[] = {
        { ", 'id': 'bad', 'guest': 'nobody'",
          "there is no shadow-guest 'nobody'" },
        /* an object, but of another kind */
        { ", 'id': 'bad', 'guest': 'key0'",
          "there is no shadow-guest 'key0'" },
        { ", 'id': 'bad'", "'guest' is required" },
    };

    refuse_ports(wrong, ARRAY_SIZE(wrong));
}

static void test_device_without_id(void)
{
    static const Wrong wrong[] = { { ", 'guest': 'vm1'", "needs an id" } };

    refuse_ports(wrong, ARRAY_SIZE(wrong));
}

#define BAD ", 'id': 'bad', 'guest': 'vm1', "

static void test_overlapping_ports(void)
{
    static const Wrong wrong[] = {
        { BAD "'iobase': 1016", "belong to device 'com1' already" },
        { BAD "'iobase': 1023", "belong to device 'com1' already" },
        { BAD "'iobase': 1009", "belong to device 'com1' already" },
    };
    QTestState *qts;

    refuse_ports(wrong, ARRAY_SIZE(wrong));
    qts = shadow_renew_com1();
    shadow_add_port(qts, "above", "vm1", COM1 + 8);
    shadow_add_port(qts, "below", "vm1", COM1 - 8);
    /* the same ports in another guest */
    shadow_add_guest(qts, "vm2");
    shadow_add_port(qts, "other", "vm2", COM1);
    port_out(qts, COM1 + UART_SCR, 0x5a);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
}

static void test_ports_out_of_range(void)
{
    static const Wrong wrong[] = {
        { BAD "'iobase': 65529", "out of range" },
        { BAD "'iobase': 65536", "out of range" },
        { BAD "'iobase': 4294967288", "out of range" },
        { BAD "'iobase': 760, 'irq': 16", "irq 16 is not an ISA interrupt" },
    };

    refuse_ports(wrong, ARRAY_SIZE(wrong));
    shadow_add_port(shadow_renew_com1(), "last", "vm1", 0xfff8);
}

static void test_console_properties(void)
{
    static const Wrong wrong[] = {
        { BAD "'iobase': 760, 'input-size': 0", "must be 1 to" },
        { BAD "'iobase': 760, 'output-size': 0", "must be 1 to" },
        { BAD "'iobase': 760, 'input-size': 2097153", "must be 1 to" },
        { BAD "'iobase': 760, 'output-size': 4294967295", "must be 1 to" },
        { BAD "'iobase': 760, 'replay': 'all'", "replay must be" },
    };

    refuse_ports(wrong, ARRAY_SIZE(wrong));
}

static void test_chardev_in_use(void)
{
    static const Wrong wrong[] = {
        { BAD "'iobase': 760, 'chardev': 'c0'", "is already in use" },
        { BAD "'iobase': 760, 'chardev': 'c9'", "can't find value 'c9'" },
    };

    refuse_ports(wrong, ARRAY_SIZE(wrong));
}

/* One that failed has let go of its chardev and its ports. */
static void test_failed_device_leaves_nothing(void)
{
    static const Wrong wrong[] = {
        { BAD "'chardev': 'c1', 'iobase': 1016", "already" },
        { BAD "'chardev': 'c1', 'iobase': 1016", "already" },
        { BAD "'chardev': 'c1', 'iobase': 1016", "already" },
    };
    QTestState *qts = shadow_renew_com1();

    qtest_qmp_assert_success(qts, "{'execute': 'chardev-add', 'arguments': "
                             "{'id': 'c1', 'backend': {'type': 'null', "
                             "'data': {}}}}");
    refuse_each(qts, "device_add", "'driver': 'shadow-serial'", wrong,
                ARRAY_SIZE(wrong));
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'id': 'com2', "
                             "'guest': 'vm1', 'chardev': 'c1', 'iobase': %u}}",
                             COM2);
}

/* Where nobody is there to ask */

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

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-options/secret", test_secret);
    qtest_add_func("/shadow-options/id-length", test_id_length);
    qtest_add_func("/shadow-options/properties", test_properties);
    qtest_add_func("/shadow-options/unknown", test_unknown_guest);
    qtest_add_func("/shadow-options/device/no-id", test_device_without_id);
    qtest_add_func("/shadow-options/device/overlap", test_overlapping_ports);
    qtest_add_func("/shadow-options/device/range", test_ports_out_of_range);
    qtest_add_func("/shadow-options/device/console",
                   test_console_properties);
    qtest_add_func("/shadow-options/device/chardev", test_chardev_in_use);
    qtest_add_func("/shadow-options/device/failed",
                   test_failed_device_leaves_nothing);
    qtest_add_func("/shadow-options/command-line", test_command_line);
    return shadow_test_run();
}
