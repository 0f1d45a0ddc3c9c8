/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device that is not a UART: one port, no interrupt, nothing to type.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "shadow-payload.h"

#define PORT 0x402
#define DEBUGCON SHADOW_CHARDEV \
    "-device shadow-debugcon,id=log,guest=vm1,chardev=c0"

static QTestState *start(const char *more)
{
    QTestState *qts = shadow_start("", DEBUGCON "%s", shadow_dir, more);

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static void log_write(QTestState *qts, const char *text)
{
    while (*text) {
        port_out(qts, PORT, *text++);
    }
}

static void test_log(void)
{
    QTestState *qts = start("");
    int user;

    g_assert_cmphex(port_in(qts, PORT), ==, 0xe9);
    log_write(qts, "early ");
    user = user_connect("c0");
    user_expect(user, "early ");
    log_write(qts, "and late");
    user_expect(user, "and late");
    g_assert_cmpuint(shadow_count(qts, "log", "output-sent"), ==, 14);
    close(user);
    qtest_quit(qts);
}

/* Where firmware looks for it elsewhere, or for another sign */
static void test_properties(void)
{
    QTestState *qts = start(",iobase=0xe9,readback=0x42,output-size=4");

    g_assert_cmphex(port_in(qts, 0xe9), ==, 0x42);
    for (const char *c = "too long"; *c; c++) {
        port_out(qts, 0xe9, *c);
    }
    g_assert_cmpuint(shadow_count(qts, "log", "output-dropped"), ==, 4);
    qtest_quit(qts);
    g_free(shadow_refuses_to_start(
        "-object secret,id=key0,data=" SHADOW_KEY " "
        "-object shadow-guest,id=vm1,secret=key0 "
        "-device shadow-debugcon,id=log,guest=vm1,readback=256"));
    g_free(shadow_refuses_to_start(
        "-object secret,id=key0,data=" SHADOW_KEY " "
        "-object shadow-guest,id=vm1,secret=key0 "
        "-device shadow-debugcon,id=log,guest=vm1,iobase=0x10000"));
    g_free(shadow_refuses_to_start(
        "-object secret,id=key0,data=" SHADOW_KEY " "
        "-object shadow-guest,id=vm1,secret=key0 "
        "-device shadow-debugcon,id=log,guest=vm1,output-size=0"));
}

/* What is typed stays in the transport: there is nobody to read it. */
static void test_typed(void)
{
    QTestState *qts = start("");
    int user = user_connect("c0");

    shadow_wait_connected(qts, "log", true);
    user_send(user, "hello?");
    log_write(qts, "no");
    user_expect(user, "no");
    g_assert_cmpuint(shadow_count(qts, "log", "input-accepted"), ==, 0);
    /* and does not keep a SAVE from settling */
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    close(user);
    qtest_quit(qts);
}

/* L1 learns of no interrupt, and a UART beside it has its own. */
static void test_no_line(void)
{
    QTestState *qts = start(" -device shadow-serial,id=com1,guest=vm1");
    QDict *d = shadow_query_device(qts, "log");

    g_assert_false(qdict_haskey(d, "irq"));
    qobject_unref(d);
    g_assert_cmpuint(le16_to_cpu(shadow_query_call(qts, "vm1").devices), ==,
                     1);
    g_assert_cmphex(le16_to_cpu(shadow_irq_poll(qts, "vm1", 0).iobase), ==,
                    COM1);
    qtest_quit(qts);
}

/* All of it comes along, with what the frozen port was told. */
static void test_moves(void)
{
    QTestState *from = start(""), *to;
    g_autoptr(GByteArray) env = NULL;
    int user;

    to = shadow_start(",incoming=on", "-chardev socket,id=d0,path=%s/d0,"
                      "server=on,wait=off -device shadow-debugcon,id=log,"
                      "guest=vm1,chardev=d0", shadow_dir);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    log_write(from, "here, ");
    env = shadow_envelope(from, "vm1");
    log_write(from, "frozen, ");
    g_assert_cmphex(port_in(from, PORT), ==, 0xe9);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    user = user_connect("c0");
    user_expect(user, "here, frozen, ");
    close(user);
    shadow_wait_connected(from, "log", false);
    log_write(from, "moved");
    shadow_move(from, to);
    g_assert_cmphex(port_in(to, PORT), ==, 0xe9);
    user = user_connect("d0");
    user_expect(user, "moved");
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

/* In part ahead, and where there is a device that has nothing to send so */
static void test_ahead(void)
{
    QTestState *from = start(""), *to;
    g_autoptr(GByteArray) ahead = NULL, rest = NULL;

    to = shadow_start(",incoming=on", "-device shadow-debugcon,id=log,"
                      "guest=vm1");
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    log_write(from, "0123456789");
    ahead = shadow_envelope_flags(from, "vm1", ULTRACALL_SAVE_HISTORY);
    rest = shadow_envelope_flags(from, "vm1", ULTRACALL_SAVE_REST);
    g_assert_cmpuint(rest->len, <, ahead->len);
    g_assert_cmpint(shadow_restore_env(to, ahead), ==, 0);
    g_assert_cmpint(shadow_restore_env(to, rest), ==, 0);
    g_assert_cmpuint(shadow_count(to, "log", "output-produced"), ==, 10);
    g_assert_cmpuint(shadow_count(to, "log", "output-start"), ==, 0);
    qtest_quit(from);
    qtest_quit(to);
}

/* A state as the first version saved it */
static void test_golden(void)
{
    QTestState *from = start(",output-size=64"), *to;
    g_autoptr(GByteArray) env = NULL, is = NULL;

    log_write(from, "SeaBIOS (version 1)\n");
    env = shadow_envelope(from, "vm1");
    is = payload_unsealed(env);
    golden_check("state-1-debugcon.bin", is, 0, 0);
    to = shadow_start(",incoming=on", "-device shadow-debugcon,id=log,"
                      "guest=vm1");
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(payload_restore(to, is), ==, 0);
    g_assert_cmpuint(shadow_count(to, "log", "output-produced"), ==, 20);
    qtest_quit(from);
    qtest_quit(to);
}

/* The lines about the console are its own. */
static void test_detached(void)
{
    QTestState *qts = start("");
    int user = user_connect("c0");

    shadow_wait_connected(qts, "log", true);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    user_expect(user, "\r\n[shadow-debugcon vm1/log: detached from its virtual "
                "machine: the cloud VM unbound it, input=0 output=0]\r\n");
    user_expect_end(user);
    close(user);
    qtest_quit(qts);
}

/* Layout */

static unsigned get_layout(QTestState *qts, struct ultracall_resource *r,
                           unsigned max)
{
    g_assert_cmpint(shadow_call(qts, ULTRACALL_LAYOUT, "vm1", SHADOW_BUF,
                                max * sizeof(*r), 0), ==, 0);
    g_assert_cmpuint(shadow_value(qts) % sizeof(*r), ==, 0);
    qtest_memread(qts, SHADOW_BUF, r, shadow_value(qts));
    return shadow_value(qts) / sizeof(*r);
}

static void expect_resource(const struct ultracall_resource *r,
                            unsigned device, unsigned kind, unsigned number,
                            unsigned first, unsigned len)
{
    g_assert_cmpuint(le16_to_cpu(r->device), ==, device);
    g_assert_cmpuint(le16_to_cpu(r->kind), ==, kind);
    g_assert_cmpuint(le32_to_cpu(r->number), ==, number);
    g_assert_cmphex(le32_to_cpu(r->first), ==, first);
    g_assert_cmphex(le32_to_cpu(r->len), ==, len);
}

static void test_layout(void)
{
    QTestState *qts = start(" -device shadow-serial,id=com2,guest=vm1,"
                            "iobase=0x2f8,irq=3");
    struct ultracall_resource r[ULTRACALL_RESOURCES_MAX];

    g_assert_cmpuint(get_layout(qts, r, ARRAY_SIZE(r)), ==, 4);
    expect_resource(&r[0], 0, ULTRACALL_PORTS, 0, COM2, 8);
    expect_resource(&r[1], 0, ULTRACALL_LINE, 3, 0, 0);
    expect_resource(&r[2], 0, ULTRACALL_ACPI, 2, 0, 0);
    g_assert_cmpstr(r[2].hid, ==, "PNP0501");
    g_assert_cmpstr(r[2].name, ==, "COM2");
    expect_resource(&r[3], 1, ULTRACALL_PORTS, 0, PORT, 1);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_LAYOUT, "vm1", SHADOW_BUF,
                                sizeof(r[0]), 0), ==, -ENOSPC);
    g_assert_cmpuint(shadow_value(qts), ==, 4 * sizeof(r[0]));
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-debugcon/log", test_log);
    qtest_add_func("/shadow-debugcon/properties", test_properties);
    qtest_add_func("/shadow-debugcon/typed", test_typed);
    qtest_add_func("/shadow-debugcon/no-line", test_no_line);
    qtest_add_func("/shadow-debugcon/moves", test_moves);
    qtest_add_func("/shadow-debugcon/ahead", test_ahead);
    qtest_add_func("/shadow-debugcon/golden", test_golden);
    qtest_add_func("/shadow-debugcon/detached", test_detached);
    qtest_add_func("/shadow-debugcon/layout", test_layout);
    return shadow_test_run();
}
